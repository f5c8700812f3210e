-- code: refused_function
SELECT * FROM query('SELECT * FROM internal.hot_runs')
;
-- code: refused_function
SELECT * FROM query_table('runs')
;
-- code: refused_function
SELECT * FROM json_execute_serialized_sql('{}')
;
-- code: refused_function
SELECT json_serialize_sql('SELECT 1')
;
-- code: refused_function
SELECT json_deserialize_sql('{}')
;
-- code: refused_function
SELECT * FROM histogram_values(runs, id)
;
-- code: refused_statement
EXECUTE plan
;
-- code: refused_statement
PREPARE plan AS SELECT 1
;
-- code: refused_function
FROM query('FROM runs')
;
-- code: refused_function
SELECT * FROM query_table(['runs', 'internal.hot_runs'])
;
-- code: refused_function
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
;
-- code: refused_function
SELECT (SELECT count(*) FROM query('SELECT 1'))
;
-- code: refused_function
SELECT json_serialize_plan('SELECT * FROM runs')
;
-- code: refused_function
WITH q AS (SELECT 'FROM runs' AS s) SELECT * FROM q, query(s)
;
-- code: refused_function
SELECT * FROM histogram('runs', 'id')
;
-- code: refused_statement
EXECUTE IMMEDIATE 'SELECT 1'
;
-- code: refused_statement
DEALLOCATE plan
