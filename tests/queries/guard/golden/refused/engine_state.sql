-- code: refused_statement
SET threads = 64
;
-- code: refused_statement
SET GLOBAL enable_external_access = true
;
-- code: refused_statement
SET SESSION lock_configuration = false
;
-- code: refused_statement
PRAGMA memory_limit = '1TB'
;
-- code: refused_statement
PRAGMA enable_profiling
;
-- code: refused_statement
RESET ALL
;
-- code: refused_function
SELECT * FROM enable_logging('all')
;
-- code: refused_function
SELECT * FROM pragma_version()
;
-- code: refused_function
SELECT * FROM duckdb_variables()
;
-- code: refused_function
SELECT current_setting('memory_limit') FROM runs
;
-- code: refused_function
SELECT set_config('memory_limit', '1TB', false)
;
-- code: refused_function
SELECT currval('s')
;
-- code: refused_function
SELECT parse_duckdb_log_message('x', 'y')
;
-- code: refused_function
SELECT txid_current() FROM runs
