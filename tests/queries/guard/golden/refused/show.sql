-- code: refused_statement
DESCRIBE runs
;
-- code: syntax
SELECT * FROM (EXPLAIN SELECT 1)
;
-- code: refused_statement
SUMMARIZE runs
;
-- code: refused_statement
SHOW TABLES
;
-- code: refused_statement
SELECT * FROM (DESCRIBE runs)
;
-- code: refused_statement
SELECT * FROM (SUMMARIZE SELECT * FROM runs)
;
-- code: syntax
FROM (SHOW ALL TABLES)
;
-- code: refused_statement
SHOW memory_limit
;
-- code: refused_statement
SHOW ALL TABLES
;
-- code: refused_statement
SHOW DATABASES
;
-- code: refused_statement
DESC runs
;
-- code: refused_statement
DESCRIBE SELECT * FROM runs
;
-- code: unknown_table
SELECT * FROM (SHOW TABLES)
;
-- code: refused_statement
SELECT column_name FROM (DESCRIBE SELECT * FROM runs)
;
-- code: refused_statement
WITH d AS (SUMMARIZE runs) SELECT * FROM d
