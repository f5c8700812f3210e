-- name: events by name and day
SELECT name, ts::DATE AS day, count(*) AS n FROM events GROUP BY ALL ORDER BY day, n DESC, name
;
-- name: lateness of events
SELECT name, avg(epoch_ms(received_at) - epoch_ms(ts)) AS late_ms, max(received_at - ts) AS worst FROM events GROUP BY name
;
-- name: events without a session
SELECT count(*) FILTER (WHERE cardinality(sessions) = 0) AS alone, count(*) AS all_of_them FROM events
;
-- name: events with a field
SELECT id, data->>'$.ticket.subject' AS subject FROM events WHERE data->>'$.ticket.id' = '7'
;
-- name: events by version
SELECT coalesce(v, '(none)') AS version, count(*) AS n FROM events GROUP BY 1
;
-- name: runs that an event caused
SELECT e.name, r.status, count(*) AS n FROM events e JOIN runs r ON list_contains(r.event_ids, e.id) GROUP BY ALL
;
-- name: hourly failure rate
SELECT date_trunc('hour', started_at) AS hour, count(*) AS runs, count_if(status = 'Failed') / count(*) AS rate
FROM runs WHERE started_at IS NOT NULL GROUP BY hour ORDER BY hour
;
-- name: slowest runs
SELECT id, function_id, duration_ms FROM runs WHERE duration_ms IS NOT NULL ORDER BY duration_ms DESC, id LIMIT 5
;
-- name: waiting time before a run starts
SELECT function_id, quantile_cont(date_diff('second', queued_at, started_at), 0.9) AS p90 FROM runs
WHERE started_at > queued_at GROUP BY function_id
;
-- name: users with the most failures
SELECT user_id, count(*) AS failures FROM runs WHERE status = 'Failed' AND user_id IS NOT NULL GROUP BY user_id
HAVING failures >= 1 ORDER BY failures DESC, user_id
;
-- name: release against release
SELECT release, avg(duration_ms) AS mean, avg(duration_ms) - lag(avg(duration_ms)) OVER (ORDER BY release) AS slower
FROM runs WHERE release <> '' GROUP BY release ORDER BY release
;
-- name: runs whose input is an object
SELECT id FROM runs WHERE json_type(input) = 'OBJECT' ORDER BY id
;
-- name: runs and their parents
SELECT child.id, parent.status FROM runs child LEFT JOIN runs parent ON parent.id = child.parent_run_id ORDER BY child.id
;
-- name: steps of each type
SELECT type, count(*) AS n, avg(duration_ms) AS mean FROM steps GROUP BY type ORDER BY type
;
-- name: steps per run
SELECT run_id, count(DISTINCT id) AS steps, max(loop_index) AS loops FROM steps GROUP BY run_id ORDER BY run_id
;
-- name: steps that were tried again
SELECT run_id, id, loop_index, max(attempt) AS attempts FROM step_attempts GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL
;
-- name: share of attempts that failed, by attempt
SELECT attempt, avg((status = 'Failed')::DOUBLE) AS failed FROM step_attempts GROUP BY attempt ORDER BY attempt
;
-- name: time between attempts
SELECT run_id, id, started_at - lag(ended_at) OVER (PARTITION BY run_id, id, loop_index ORDER BY attempt, started_at, ended_at) AS pause
FROM step_attempts WHERE loop_index = 0
;
-- name: errors of steps
SELECT error->>'$.answer' AS message, count(*) AS n FROM steps WHERE error IS NOT NULL GROUP BY message
;
-- name: mean of a score, without averaging labels
SELECT name, avg(value) AS mean, count(value) AS n FROM scores WHERE kind <> 'label' GROUP BY name ORDER BY name
;
-- name: scores by judge
SELECT source, scorer_id, count(*) AS n, min(ts) AS first, max(ts) AS last FROM scores GROUP BY ALL
;
-- name: how late scores are
SELECT name, median(epoch(received_at - ts)) AS seconds FROM scores GROUP BY name
;
-- name: label scores
SELECT label, count(*) AS n FROM scores WHERE label IS NOT NULL GROUP BY label ORDER BY n DESC, label
;
-- name: scores on spans
SELECT s.name, p.type, avg(s.value) AS mean FROM scores s JOIN spans p USING (trace_id, span_id) GROUP BY ALL
;
-- name: scores that were changed
SELECT id, count(*) AS versions, first(value ORDER BY version) AS was, last(value ORDER BY version) AS became
FROM score_history GROUP BY id HAVING versions > 1 ORDER BY id
;
-- name: how long a score was current
SELECT id, version, coalesce(superseded_at, TIMESTAMPTZ '2026-12-31') - received_at AS lasted FROM score_history
;
-- name: score history without a change
SELECT count(*) FROM score_history h WHERE NOT EXISTS (SELECT 1 FROM score_history o WHERE o.id = h.id AND o.version <> h.version)
;
-- name: declared scores
SELECT name, kind, higher_is_better, min, max FROM score_definitions ORDER BY name
;
-- name: scores nobody declared
SELECT DISTINCT s.name FROM scores s ANTI JOIN score_definitions d ON d.name = s.name ORDER BY 1
;
-- name: scores outside their range
SELECT s.id, s.value, d.min, d.max FROM scores s JOIN score_definitions d USING (name) WHERE s.value NOT BETWEEN d.min AND d.max
;
-- name: experiments and their options
SELECT name, control, unit, options->>'$.answer' AS answer, last_at - first_at AS lasted FROM experiments ORDER BY name
;
-- name: sample ratio by unit
SELECT experiment, variant, count(DISTINCT unit) AS units, count(*) AS runs FROM assignments GROUP BY ALL ORDER BY ALL
;
-- name: units that saw two variants
SELECT experiment, unit, list_sort(array_agg(DISTINCT variant)) AS seen FROM assignments GROUP BY ALL
HAVING len(seen) > 1 ORDER BY ALL
;
-- name: weights of an assignment
SELECT experiment, json_keys(weights) AS variants FROM assignments WHERE json_type(weights) = 'OBJECT'
;
-- name: assignments a day, running
SELECT day, sum(n) OVER (ORDER BY day) AS total FROM (SELECT ts::DATE AS day, count(*) AS n FROM assignments GROUP BY day) ORDER BY day
;
-- name: runs of a session
SELECT session_key, session_id, list(run_id ORDER BY ts, run_id) AS runs FROM session_runs GROUP BY ALL ORDER BY ALL
;
-- name: sessions with a failed run
SELECT DISTINCT s.session_key, s.session_id FROM session_runs s JOIN runs r ON r.id = s.run_id WHERE r.status = 'Failed' ORDER BY ALL
;
-- name: cost of each model a day
SELECT start_time::DATE AS day, request_model, sum(cost_usd) AS usd, sum(input_tokens + output_tokens) AS tokens
FROM spans WHERE request_model IS NOT NULL GROUP BY ALL ORDER BY ALL
;
-- name: time to first token
SELECT provider, request_model, quantile_disc(ttft_ms, [0.5, 0.95]) AS ttft FROM spans WHERE type = 'llm' GROUP BY ALL
;
-- name: share of cached tokens
SELECT response_model, round(100 * sum(cache_read_tokens) / nullif(sum(input_tokens), 0), 2) AS percent FROM spans GROUP BY 1
;
-- name: tools an agent uses
SELECT agent_name, tool_name, count(*) AS calls FROM spans WHERE type = 'tool' GROUP BY ALL ORDER BY ALL
;
-- name: tree of a trace
WITH RECURSIVE tree AS (
  SELECT trace_id, span_id, name, 0 AS depth, [span_id] AS path FROM spans WHERE parent_span_id IS NULL
  UNION ALL
  SELECT s.trace_id, s.span_id, s.name, depth + 1, list_append(path, s.span_id)
  FROM spans s JOIN tree t ON s.trace_id = t.trace_id AND s.parent_span_id = t.span_id
  WHERE NOT list_contains(t.path, s.span_id) AND depth < 20
)
SELECT depth, count(*) AS spans FROM tree GROUP BY depth ORDER BY depth
;
-- name: spans of a resource
SELECT resource_attributes['ticket_id'] AS ticket, count(*) AS n FROM spans GROUP BY ticket ORDER BY n DESC, ticket
;
-- name: attributes that spans have
SELECT k, count(*) AS n FROM (SELECT unnest(map_keys(attributes)) AS k FROM spans) GROUP BY k ORDER BY k
;
-- name: spans that ended before they began
SELECT count(*) FROM spans WHERE end_time < start_time
;
-- name: finish reasons as columns
SELECT request_model, count(*) FILTER (finish_reason = 'x') AS stopped, count(*) FILTER (finish_reason IS NULL) AS unknown
FROM spans GROUP BY request_model ORDER BY request_model
;
-- name: newest metadata of a kind
SELECT DISTINCT ON (run_id, kind) run_id, kind, values FROM metadata ORDER BY run_id, kind, updated_at DESC
;
-- name: metadata as columns
SELECT run_id, max(values->>'$.grade') AS grade, bool_or(json_exists(values, '$.answer')) AS answered FROM metadata GROUP BY run_id
;
-- name: deferrals that wait for too long
SELECT id, scorer_id, deadline - created_at AS given FROM deferrals WHERE status = 'waiting' AND deadline < TIMESTAMPTZ '2026-09-21 00:00+00'
;
-- name: what became of deferrals
SELECT status, count(*) AS n, avg(date_diff('hour', created_at, resolved_at)) AS hours FROM deferrals GROUP BY status ORDER BY status
;
-- name: experiment scores, missing as zero
SELECT experiment, variant, score, avg(coalesce(value, 0)) AS mean, count(*) - count(value) AS missing FROM experiment_scores
GROUP BY ALL ORDER BY ALL
;
-- name: mean of unit means
SELECT experiment, variant, avg(m) AS mean, stddev_samp(m) / sqrt(count(*)) AS error, count(*) AS units
FROM (SELECT experiment, variant, unit, avg(value) AS m FROM experiment_scores GROUP BY ALL)
WHERE m IS NOT NULL GROUP BY ALL ORDER BY ALL
;
-- name: difference from the control
WITH means AS (SELECT experiment, score, variant, avg(value) AS mean FROM experiment_scores GROUP BY ALL)
SELECT v.experiment, v.score, v.variant, v.mean - c.mean AS uplift
FROM means v JOIN means c ON c.experiment = v.experiment AND c.score = v.score AND c.variant = 'control'
WHERE v.variant <> 'control' ORDER BY ALL
;
-- name: coverage of each score
SELECT experiment, score, count(value) / count(*) AS coverage FROM experiment_scores GROUP BY ALL HAVING count(*) > 0 ORDER BY ALL
;
-- name: runs without any score
SELECT experiment, count(*) AS unscored FROM scored_runs WHERE score IS NULL GROUP BY experiment ORDER BY experiment
;
-- name: scored runs with several raters
SELECT run_id, score, n_scores FROM scored_runs WHERE n_scores > 1 ORDER BY ALL
;
-- name: maturity of scores
SELECT score, quantile_cont(epoch(scored_at - started_at) / 3600, 0.5) AS hours FROM scored_runs WHERE score IS NOT NULL GROUP BY score
;
-- name: cost of a session
SELECT session_key, avg(cost_usd) AS mean, max(input_tokens) AS most, sum(run_count) AS runs FROM sessions GROUP BY session_key ORDER BY 1
;
-- name: sessions by length
SELECT width, count(*) AS n FROM (SELECT least(run_count, 5) AS width FROM sessions) GROUP BY width ORDER BY width
;
-- name: share of a session's runs that failed
SELECT session_id, failed_run_count / run_count AS failed FROM sessions WHERE run_count > 0 ORDER BY failed DESC, session_id
;
-- name: sessions and what they scored
SELECT s.session_key, s.session_id, c.score, c.mean, c.scored_runs FROM sessions s
LEFT JOIN session_scores c USING (session_key, session_id) ORDER BY ALL
;
-- name: sessions above the mean
SELECT session_id, score, mean FROM session_scores WHERE mean > (SELECT avg(mean) FROM session_scores) ORDER BY ALL
;
-- name: everything about one run
SELECT 'run' AS what, id, status AS detail FROM runs WHERE id = 'r01'
UNION ALL SELECT 'step', id, status FROM steps WHERE run_id = 'r01'
UNION ALL SELECT 'score', name, value::VARCHAR FROM scores WHERE run_id = 'r01'
UNION ALL SELECT 'span', span_id, type FROM spans WHERE run_id = 'r01'
UNION ALL SELECT 'session', session_id, session_key FROM session_runs WHERE run_id = 'r01'
ORDER BY ALL
;
-- name: all tables counted
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM steps) AS steps,
  (SELECT count(*) FROM step_attempts) AS attempts, (SELECT count(*) FROM scores) AS scores,
  (SELECT count(*) FROM score_history) AS history, (SELECT count(*) FROM score_definitions) AS definitions,
  (SELECT count(*) FROM experiments) AS experiments, (SELECT count(*) FROM assignments) AS assignments,
  (SELECT count(*) FROM session_runs) AS session_runs, (SELECT count(*) FROM spans) AS spans,
  (SELECT count(*) FROM metadata) AS metadata, (SELECT count(*) FROM deferrals) AS deferrals,
  (SELECT count(*) FROM experiment_scores) AS experiment_scores, (SELECT count(*) FROM scored_runs) AS scored_runs,
  (SELECT count(*) FROM sessions) AS sessions, (SELECT count(*) FROM session_scores) AS session_scores
