-- name: percentiles of durations
SELECT function_id, quantile_cont(duration_ms, [0.5, 0.95, 0.99]) AS p, approx_quantile(duration_ms, 0.9) AS about
FROM runs WHERE duration_ms IS NOT NULL GROUP BY function_id
;
-- name: tokens and cost by model
SELECT request_model, sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, round(sum(cost_usd), 4) AS usd
FROM spans WHERE type = 'llm' GROUP BY 1 ORDER BY usd DESC NULLS LAST
;
-- name: filtered and ordered aggregates
-- compare: columns
SELECT count(*) FILTER (WHERE status = 'Failed') AS failed, string_agg(id, ', ' ORDER BY started_at) AS ids,
       array_agg(DISTINCT status) AS statuses, arg_max(id, duration_ms) AS slowest, count(DISTINCT user_id) AS users
FROM runs
;
-- name: grouping sets, cube, rollup
SELECT environment, release, count(*), GROUPING(environment, release) FROM runs
GROUP BY GROUPING SETS ((environment, release), (environment), ())
UNION ALL BY NAME
SELECT environment, release, count(*), 0 FROM runs GROUP BY CUBE (environment, release)
UNION ALL BY NAME
SELECT environment, release, count(*), 1 FROM runs GROUP BY ROLLUP (environment, release)
;
-- name: statistics
SELECT variant, count(value) AS n, avg(value) AS mean, stddev_samp(value) AS sd, var_samp(value) AS v, sem(value),
       median(value), mad(value), skewness(value), corr(value, n_scores), regr_slope(value, n_scores)
FROM experiment_scores WHERE experiment = 'prompt-v2' AND score = 'task-solved' GROUP BY variant
;
-- name: histogram and top values
-- compare: columns
SELECT histogram(status), approx_top_k(function_id, 5), mode(status), entropy(status), approx_count_distinct(user_id) FROM runs
;
-- name: session funnel
WITH firsts AS (SELECT session_key, session_id, min(ts) AS at FROM session_runs GROUP BY ALL)
SELECT s.session_key, avg(s.run_count), quantile_disc(s.cost_usd, 0.5), max(date_diff('minute', f.at, s.last_at))
FROM sessions s JOIN firsts f USING (session_key, session_id) GROUP BY 1
;
-- name: metadata and definitions
SELECT m.values->>'$.grade' AS grade, d.higher_is_better
FROM metadata m LEFT JOIN score_definitions d ON d.name = m.kind WHERE m.level = 'run'
;
-- name: history of a score
SELECT name, version, value, superseded_at IS NULL AS current FROM score_history WHERE run_id = 'r1' ORDER BY version
