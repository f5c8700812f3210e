-- code: refused_statement
PIVOT runs ON status USING count(*)
;
-- code: refused_statement
SELECT * FROM (PIVOT runs ON status IN (SELECT 'a') USING count(*))
;
-- code: refused_statement
SELECT * FROM runs PIVOT (count(*) FOR status IN my_enum)