;
-- name: funnel by windows
SELECT count(*) FILTER (n >= 1) AS one, count(*) FILTER (n >= 2) AS two, count(*) FILTER (n >= 3) AS three
FROM (SELECT session_id, count(*) OVER (PARTITION BY session_key, session_id) AS n FROM session_runs)
;
-- name: cohorts by week
SELECT date_trunc('week', first) AS cohort, date_diff('day', first, started_at) AS day, count(DISTINCT user_id) AS users
FROM (SELECT user_id, started_at, min(started_at) OVER (PARTITION BY user_id) AS first FROM runs WHERE user_id IS NOT NULL)
GROUP BY ALL ORDER BY ALL
;
-- name: confidence interval by hand
SELECT score, avg(value) - 1.96 * sem(value) AS low, avg(value) + 1.96 * sem(value) AS high FROM experiment_scores GROUP BY score ORDER BY score
;
-- name: nearest earlier score of each step
SELECT st.run_id, st.id, st.loop_index, sc.value FROM steps st ASOF LEFT JOIN (SELECT run_id, ts, max(value) AS value FROM scores GROUP BY ALL) sc
ON st.run_id = sc.run_id AND st.started_at >= sc.ts
;
-- name: gaps and islands
SELECT user_id, min(day) AS begin, max(day) AS until, count(*) AS days FROM (
  SELECT user_id, day, day - (row_number() OVER (PARTITION BY user_id ORDER BY day))::INTEGER AS island
  FROM (SELECT DISTINCT user_id, started_at::DATE AS day FROM runs WHERE user_id IS NOT NULL)
) GROUP BY user_id, island ORDER BY ALL
;
-- name: pivot of a window
PIVOT (SELECT function_id, status, count(*) OVER (PARTITION BY function_id) AS n FROM runs) ON status IN ('Failed', 'Completed')
USING max(n) GROUP BY function_id
;
-- name: bars
SELECT status, bar(count(*), 0, 20, 20) AS bar FROM runs GROUP BY status ORDER BY status
;
-- name: texts with what trips quoting
SELECT environment, length(environment) AS n, replace(environment, '''', '"') AS q FROM runs WHERE environment LIKE '%''%' OR environment LIKE '%\%'
;
-- name: a table of one's own
WITH prices(model, per_token) AS (VALUES ('gpt', 0.002), ('claude', 0.003))
SELECT model, sum(output_tokens * per_token) AS usd FROM spans JOIN prices ON request_model = model GROUP BY model ORDER BY model
;
-- name: what models cost
SELECT provider, model, sum(calls) AS calls, sum(input_tokens) AS tokens_in, sum(cost_usd) AS usd, sum(priced_calls) / nullif(sum(calls), 0) AS priced
FROM model_usage GROUP BY ALL ORDER BY usd DESC NULLS LAST, model
;
-- name: tools that fail
SELECT tool_name, sum(calls) AS calls, sum(errors) / nullif(sum(calls), 0) AS rate FROM tool_usage GROUP BY tool_name HAVING sum(calls) > 0 ORDER BY rate DESC, tool_name
;
-- name: runs that cost most
SELECT r.id, r.function_id, u.calls, u.input_tokens + u.output_tokens AS tokens, u.cost_usd FROM run_usage u JOIN runs r ON r.id = u.run_id
ORDER BY u.cost_usd DESC NULLS LAST, r.id LIMIT 10
;
-- name: time to the first token
SELECT model, count(*) AS n, quantile_cont(ttft_ms, 0.9) AS p90, count(*) FILTER (status_code = 'ERROR') AS failed FROM model_calls GROUP BY model ORDER BY model
