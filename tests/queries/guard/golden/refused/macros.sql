-- code: refused_statement
CREATE MACRO lower(x) AS x
;
-- code: refused_statement
CREATE TEMP MACRO f() AS TABLE SELECT * FROM internal.file
;
-- code: refused_function
SELECT my_macro(id) FROM runs
;
-- code: refused_function
SELECT system.main.getvariable('x')
;
-- code: refused_statement
CREATE OR REPLACE TEMP MACRO count(x) AS 0
;
-- code: refused_statement
CREATE FUNCTION f(x) AS x + 1
;
-- code: refused_function
SELECT main.f(1)
;
-- code: refused_function
SELECT * FROM my_table_macro(1)
;
-- code: refused_function
SELECT id.read_text() FROM runs
;
-- code: refused_function
SELECT "READ_TEXT"('x')
