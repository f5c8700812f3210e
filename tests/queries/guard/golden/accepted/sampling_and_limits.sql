-- name: sampling
-- compare: columns
SELECT avg(duration_ms) FROM runs TABLESAMPLE 10%
;
-- name: reservoir sampling, repeatable
-- compare: columns
SELECT id FROM runs USING SAMPLE reservoir(100 ROWS) REPEATABLE (42)
;
-- name: ORDER BY ALL and LIMIT by share
SELECT name, count(*) FROM events GROUP BY ALL ORDER BY ALL LIMIT 10%
;
-- name: LIMIT by a subquery, and OFFSET
SELECT id FROM runs ORDER BY id LIMIT (SELECT 5) OFFSET 2
