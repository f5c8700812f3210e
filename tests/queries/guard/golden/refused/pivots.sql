-- code: refused_statement
SELECT * FROM runs PIVOT (count(*) FOR status IN my_enum)
;
-- code: unknown_table
PIVOT secrets ON status USING count(*)
;
-- code: unknown_table
PIVOT runs ON status IN (SELECT id FROM internal.hot_runs) USING count(*)
;
-- code: refused_function
PIVOT runs ON status USING count(*) GROUP BY getvariable('x')
;
-- code: refused_statement
WITH d AS (DELETE FROM runs RETURNING *) PIVOT d ON status USING count(*)
;
-- code: refused_function
PIVOT (SELECT read_text('/etc/passwd') AS x) ON x USING count(*)
;
-- code: syntax
PIVOT runs ON status USING count(*) ORDER BY status
;
-- code: refused_statement
PIVOT runs ON status USING count(*); DROP VIEW runs
