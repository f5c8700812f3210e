-- name: scores repeated by steps
-- warns: repeated_rows 1:23+12
SELECT r.function_id, avg(s.value) FROM runs r JOIN scores s ON s.run_id = r.id AND s.name = 'csat' JOIN steps t ON t.run_id = r.id GROUP BY 1
;
-- name: scores repeated by spans, in a sum
-- warns: repeated_rows 1:8+12
SELECT sum(s.value), sum(p.cost_usd) FROM scores s JOIN spans p USING (run_id) WHERE s.name = 'csat'
;
-- name: scores repeated by sessions
-- warns: mixed_kinds 1:16+12
-- warns: repeated_rows 1:16+12
SELECT s.name, avg(s.value) FROM scores s JOIN session_runs q ON q.run_id = s.run_id GROUP BY s.name
;
-- name: assignments without an experiment
-- warns: repeated_rows 1:19+12
SELECT a.variant, avg(s.value) AS mean FROM assignments a JOIN scores s ON s.run_id = a.run_id WHERE s.name = 'task-solved' GROUP BY 1
;
-- name: runs repeated by their scores
-- warns: repeated_rows 1:23+18
SELECT r.function_id, avg(r.duration_ms) FROM runs r JOIN scores s ON s.run_id = r.id GROUP BY 1
;
-- name: repeated through a WITH
-- warns: repeated_rows 2:8+14
WITH mine AS (SELECT run_id, value FROM scores WHERE name = 'csat')
SELECT count(m.value) FROM mine m LEFT JOIN step_attempts t ON t.run_id = m.run_id
;
-- name: repeated in a correlated subquery
-- warns: repeated_rows 1:22+12
SELECT r.id, (SELECT avg(s.value) FROM scores s JOIN steps t ON t.run_id = s.run_id WHERE s.run_id = r.id AND s.name = 'csat') FROM runs r
;
-- name: outer join undone by WHERE
-- warns: outer_join_undone 1:78+15
SELECT r.id, s.value FROM runs r LEFT JOIN scores s ON s.run_id = r.id WHERE s.name = 'csat'
;
-- name: NOT IN over a column with nulls
-- warns: not_in_null 1:27+57
SELECT id FROM runs WHERE id NOT IN (SELECT run_id FROM scores WHERE name = 'csat')
;
-- name: divisor is a filtered count
-- warns: division_by_zero 1:19+41
SELECT count(*) / count(*) FILTER (WHERE status = 'Failed') AS ratio FROM runs
;
-- name: divisor is a sum
-- warns: division_by_zero 1:24+18
SELECT sum(cost_usd) / sum(output_tokens) AS usd_per_token FROM spans
;
-- name: divisor is a column
-- warns: division_by_zero 1:35+14
SELECT span_id, p.output_tokens / p.input_tokens FROM spans p WHERE p.output_tokens > 0
;
-- name: divisor is a column of a WITH
-- warns: division_by_zero 1:117+6
WITH n AS (SELECT function_id, count(*) FILTER (WHERE status = 'Failed') AS failed FROM runs GROUP BY 1) SELECT 1 / failed FROM n
;
-- name: divisor is an alias
-- warns: division_by_zero 1:58+6
SELECT count_if(status = 'Failed') AS failed, count(*) / failed AS ratio FROM runs
;
-- name: whole division and remainder
-- warns: division_by_zero 1:25+12
-- warns: division_by_zero 1:55+12
SELECT output_tokens // input_tokens, output_tokens % input_tokens FROM spans
;
-- name: divisor zero literally
-- warns: division_by_zero 1:12+1
SELECT 1 / 0
;
-- name: divisor is a difference
-- warns: division_by_zero 1:37+23
SELECT (avg(value) - min(value)) / (max(value) - min(value)) FROM scores WHERE name = 'csat'
;
-- name: score that does not exist
-- warns: unknown_score 1:44+13
SELECT avg(value) FROM scores WHERE name = 'task_solved'
;
-- name: score that does not exist, in a list
-- warns: unknown_score 1:50+5
SELECT run_id FROM scores WHERE name IN ('csat', 'nps')
;
-- name: score that does not exist, in a view and in capitals
-- warns: unknown_score 1:56+6
SELECT avg(value) FROM experiment_scores WHERE score = 'CSAT'
;
-- name: experiment and variant that do not exist
-- warns: unknown_experiment 1:51+11
-- warns: unknown_variant 1:78+8
SELECT run_id FROM assignments WHERE experiment = 'prompt-v3' AND variant <> 'contrl'
;
-- name: status in the wrong case
-- warns: unknown_value 1:42+11
SELECT count(*) FROM runs WHERE status = 'completed'
;
-- name: role that no span has
-- warns: unknown_value 1:34+6
SELECT count(*) FROM spans WHERE 'chat' = type
;
-- name: mixed kinds under one name
-- warns: mixed_kinds 1:8+10
SELECT avg(value) FROM scores WHERE name = 'quality'
;
-- name: mixed kinds in groups of names
-- warns: mixed_kinds 1:14+10
SELECT name, avg(value) FROM scores GROUP BY name
;
-- name: all scores as one
-- warns: mixed_scores 1:8+10
SELECT avg(value) FROM scores WHERE ts >= '2026-01-01'
;
-- name: several scores as one, through a WITH
-- warns: mixed_scores 1:104+9
WITH s AS (SELECT run_id, value AS v FROM scores WHERE name IN ('csat', 'task-solved')) SELECT run_id, median(v) FROM s GROUP BY 1
;
-- name: missing scores filled in
-- warns: missing_as_zero 1:21+18
SELECT variant, avg(coalesce(value, 0)) FROM experiment_scores WHERE experiment = 'prompt-v2' AND score = 'csat' GROUP BY 1
;
-- name: missing scores filled in by IFNULL after a subquery
-- warns: missing_as_zero 1:14+17
SELECT r.id, ifnull(s.mean, 0) FROM runs r LEFT JOIN (SELECT run_id, avg(value) AS mean FROM scores WHERE name = 'csat' GROUP BY 1) s ON s.run_id = r.id
;
-- name: missing scores filled in by CASE
-- warns: missing_as_zero 1:12+49
SELECT avg(CASE WHEN s.value IS NULL THEN 0 ELSE s.value END) FROM runs r LEFT JOIN scores s ON s.run_id = r.id AND s.name = 'csat'
;
-- name: missing scores take ELSE
-- warns: missing_as_zero 1:17+42
SELECT variant, avg(CASE WHEN value = 1 THEN 1 ELSE 0 END) FROM experiment_scores WHERE score = 'task-solved' GROUP BY 1
;
-- name: missing scores in the divisor
-- warns: missing_as_zero 1:17+21
-- warns: missing_as_zero 1:40+44
SELECT variant, sum(value) / count(*), count(*) FILTER (WHERE value = 1) / count(*) FROM experiment_scores WHERE score = 'task-solved' GROUP BY 1
;
-- name: comparison with NULL
-- warns: null_comparison 1:27+20
SELECT id FROM runs WHERE parent_run_id = NULL
;
-- name: some groups of many
-- warns: unordered_limit 1:52+2
SELECT name, count(*) FROM events GROUP BY 1 LIMIT 10
;
-- name: places count characters, not bytes
-- warns: division_by_zero 2:3+1
SELECT 'größe', 1 /
  0
