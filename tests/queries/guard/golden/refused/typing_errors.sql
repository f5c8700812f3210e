-- code: unknown_table
SELECT * FROM rums
;
-- code: refused_function
SELECT cuont(id) FROM runs
;
-- code: syntax
SELEC id FROM runs
;
-- code: syntax
SELECT id FROM runs WHERE
;
-- code: refused_statement
SELECT id::nosuchtype FROM runs
