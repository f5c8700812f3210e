-- name: count of runs by status
SELECT status, count(*) AS n FROM runs GROUP BY status ORDER BY n DESC
;
-- name: failure rate of each function
SELECT function_id, avg((status = 'Failed')::INT) AS failure_rate, count(*) AS runs
FROM runs
WHERE started_at >= now() - INTERVAL 7 DAY
GROUP BY ALL
HAVING count(*) > 10
ORDER BY failure_rate DESC
LIMIT 20
;
-- name: qualified with main
SELECT r.id FROM main.runs AS r WHERE r.environment = 'production'
;
-- name: names in capitals
SELECT ID, Status FROM RUNS ORDER BY STARTED_AT
;
-- name: quoted names
SELECT "id", "status" FROM "runs" WHERE "user_id" IS NOT NULL
;
-- name: FROM first
FROM runs
;
-- name: FROM first with SELECT
FROM runs SELECT id, duration_ms WHERE duration_ms > 1000
;
-- name: table statement
TABLE scores
;
-- name: values
VALUES (1, 'a'), (2, 'b')
;
-- name: no table at all
SELECT 1 AS one, 'it''s' AS text, NULL AS nothing, true AS yes, -5.5e3 AS number
;
-- name: trailing semicolon and comment
/* how many /* nested */ events */
SELECT count(*) FROM events; -- all of them
;
-- name: set operations
SELECT id FROM runs EXCEPT SELECT run_id FROM scores INTERSECT SELECT run_id FROM assignments
;
-- name: brackets around set operations
-- compare: columns
(SELECT id FROM runs LIMIT 3) UNION (SELECT id FROM events LIMIT 3) ORDER BY 1
;
-- name: positional references
SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY #2, 1
;
-- name: alias used again
SELECT duration_ms / 1000 AS seconds, seconds / 60 AS minutes FROM runs WHERE seconds > 1
;
-- name: prefix alias
SELECT n: count(*), days: count(DISTINCT started_at::DATE) FROM runs
;
-- name: whole row
-- compare: columns
SELECT r FROM runs AS r LIMIT 1
;
-- name: dollar quotes and escapes
SELECT $$it's ; -- no comment$$ AS a, $tag$ ( $$ $tag$ AS b, E'tab\t\'quoted\'' AS c, '/* no comment' AS d
;
-- name: text beyond ASCII
SELECT 'żółć' AS "größe", '日本' AS 名前 FROM runs WHERE user_id = 'ünï'
;
-- name: long list
SELECT id FROM runs WHERE status IN ('Queued', 'Running', 'Completed', 'Failed', 'Cancelled', 'x1', 'x2', 'x3', 'x4', 'x5')
;
-- name: a column called user
SELECT user_id AS user, count(*) FROM runs GROUP BY user ORDER BY user
