-- class: files
-- code: refused_function
SELECT * FROM read_csv('/etc/passwd')
;
-- class: files
-- code: refused_function
SELECT * FROM read_parquet(['/data/other/*.parquet'])
;
-- class: files
-- code: refused_function
SELECT content FROM read_text('/proc/self/environ')
;
-- class: files
-- code: refused_function
SELECT * FROM read_blob('/etc/shadow'), runs
;
-- class: files
-- code: refused_function
SELECT * FROM read_json_auto('https://example.org/x.json')
;
-- class: files
-- code: refused_function
SELECT * FROM read_duckdb('/data/x.db')
;
-- class: files
-- code: refused_function
SELECT * FROM glob('/**')
;
-- class: files
-- code: refused_function
SELECT * FROM parquet_metadata('x.parquet')
;
-- class: files
-- code: refused_function
SELECT * FROM sniff_csv('x.csv')
;
-- class: files
-- code: unknown_table
SELECT * FROM '/etc/passwd'
;
-- class: files
-- code: unknown_table
SELECT * FROM "runs.parquet"
;
-- class: files
-- code: unknown_table
SELECT * FROM ''
;
-- class: files
-- code: unknown_table
FROM 's3://bucket/x.parquet'
;
-- class: files
-- code: unknown_table
SELECT (SELECT max(column0) FROM 'x.csv') FROM runs
;
-- class: files
-- code: refused_function
SELECT read_text('/etc/passwd') FROM runs
;
-- class: files
-- code: refused_function
SELECT x.read_text() FROM (SELECT '/etc/passwd' AS x)
;
-- class: files
-- code: refused_statement
COPY runs TO 'x.parquet'
;
-- class: files
-- code: refused_statement
COPY (SELECT * FROM runs) TO '/tmp/x.csv'
;
-- class: files
-- code: refused_statement
ATTACH '/data/other.db' AS other
;
-- class: files
-- code: syntax
EXPORT DATABASE '/tmp/x'
;
-- class: files
-- code: syntax
IMPORT DATABASE '/tmp/x'
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM information_schema.tables
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM pg_catalog.pg_class
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM sqlite_master
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM duckdb_tables
;
-- class: catalogues
-- code: refused_function
SELECT * FROM duckdb_views()
;
-- class: catalogues
-- code: refused_function
SELECT * FROM duckdb_settings()
;
-- class: catalogues
-- code: refused_function
SELECT * FROM pragma_table_info('runs')
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM internal.hot_runs
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM memory.main.runs
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM system.main.duckdb_tables
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM temp.folded
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM "main.runs"
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM staged_files
;
-- class: catalogues
-- code: unknown_table
SELECT * FROM "INTERNAL"."file"
;
-- class: catalogues
-- code: refused_function
SELECT * FROM summary('runs')
;
-- class: catalogues
-- code: refused_function
SELECT pg_get_viewdef('runs')
;
-- class: catalogues
-- code: refused_function
SELECT has_table_privilege('runs', 'select')
;
-- class: catalogues
-- code: refused_function
SELECT current_database(), current_schemas(true)
;
-- class: catalogues
-- code: refused_function
SELECT current_schema
;
-- class: catalogues
-- code: refused_function
SELECT stats(id) FROM runs
;
-- class: catalogues
-- code: refused_statement
SELECT 'runs'::regclass
;
-- class: dynamic SQL
-- code: refused_function
SELECT * FROM query('SELECT * FROM internal.hot_runs')
;
-- class: dynamic SQL
-- code: refused_function
SELECT * FROM query_table('runs')
;
-- class: dynamic SQL
-- code: refused_function
SELECT * FROM json_execute_serialized_sql('{}')
;
-- class: dynamic SQL
-- code: refused_function
SELECT json_serialize_sql('SELECT 1')
;
-- class: dynamic SQL
-- code: refused_function
SELECT json_deserialize_sql('{}')
;
-- class: dynamic SQL
-- code: refused_function
SELECT * FROM histogram_values(runs, id)
;
-- class: dynamic SQL
-- code: refused_statement
EXECUTE plan
;
-- class: dynamic SQL
-- code: refused_statement
PREPARE plan AS SELECT 1
;
-- class: data-modifying expressions
-- code: refused_statement
WITH d AS (DELETE FROM runs RETURNING *) SELECT * FROM d
;
-- class: data-modifying expressions
-- code: refused_statement
WITH i AS (INSERT INTO runs SELECT * FROM runs RETURNING *) SELECT * FROM i
;
-- class: data-modifying expressions
-- code: refused_statement
WITH u AS (UPDATE runs SET id = 'x' RETURNING id) SELECT 1
;
-- class: data-modifying expressions
-- code: refused_statement
SELECT * FROM (WITH d AS (DELETE FROM internal.file RETURNING path) SELECT * FROM d)
;
-- class: statements
-- code: refused_statement
DELETE FROM runs
;
-- class: statements
-- code: refused_statement
INSERT INTO runs(id) VALUES ('x')
;
-- class: statements
-- code: refused_statement
UPDATE runs SET id = 'x'
;
-- class: statements
-- code: refused_statement
MERGE INTO runs USING events ON true WHEN MATCHED THEN DELETE
;
-- class: statements
-- code: refused_statement
TRUNCATE runs
;
-- class: statements
-- code: refused_statement
DROP VIEW runs
;
-- class: statements
-- code: refused_statement
CREATE TABLE t AS SELECT * FROM runs
;
-- class: statements
-- code: refused_statement
CREATE OR REPLACE VIEW runs AS SELECT 1
;
-- class: statements
-- code: refused_statement
ALTER TABLE runs ADD COLUMN x INT
;
-- class: statements
-- code: refused_statement
SELECT 1 INTO t
;
-- class: statements
-- code: refused_statement
BEGIN
;
-- class: statements
-- code: refused_statement
CHECKPOINT
;
-- class: statements
-- code: refused_statement
VACUUM
;
-- class: statements
-- code: refused_statement
CALL enable_logging()
;
-- class: statements
-- code: refused_statement
INSTALL httpfs
;
-- class: statements
-- code: refused_statement
LOAD httpfs
;
-- class: statements
-- code: refused_statement
USE memory
;
-- class: statements
-- code: refused_statement
EXPLAIN ANALYZE SELECT 1
;
-- class: statements
-- code: refused_statement
CREATE SECRET s (TYPE s3)
;
-- class: statements
-- code: refused_statement
GRANT SELECT ON runs TO PUBLIC
;
-- class: settings
-- code: refused_statement
SET memory_limit = '100GB'
;
-- class: settings
-- code: refused_statement
RESET threads
;
-- class: settings
-- code: refused_function
SELECT current_setting('temp_directory')
;
-- class: settings
-- code: refused_statement
SET VARIABLE x = 1
;
-- class: settings
-- code: refused_function
SELECT getvariable('x')
;
-- class: settings
-- code: bad_parameter
SELECT $secret
;
-- class: settings
-- code: bad_parameter
SELECT * FROM runs WHERE id = ?
;
-- class: settings
-- code: bad_parameter
-- params: ["a", "b"]
SELECT * FROM runs WHERE id = ?
;
-- class: settings
-- code: bad_parameter
-- params: {"a": 1}
SELECT $b
;
-- class: settings
-- code: refused_statement
PRAGMA database_list
;
-- class: settings
-- code: refused_statement
PRAGMA table_info('runs')
;
-- class: settings
-- code: refused_function
SELECT setseed(0.5)
;
-- class: settings
-- code: refused_function
SELECT nextval('s')
;
-- class: settings
-- code: refused_function
SELECT write_log('x')
;
-- class: settings
-- code: refused_function
SELECT version(), txid_current()
;
-- class: macros
-- code: refused_statement
CREATE MACRO lower(x) AS x
;
-- class: macros
-- code: refused_statement
CREATE TEMP MACRO f() AS TABLE SELECT * FROM internal.file
;
-- class: macros
-- code: refused_function
SELECT my_macro(id) FROM runs
;
-- class: macros
-- code: refused_function
SELECT system.main.getvariable('x')
;
-- class: shadowing
-- code: unknown_table
SELECT * FROM (WITH secret AS (SELECT 1) SELECT * FROM secret), secret
;
-- class: shadowing
-- code: unknown_table
WITH a AS (SELECT * FROM later), later AS (SELECT 1) SELECT * FROM a
;
-- class: shadowing
-- code: unknown_table
WITH hidden AS (SELECT * FROM hidden) SELECT * FROM hidden
;
-- class: shadowing
-- code: unknown_table
SELECT (WITH h AS (SELECT 1) SELECT 1 FROM h), (SELECT 1 FROM h)
;
-- class: shadowing
-- code: unknown_table
SELECT 1 UNION (WITH h AS (SELECT 1) SELECT * FROM h) UNION SELECT * FROM h
;
-- class: shadowing
-- code: refused_statement
WITH sqlite_master AS (SELECT 1) SELECT * FROM sqlite_master
;
-- class: shadowing
-- code: unknown_table
WITH t AS (SELECT 1) SELECT * FROM main.t
;
-- class: shadowing
-- code: unknown_table
WITH t AS (SELECT 1) SELECT * FROM recurring.t
;
-- class: shadowing
-- code: unknown_table
SELECT * FROM runs r, r
;
-- class: shadowing
-- code: unknown_table
WITH RECURSIVE t AS (SELECT 1 AS x FROM t UNION ALL SELECT x FROM t) SELECT * FROM t
;
-- class: parser tricks
-- code: refused_statement
SELECT 1; SELECT 2
;
-- class: parser tricks
-- code: refused_statement
SELECT 1; DROP VIEW runs; --
;
-- class: parser tricks
-- code: unknown_table
SELECT/**/*/**/FROM/*x*/internal/**/./**/hot_runs
;
-- class: parser tricks
-- code: unknown_table
SELECT * FROM runs -- '
, secrets --'
;
-- class: parser tricks
-- code: unknown_table
SELECT '/*' FROM secrets WHERE '*/' = ''
;
-- class: parser tricks
-- code: unknown_table
SELECT $a$ ' $a$ FROM secrets WHERE $a$ ' $a$ = ''
;
-- class: parser tricks
-- code: unknown_table
SELECT E'\'' FROM secrets --'
;
-- class: parser tricks
-- code: syntax
{% set x = 1 %} SELECT 1
;
-- class: parser tricks
-- code: syntax
SELECT {# SELECT 1 #} 1
;
-- class: parser tricks
-- code: syntax
SELECT 1 /* never closed
;
-- class: parser tricks
-- code: syntax
SELECT 'never closed
;
-- class: parser tricks
-- code: syntax
SELECT $x$ never closed $y$
;
-- class: parser tricks
-- code: syntax
SELECT (1]
;
-- class: parser tricks
-- code: syntax
SELECT 1)
;
-- class: parser tricks
-- code: syntax
SELECT FROM runs
;
-- class: parser tricks
-- code: syntax
SELECT 'x' 'y'
;
-- class: parser tricks
-- code: syntax
-- only a comment
;
-- class: parser tricks
-- code: refused_statement
SELECT DEFAULT
;
-- class: parser tricks
-- code: refused_statement
SELECT * FROM runs AT (VERSION => 1)
;
-- class: show
-- code: refused_statement
DESCRIBE runs
;
-- class: show
-- code: syntax
SELECT * FROM (EXPLAIN SELECT 1)
;
-- class: show
-- code: refused_statement
SUMMARIZE runs
;
-- class: show
-- code: refused_statement
SHOW TABLES
;
-- class: show
-- code: refused_statement
SELECT * FROM (DESCRIBE runs)
;
-- class: show
-- code: refused_statement
SELECT * FROM (SUMMARIZE SELECT * FROM runs)
;
-- class: show
-- code: syntax
FROM (SHOW ALL TABLES)
;
-- class: show
-- code: refused_statement
SHOW memory_limit
;
-- class: pivots
-- code: refused_statement
PIVOT runs ON status USING count(*)
;
-- class: pivots
-- code: refused_statement
SELECT * FROM (PIVOT runs ON status IN (SELECT 'a') USING count(*))
;
-- class: pivots
-- code: refused_statement
SELECT * FROM runs PIVOT (count(*) FOR status IN my_enum)
;
-- class: bombs
-- code: refused_statement
SELECT repeat('x', 1000000000)
;
-- class: bombs
-- code: refused_statement
SELECT repeat(repeat('x', 10000), 10000)
;
-- class: bombs
-- code: refused_statement
WITH a AS (SELECT repeat('x', 100000) AS x) SELECT repeat(x, 100000) FROM a
;
-- class: bombs
-- code: refused_statement
SELECT repeat('x', length(id) * 1000000) FROM runs
;
-- class: bombs
-- code: refused_statement
-- params: [1000000000]
SELECT repeat('x', ?)
;
-- class: bombs
-- code: refused_statement
SELECT 'x'.repeat(1000000000)
;
-- class: bombs
-- code: refused_statement
SELECT lpad('x', 1000000000, 'y')
;
-- class: bombs
-- code: refused_statement
SELECT rpad('x', 1e9::INT, 'y')
;
-- class: bombs
-- code: refused_statement
SELECT list_resize([1], 1000 * 1000 * 1000)
;
-- class: bombs
-- code: refused_statement
SELECT bitstring('1', 4000000000)
;
-- class: bombs
-- code: refused_statement
SELECT sum(x) FROM range(100000000000) t(x)
;
-- class: bombs
-- code: refused_statement
SELECT list_sort(range(1000000000))
;
-- class: bombs
-- code: refused_statement
SELECT len(generate_series(0, len(id) * 1000000000)) FROM runs
;
-- class: bombs
-- code: refused_statement
SELECT format('{:>1000000000}', 'x')
;
-- class: bombs
-- code: refused_statement
SELECT format('{:>{}}', 'x', 1000000000)
;
-- class: bombs
-- code: refused_statement
SELECT format(name, 'x') FROM events
;
-- class: bombs
-- code: refused_statement
SELECT printf('%1000000000d', 1)
;
-- class: bombs
-- code: refused_statement
SELECT printf('%*d', 1000000000, 1)
;
-- class: bombs
-- code: refused_statement
SELECT NULL::INTEGER[100000][100000]
;
-- class: bombs
-- code: refused_statement
SELECT bar(1, 0, 1, 100000000)
;
-- class: bombs
-- code: refused_function
SELECT sleep_ms(100000)
;
-- class: bombs
-- code: refused_function
SELECT pg_sleep(100)
;
-- class: bombs
-- code: refused_function
SELECT error('x')
;
-- class: bombs
-- code: refused_function
SELECT damerau_levenshtein('a', 'b')
;
-- class: bombs
-- code: refused_function
SELECT * FROM repeat('x', 1000000000)
;
-- class: bombs
-- code: refused_function
SELECT * FROM repeat_row(1, num_rows := 1000000000)
;
-- class: bombs
-- code: refused_function
SELECT finalize(combine('\x00'::BLOB, '\x00'::BLOB))
;
-- class: typing errors
-- code: unknown_table
SELECT * FROM rums
;
-- class: typing errors
-- code: refused_function
SELECT cuont(id) FROM runs
;
-- class: parser tricks
-- code: syntax
SELECT {'a': {: 2}}
;
-- class: typing errors
-- code: syntax
SELEC id FROM runs
;
-- class: typing errors
-- code: syntax
SELECT id FROM runs WHERE
;
-- class: typing errors
-- code: refused_statement
SELECT id::nosuchtype FROM runs
