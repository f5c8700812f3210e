-- code: unknown_table
SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret), secret
;
-- code: unknown_table
WITH a AS (SELECT * FROM later), later AS (SELECT 1) SELECT * FROM a
;
-- code: unknown_table
WITH hidden AS (SELECT * FROM hidden) SELECT * FROM hidden
;
-- code: unknown_table
SELECT (WITH h AS (SELECT 1) SELECT 1 FROM h), (SELECT 1 FROM h)
;
-- code: unknown_table
SELECT 1 UNION (WITH h AS (SELECT 1) SELECT * FROM h) UNION SELECT * FROM h
;
-- code: refused_statement
WITH sqlite_master AS (SELECT 1) SELECT * FROM sqlite_master
;
-- code: unknown_table
WITH t AS (SELECT 1) SELECT * FROM main.t
;
-- code: unknown_table
WITH t AS (SELECT 1) SELECT * FROM recurring.t
;
-- code: unknown_table
SELECT * FROM runs r, r
;
-- code: unknown_table
WITH RECURSIVE t AS (SELECT 1 AS x FROM t UNION ALL SELECT x FROM t) SELECT * FROM t
;
-- code: refused_statement
WITH pg_class AS (SELECT 1) SELECT * FROM pg_class
;
-- code: refused_statement
WITH duckdb_tables AS (SELECT 1) SELECT * FROM (SELECT * FROM duckdb_tables)
;
-- code: refused_statement
WITH "INTERNAL" AS (SELECT 1) SELECT * FROM internal
;
-- code: unknown_table
WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) SELECT * FROM b
;
-- code: unknown_table
SELECT * FROM (WITH hidden AS (SELECT 1) SELECT 1) x JOIN hidden ON true
;
-- code: unknown_table
SELECT * FROM x, (WITH x AS (SELECT 1) SELECT * FROM x)
;
-- code: unknown_table
WITH "a.b" AS (SELECT 1) SELECT * FROM a.b
;
-- code: unknown_table
WITH s AS (SELECT 1) SELECT * FROM temp.s
;
-- code: unknown_table
WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x FROM b), b AS (SELECT 1 AS x) SELECT * FROM a
;
-- code: unknown_table
SELECT * FROM runs AS internal, internal.hot_runs
