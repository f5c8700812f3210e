-- code: refused_statement
WITH d AS (DELETE FROM runs RETURNING *) SELECT * FROM d
;
-- code: refused_statement
WITH i AS (INSERT INTO runs SELECT * FROM runs RETURNING *) SELECT * FROM i
;
-- code: refused_statement
WITH u AS (UPDATE runs SET id = 'x' RETURNING id) SELECT 1
;
-- code: refused_statement
SELECT * FROM (WITH d AS (DELETE FROM internal.file RETURNING path) SELECT * FROM d)
;
-- code: refused_statement
WITH d AS (DELETE FROM runs RETURNING *) DELETE FROM events
;
-- code: refused_statement
WITH a AS (SELECT 1), b AS (WITH c AS (DELETE FROM runs RETURNING id) SELECT * FROM c) SELECT * FROM b
;
-- code: refused_statement
SELECT (WITH d AS (DELETE FROM runs RETURNING 1 AS x) SELECT x FROM d)
;
-- code: refused_statement
SELECT * FROM runs WHERE id IN (WITH d AS (UPDATE runs SET id = id RETURNING id) SELECT id FROM d)
;
-- code: refused_statement
WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL (WITH d AS (DELETE FROM runs RETURNING 1) SELECT x FROM r)) SELECT * FROM r
;
-- code: refused_statement
WITH m AS (MERGE INTO runs USING events ON true WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM m
;
-- code: syntax
SELECT * FROM (DELETE FROM runs RETURNING *)
;
-- code: syntax
WITH c AS (COPY runs TO 'x.csv') SELECT * FROM c
;
-- code: syntax
WITH c AS (COPY (SELECT * FROM runs) TO 'x.csv' RETURN_FILES) SELECT * FROM c
;
-- code: syntax
SELECT * FROM (INSERT INTO runs VALUES ('x') RETURNING id)
;
-- code: refused_statement
WITH c AS (CREATE TABLE x AS SELECT 1) SELECT 1
;
-- code: syntax
WITH c AS (EXECUTE plan) SELECT * FROM c
;
-- code: syntax
WITH c AS (CALL enable_logging()) SELECT * FROM c
;
-- code: syntax
WITH c AS (SET threads = 64) SELECT 1
