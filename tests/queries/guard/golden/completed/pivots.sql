-- name: counts by status
PIVOT runs ON status USING count(*) GROUP BY function_id
;
-- name: implicit groups
PIVOT (SELECT status, environment, duration_ms FROM runs) ON status USING avg(duration_ms)
;
-- name: no USING
PIVOT (SELECT status, function_id FROM runs) ON status
;
-- name: texts with quotes, newlines and backslashes
PIVOT runs ON environment USING count(*) GROUP BY status
;
-- name: several columns
PIVOT runs ON status, function_id USING count(*) GROUP BY environment
;
-- name: one of two lists is given
PIVOT runs ON status IN ('Failed', 'Queued'), function_id USING count(*) GROUP BY environment
;
-- name: the other one is given
PIVOT runs ON status, function_id IN ('answer') USING count(*) GROUP BY environment
;
-- name: several aggregates, one with a name
PIVOT scores ON source USING avg(value) AS mean, count(*) GROUP BY name
;
-- name: numbers
PIVOT step_attempts ON attempt USING count(*) GROUP BY run_id
;
-- name: decimals of a double
PIVOT scores ON value USING count(*) GROUP BY kind
;
-- name: times
PIVOT (SELECT ts, name, value FROM scores ORDER BY ts LIMIT 5) ON ts USING sum(value) GROUP BY name
;
-- name: days
PIVOT runs ON started_at::DATE USING count(*) GROUP BY status
;
-- name: booleans
PIVOT score_definitions ON higher_is_better USING count(*) GROUP BY kind
;
-- name: lists
PIVOT (SELECT event_ids[1:1] AS first, status FROM runs) ON first USING count(*) GROUP BY status
;
-- name: a row
PIVOT runs ON (status, function_id) USING count(*) GROUP BY environment
;
-- name: an expression
PIVOT runs ON status || '/' || function_id USING max(duration_ms) GROUP BY environment
;
-- name: a call
PIVOT runs ON lower(status) USING count(*) GROUP BY function_id
;
-- name: a condition with IN between CASE and END
PIVOT runs ON CASE WHEN status IN ('Failed', 'Cancelled') THEN 'bad' ELSE 'good' END USING count(*) GROUP BY function_id
;
-- name: a comparison
PIVOT runs ON status = 'Failed' USING count(*) GROUP BY function_id
;
-- name: brackets around the column
PIVOT runs ON (status) USING count(*) GROUP BY function_id
;
-- name: quoted column
PIVOT runs ON "status" USING count(*) GROUP BY function_id
;
-- name: lower case, comments, a semicolon
pivot runs /* on */ on status -- the list, missing
using count(*) group by function_id; -- done
;
-- name: PIVOT_WIDER
PIVOT_WIDER runs ON status USING count(*) GROUP BY function_id
;
-- name: main.
PIVOT main.runs ON status USING count(*) GROUP BY function_id
;
-- name: in FROM
SELECT * EXCLUDE (function_id) FROM (PIVOT runs ON status USING count(*) GROUP BY function_id) AS p
;
-- name: two in FROM
SELECT * FROM (PIVOT runs ON status USING count(*) GROUP BY function_id) a
JOIN (PIVOT runs ON environment USING count(*) GROUP BY function_id) b USING (function_id)
;
-- name: one of them with its list
SELECT * FROM (PIVOT runs ON status USING count(*) GROUP BY function_id) a
JOIN (SELECT function_id, environment FROM runs) PIVOT (count(*) FOR environment IN ('production', 'staging')) b USING (function_id)
;
-- name: after WITH
WITH failed AS (SELECT * FROM runs WHERE status <> 'Completed') PIVOT failed ON status USING count(*) GROUP BY function_id
;
-- name: after two common table expressions
WITH a AS (SELECT * FROM runs), b(x, y) AS MATERIALIZED (SELECT status, function_id FROM a)
PIVOT b ON x USING count(*) GROUP BY y
;
-- name: inside a common table expression
WITH p AS (PIVOT runs ON status USING count(*) GROUP BY function_id) SELECT count(*) FROM p
;
-- name: in FROM, over a common table expression
WITH failed AS (FROM runs WHERE status <> 'Queued')
SELECT * FROM (PIVOT failed ON status USING count(*) GROUP BY function_id)
;
-- name: WITH in FROM
FROM (WITH s AS (FROM runs WHERE duration_ms > 5) PIVOT s ON status USING count(*) GROUP BY function_id)
;
-- name: an inner expression hides an outer one
WITH s AS (SELECT 'no' AS status, 1 AS function_id)
SELECT * FROM (WITH s AS (FROM runs) PIVOT s ON status USING count(*) GROUP BY function_id)
;
-- name: PIVOT of a PIVOT
PIVOT (PIVOT (SELECT status, function_id, environment FROM runs) ON status USING count(*)) ON function_id USING sum("Failed")
;
-- name: ordered and limited
FROM (PIVOT runs ON status USING count(*) GROUP BY function_id) ORDER BY function_id LIMIT 1
;
-- name: set operation
FROM (PIVOT runs ON status USING count(*) GROUP BY function_id)
UNION ALL
FROM (PIVOT runs ON status USING count(*) GROUP BY function_id)
;
-- name: join with USING in the source
PIVOT (FROM assignments JOIN (SELECT DISTINCT run_id, step_id FROM metadata) m USING (run_id)) ON step_id
USING count(*) GROUP BY variant
;
-- name: natural join and cross join in the source
PIVOT (FROM runs NATURAL JOIN (SELECT 'Failed' AS status) CROSS JOIN (SELECT 1 AS one)) ON environment USING count(*) GROUP BY one
;
-- name: values from a query
PIVOT runs ON status IN (SELECT status FROM runs WHERE duration_ms > 100 ORDER BY status DESC) USING count(*) GROUP BY function_id
;
-- name: values from VALUES, twice the same, and none
PIVOT runs ON status IN (VALUES ('Failed'), ('Failed'), (NULL), ('Queued')) USING count(*) GROUP BY function_id
;
-- name: values from a query, as numbers
PIVOT step_attempts ON attempt IN (FROM range(2)) USING count(*) GROUP BY status
;
-- name: JSON
PIVOT runs ON output->>'$.answer' USING count(*) GROUP BY status
;
-- name: maps
PIVOT spans ON attributes['gen_ai.request.model'] USING count(*) GROUP BY type
;
-- name: a view, by variant
PIVOT experiment_scores ON variant USING avg(value) GROUP BY experiment, score
;
-- name: a column called pivot in the result
SELECT "pivot".* FROM (PIVOT runs ON status USING count(*) GROUP BY function_id) AS "pivot"
;
-- name: the word ON in a text and in a bracket
PIVOT (SELECT r.status, s.name FROM runs r JOIN scores s ON s.run_id = r.id WHERE r.status <> ' ON ') ON status USING count(*) GROUP BY name
