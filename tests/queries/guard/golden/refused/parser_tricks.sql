-- code: refused_statement
SELECT 1; SELECT 2
;
-- code: refused_statement
SELECT 1; DROP VIEW runs; --
;
-- code: unknown_table
SELECT/**/*/**/FROM/*x*/internal/**/./**/hot_runs
;
-- code: unknown_table
SELECT * FROM runs -- '
, secrets --'
;
-- code: unknown_table
SELECT '/*' FROM secrets WHERE '*/' = ''
;
-- code: unknown_table
SELECT $a$ ' $a$ FROM secrets WHERE $a$ ' $a$ = ''
;
-- code: unknown_table
SELECT E'\'' FROM secrets --'
;
-- code: syntax
{% set x = 1 %} SELECT 1
;
-- code: syntax
SELECT {# SELECT 1 #} 1
;
-- code: syntax
SELECT 1 /* never closed
;
-- code: syntax
SELECT 'never closed
;
-- code: syntax
SELECT $x$ never closed $y$
;
-- code: syntax
SELECT (1]
;
-- code: syntax
SELECT 1)
;
-- code: syntax
SELECT FROM runs
;
-- code: syntax
SELECT 'x' 'y'
;
-- code: syntax
-- only a comment
;
-- code: refused_statement
SELECT DEFAULT
;
-- code: refused_statement
SELECT * FROM runs AT (VERSION => 1)
;
-- code: syntax
SELECT {'a': {: 2}}
;
-- code: unknown_table
SELECT '\' FROM secrets --'
;
-- code: unknown_table
SELECT 1 AS "--" FROM secrets
;
-- code: unknown_table
SELECT /* 
 -- */ 1 FROM secrets
;
-- code: unknown_table
SELECT $$ -- $$ FROM secrets
;
-- code: unknown_table
SELECT 1 FROM secrets
;
-- code: unknown_table
SELECT * FROM "sec""rets"
;
-- code: refused_statement
SELECT 1;;SELECT 2
;
-- code: refused_statement
SELECT 1; PRAGMA version
;
-- code: syntax
SELECT 1 \g /etc/passwd
;
-- code: syntax
SELECT * FROM runs |> WHERE id = 'x'
;
-- code: syntax
.read /etc/passwd
;
-- code: syntax
\copy runs to 'x'
;
-- code: unknown_table
SELECT U&'\0041' FROM secrets
;
-- code: refused_statement
SELECT * FROM runs AT (TIMESTAMP => now())
;
-- code: syntax
SELECT #
;
-- code: unknown_table
SELECT*FROM(secrets)
