-- name: common table expressions
WITH scored AS (
  SELECT run_id, avg(value) AS mean FROM scores GROUP BY run_id
), best AS (
  SELECT * FROM scored WHERE mean > 0.5
)
SELECT r.function_id, count(*) FROM best JOIN runs r ON r.id = best.run_id GROUP BY 1
;
-- name: materialised common table expression
WITH slow AS MATERIALIZED (SELECT id FROM runs WHERE duration_ms > 60000) SELECT count(*) FROM slow
;
-- name: common table expression named like the table it reads
WITH runs AS (SELECT * FROM runs WHERE environment = 'production') SELECT count(*) FROM runs
;
-- name: common table expression in a subquery only
SELECT (WITH t AS (SELECT count(*) AS n FROM events) SELECT n FROM t) AS n
;
-- name: inner expression over an outer one
WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x AS y FROM a, b)
;
-- name: recursive calls of runs
WITH RECURSIVE calls AS (
  SELECT id, parent_run_id, 0 AS depth FROM runs WHERE parent_run_id IS NULL
  UNION ALL
  SELECT r.id, r.parent_run_id, c.depth + 1 FROM runs r JOIN calls c ON r.parent_run_id = c.id WHERE c.depth < 10
)
SELECT depth, count(*) FROM calls GROUP BY depth ORDER BY depth
;
-- name: recursive with a key
WITH RECURSIVE seen(id, depth) USING KEY (id) AS (
  SELECT id, 0 FROM runs WHERE parent_run_id IS NULL
  UNION
  SELECT r.id, s.depth + 1 FROM runs r JOIN seen s ON r.parent_run_id = s.id LEFT JOIN recurring.seen o ON o.id = r.id
  WHERE o.id IS NULL
)
SELECT count(*) FROM seen
