-- code: refused_function
SELECT * FROM read_csv('/etc/passwd')
;
-- code: refused_function
SELECT * FROM read_parquet(['/data/other/*.parquet'])
;
-- code: refused_function
SELECT content FROM read_text('/proc/self/environ')
;
-- code: refused_function
SELECT * FROM read_blob('/etc/shadow'), runs
;
-- code: refused_function
SELECT * FROM read_json_auto('https://example.org/x.json')
;
-- code: refused_function
SELECT * FROM read_duckdb('/data/x.db')
;
-- code: refused_function
SELECT * FROM glob('/**')
;
-- code: refused_function
SELECT * FROM parquet_metadata('x.parquet')
;
-- code: refused_function
SELECT * FROM sniff_csv('x.csv')
;
-- code: unknown_table
SELECT * FROM '/etc/passwd'
;
-- code: unknown_table
SELECT * FROM "runs.parquet"
;
-- code: unknown_table
SELECT * FROM ''
;
-- code: unknown_table
FROM 's3://bucket/x.parquet'
;
-- code: unknown_table
SELECT (SELECT max(column0) FROM 'x.csv') FROM runs
;
-- code: refused_function
SELECT read_text('/etc/passwd') FROM runs
;
-- code: refused_function
SELECT x.read_text() FROM (SELECT '/etc/passwd' AS x)
;
-- code: refused_statement
COPY runs TO 'x.parquet'
;
-- code: refused_statement
COPY (SELECT * FROM runs) TO '/tmp/x.csv'
;
-- code: refused_statement
ATTACH '/data/other.db' AS other
;
-- code: syntax
EXPORT DATABASE '/tmp/x'
;
-- code: syntax
IMPORT DATABASE '/tmp/x'
;
-- code: refused_function
SELECT * FROM runs, read_ndjson('/data/default/log.db')
;
-- code: refused_function
SELECT * FROM read_csv_auto('data:text/csv,a,b')
;
-- code: refused_function
SELECT * FROM parquet_schema('/data/*/runs/**/*.parquet')
;
-- code: refused_function
SELECT * FROM parquet_bloom_probe('x.parquet', 'id', 1)
;
-- code: refused_function
SELECT * FROM read_single_json_file('/etc/passwd')
;
-- code: unknown_table
SELECT * FROM '/proc/self/mem'
;
-- code: unknown_table
SELECT * FROM "/data/other/log.db"
;
-- code: unknown_table
FROM 'file:///etc/passwd'
;
-- code: unknown_table
WITH f AS (SELECT * FROM '../other/runs/day=2026-01-01/a.parquet') SELECT * FROM f
;
-- code: unknown_table
SELECT * FROM runs WHERE id IN (SELECT column0 FROM '/etc/passwd')
;
-- code: refused_function
SELECT id FROM runs ORDER BY read_text('/etc/passwd')
;
-- code: refused_function
SELECT list_transform(['/etc/passwd'], lambda x: read_text(x))
;
-- code: refused_statement
CREATE VIEW v AS SELECT * FROM '/etc/passwd'
;
-- code: refused_statement
CREATE TABLE x AS FROM read_csv('/etc/passwd')
;
-- code: refused_statement
DETACH memory
;
-- code: refused_statement
COPY runs FROM '/etc/passwd'
