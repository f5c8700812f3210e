-- name: pivot with its list
PIVOT scored_runs ON variant IN ('control', 'treatment') USING avg(value) GROUP BY score
;
-- name: pivot in FROM
SELECT * FROM (PIVOT (SELECT status, environment FROM runs) ON environment IN ('production', 'staging') USING count(*))
;
-- name: SQL standard pivot
SELECT * FROM (SELECT name, source, value FROM scores) PIVOT (avg(value) FOR source IN ('code', 'llm', 'human'))
;
-- name: unpivot
UNPIVOT (SELECT run_count, failed_run_count, event_count FROM sessions) ON run_count, failed_run_count, event_count
INTO NAME what VALUE n
;
-- name: unpivot in FROM
SELECT * FROM spans UNPIVOT (tokens FOR direction IN (input_tokens, output_tokens))
;
-- name: star with EXCLUDE, REPLACE and RENAME
SELECT * EXCLUDE (input, output) REPLACE (round(duration_ms) AS duration_ms) RENAME (id AS run_id) FROM runs
;
-- name: COLUMNS by pattern
SELECT COLUMNS('.*_tokens') FROM spans
;
-- name: COLUMNS by lambda, and over all
-- compare: columns
SELECT min(COLUMNS(* EXCLUDE (attributes, resource_attributes, events, links))), COLUMNS(lambda c: c LIKE 'trace%').any_value() FROM spans
