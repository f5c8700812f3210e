-- code: refused_statement
SET memory_limit = '100GB'
;
-- code: refused_statement
RESET threads
;
-- code: refused_function
SELECT current_setting('temp_directory')
;
-- code: refused_statement
SET VARIABLE x = 1
;
-- code: refused_function
SELECT getvariable('x')
;
-- code: bad_parameter
SELECT $secret
;
-- code: bad_parameter
SELECT * FROM runs WHERE id = ?
;
-- code: bad_parameter
-- params: ["a", "b"]
SELECT * FROM runs WHERE id = ?
;
-- code: bad_parameter
-- params: {"a": 1}
SELECT $b
;
-- code: refused_statement
PRAGMA database_list
;
-- code: refused_statement
PRAGMA table_info('runs')
;
-- code: refused_function
SELECT setseed(0.5)
;
-- code: refused_function
SELECT nextval('s')
;
-- code: refused_function
SELECT write_log('x')
;
-- code: refused_function
SELECT version(), txid_current()
