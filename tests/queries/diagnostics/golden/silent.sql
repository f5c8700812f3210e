-- name: mean by variant of one experiment
SELECT a.variant, avg(s.value) AS mean FROM assignments a JOIN scores s ON s.run_id = a.run_id AND s.name = 'task-solved' WHERE a.experiment = 'prompt-v2' GROUP BY 1
;
-- name: mean by experiment and variant
SELECT a.experiment, a.variant, avg(s.value), count(DISTINCT s.run_id) FROM scores s JOIN assignments a USING (run_id) WHERE s.name = 'csat' GROUP BY ALL
;
-- name: scores aggregated before the join
SELECT r.function_id, avg(s.mean) FROM runs r JOIN (SELECT run_id, avg(value) AS mean FROM scores WHERE name = 'csat' GROUP BY 1) s ON s.run_id = r.id GROUP BY 1
;
-- name: only runs that have a step, by EXISTS and SEMI JOIN
SELECT avg(s.value) FROM scores s SEMI JOIN steps t ON t.run_id = s.run_id
WHERE s.name = 'csat' AND EXISTS (SELECT 1 FROM spans p WHERE p.run_id = s.run_id)
;
-- name: best and worst, with repeated rows
SELECT max(s.value), min(s.value), count(DISTINCT s.run_id), any_value(s.name) FROM scores s JOIN steps t ON t.run_id = s.run_id
;
-- name: steps by the outcome of their run
SELECT s.value, avg(t.duration_ms), count(*) FROM steps t JOIN scores s ON s.run_id = t.run_id AND s.name = 'task-solved' GROUP BY 1
;
-- name: mean by session
SELECT q.session_key, q.session_id, avg(s.value) FROM session_runs q JOIN scores s USING (run_id) WHERE s.name = 'csat' GROUP BY 1, 2
;
-- name: two scores side by side
SELECT corr(a.value, b.value) FROM scores a JOIN scores b ON b.run_id = a.run_id WHERE a.name = 'csat' AND b.name = 'tone'
;
-- name: newest score of a run
SELECT avg(value) FROM (SELECT run_id, value FROM scores WHERE name = 'csat' QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY ts DESC) = 1) s JOIN runs r ON r.id = s.run_id
;
-- name: last step of a run
SELECT avg(s.value) FROM scores s JOIN steps t ON t.run_id = s.run_id AND t.ended_at = (SELECT max(u.ended_at) FROM steps u WHERE u.run_id = s.run_id)
WHERE s.name = 'csat' AND t.id = 'last'
;
-- name: definition of a score
SELECT s.name, d.unit, avg(s.value) FROM scores s LEFT JOIN score_definitions d USING (name) WHERE s.kind = 'numeric' GROUP BY ALL
;
-- name: closest step before a score
SELECT t.name, avg(s.value) FROM scores s ASOF JOIN steps t ON s.run_id = t.run_id AND s.ts >= t.started_at WHERE s.name = 'csat' GROUP BY 1
;
-- name: condition of an outer join in ON
SELECT r.function_id, count(s.value) / count(*) AS coverage FROM runs r LEFT JOIN scores s ON s.run_id = r.id AND s.name = 'csat' GROUP BY 1
;
-- name: runs without the score
SELECT r.id FROM runs r LEFT JOIN scores s ON s.run_id = r.id AND s.name = 'csat' WHERE s.id IS NULL
;
-- name: runs without the score, by NOT IN
SELECT id FROM runs WHERE id NOT IN (SELECT run_id FROM scores WHERE run_id IS NOT NULL AND name = 'csat')
;
-- name: NOT IN over the keys of a table
SELECT count(*) FROM scores WHERE run_id NOT IN (SELECT id FROM runs)
;
-- name: share of the failed
SELECT function_id, count(*) FILTER (WHERE status = 'Failed') / count(*) AS share, 100.0 * count_if(status = 'Failed') / count(*) AS percent FROM runs GROUP BY 1
;
-- name: share of all
SELECT status, count(*) / sum(count(*)) OVER () AS share FROM runs GROUP BY 1
;
-- name: divisor made safe
SELECT sum(cost_usd) / nullif(sum(output_tokens), 0), sum(cost_usd) / greatest(sum(output_tokens), 1), sum(cost_usd) / (count(cost_usd) + 1) FROM spans
;
-- name: divisor tested
SELECT cost_usd / output_tokens FROM spans WHERE output_tokens > 0
;
-- name: divisor tested by HAVING and CASE
SELECT function_id, sum(duration_ms) / sum(s) AS a, CASE WHEN sum(s) > 0 THEN 1 / sum(s) END AS b
FROM (SELECT function_id, duration_ms, len(id) AS s FROM runs) GROUP BY 1 HAVING sum(s) > 0
;
-- name: mean by hand
SELECT sum(value) / count(value) FROM scores WHERE name = 'csat'
;
-- name: divisor is a literal
SELECT duration_ms / 1000, epoch_ms(ended_at - started_at) // 60, id[1:2], 7 % 2 FROM runs
;
-- name: divisor above zero by a sum
SELECT duration_ms / 1000.0 / 60, output_tokens / (duration_ms / 1000 + 1) FROM spans
;
-- name: count of a group, used outside
WITH n AS (SELECT function_id, count(*) AS n, count(*) FILTER (WHERE status = 'Failed') AS f FROM runs GROUP BY 1) SELECT f / n FROM n
;
-- name: scores that exist or are declared
SELECT name FROM scores WHERE name IN ('task-solved', 'refund-rate', 'csat') OR name LIKE 'zz%'
;
-- name: names and values that exist
SELECT count(*) FROM assignments a JOIN runs r ON r.id = a.run_id WHERE a.experiment = 'prompt-v2' AND a.variant = 'control' AND r.status IN ('Completed', 'Failed')
;
-- name: mixed kinds, one of them asked for
SELECT avg(value) FROM scores WHERE name = 'quality' AND kind = 'numeric'
;
-- name: labels beside numbers are no second kind
SELECT avg(value) FROM scores WHERE name = 'tone'
;
-- name: one score of each by FILTER
SELECT run_id, avg(value) FILTER (WHERE name = 'csat') AS csat, avg(CASE WHEN name = 'tone' THEN value END) AS tone FROM scores GROUP BY 1
;
-- name: a score named by a parameter
-- params: ["csat"]
SELECT avg(value) FROM scores WHERE name = ?
;
-- name: counts of scores that are missing
SELECT variant, coalesce(count(value), 0), count(*) - count(value) AS missing, avg(value) FROM experiment_scores WHERE score = 'csat' GROUP BY 1
;
-- name: texts filled in
SELECT coalesce(user_id, 'nobody'), coalesce(duration_ms, 0), ifnull(label, '-') FROM runs, scores
;
-- name: CASE over a score that is there
SELECT avg(CASE WHEN value >= 4 THEN 1 ELSE 0 END) FROM scores WHERE name = 'csat'
;
-- name: CASE over a score that is kept by WHERE
SELECT avg(CASE WHEN value >= 4 THEN 1 ELSE 0 END) FROM experiment_scores WHERE score = 'csat' AND value IS NOT NULL
;
-- name: null asked rightly
SELECT id FROM runs WHERE parent_run_id IS NULL AND release IS NOT DISTINCT FROM NULL
;
-- name: a look at some rows
SELECT * FROM runs LIMIT 10
;
-- name: top list
SELECT name, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC LIMIT 10
;
-- name: one side of a full join asked for
SELECT r.id, d.id FROM runs r FULL JOIN deferrals d ON d.run_id = r.id WHERE d.status = 'waiting'
