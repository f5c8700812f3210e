-- code: unknown_table
SELECT * FROM information_schema.tables
;
-- code: unknown_table
SELECT * FROM pg_catalog.pg_class
;
-- code: unknown_table
SELECT * FROM sqlite_master
;
-- code: unknown_table
SELECT * FROM duckdb_tables
;
-- code: refused_function
SELECT * FROM duckdb_views()
;
-- code: refused_function
SELECT * FROM duckdb_settings()
;
-- code: refused_function
SELECT * FROM pragma_table_info('runs')
;
-- code: unknown_table
SELECT * FROM internal.hot_runs
;
-- code: unknown_table
SELECT * FROM memory.main.runs
;
-- code: unknown_table
SELECT * FROM system.main.duckdb_tables
;
-- code: unknown_table
SELECT * FROM temp.folded
;
-- code: unknown_table
SELECT * FROM "main.runs"
;
-- code: unknown_table
SELECT * FROM staged_files
;
-- code: unknown_table
SELECT * FROM "INTERNAL"."file"
;
-- code: refused_function
SELECT * FROM summary('runs')
;
-- code: refused_function
SELECT pg_get_viewdef('runs')
;
-- code: refused_function
SELECT has_table_privilege('runs', 'select')
;
-- code: refused_function
SELECT current_database(), current_schemas(true)
;
-- code: refused_function
SELECT current_schema
;
-- code: refused_function
SELECT stats(id) FROM runs
;
-- code: refused_statement
SELECT 'runs'::regclass
;
-- code: unknown_table
SELECT * FROM main.sqlite_schema
;
-- code: unknown_table
SELECT * FROM duckdb_columns
;
-- code: unknown_table
SELECT * FROM pg_tables
;
-- code: unknown_table
SELECT sql FROM sqlite_temp_master
;
-- code: unknown_table
SELECT view_definition FROM information_schema.views
;
-- code: refused_function
SELECT * FROM duckdb_secrets()
;
-- code: refused_function
SELECT * FROM duckdb_functions()
;
-- code: refused_function
SELECT * FROM duckdb_temporary_files()
;
-- code: refused_function
SELECT * FROM duckdb_memory()
;
-- code: refused_function
SELECT * FROM duckdb_logs()
;
-- code: refused_function
SELECT * FROM pragma_storage_info('runs')
;
-- code: refused_function
SELECT * FROM which_secret('s3://x', 's3')
;
-- code: unknown_table
SELECT * FROM internal.sealed_hidden
;
-- code: unknown_table
SELECT * FROM memory.internal.hot_spans
;
-- code: unknown_table
SELECT * FROM temp.main.runs
;
-- code: unknown_table
SELECT * FROM "internal"."hidden_runs"
;
-- code: unknown_table
SELECT * FROM internal . hot_score_history
;
-- code: unknown_table
SELECT * FROM runs UNION ALL SELECT * FROM internal.hot_runs
;
-- code: unknown_table
SELECT internal.hot_runs.id FROM internal.hot_runs
;
-- code: refused_function
SELECT getenv('HOME')
;
-- code: refused_function
SELECT user()
;
-- code: refused_function
SELECT session_user, current_role
;
-- code: refused_statement
SELECT 'runs'::regtype
