-- code: refused_statement
-- times: 3000
SELECT «(»1
;
-- code: refused_statement
-- times: 100
SELECT «(»1«)»
;
-- code: refused_statement
-- times: 100
SELECT «[»1«]»
;
-- code: refused_statement
-- times: 70
SELECT * FROM «(SELECT * FROM »runs«)»
;
-- code: refused_statement
-- times: 70
SELECT «lower(»id«)» FROM runs
;
-- code: refused_statement
-- times: 2100
SELECT 1«+1»
;
-- code: refused_statement
-- times: 2100
SELECT true « AND true»
;
-- code: refused_statement
-- times: 600
SELECT 1« UNION ALL SELECT 1»
;
-- code: refused_statement
-- times: 600
SELECT 1« EXCEPT SELECT 1»
;
-- code: refused_statement
-- times: 200
SELECT a«.lower()» FROM runs
;
-- code: refused_statement
-- times: 200
SELECT [1]«[1]»
;
-- code: refused_statement
-- times: 200
SELECT 1«::INT»
;
-- code: refused_statement
-- times: 40
SELECT 1 FROM runs« JOIN runs»
;
-- code: refused_statement
-- times: 12000
SELECT 1 IN (1«,1»)
;
-- code: too_large
-- times: 30000
SELECT 'x«yyy»'
;
-- code: refused_statement
-- times: 2100
SELECT 1 « - - 1»
;
-- code: refused_statement
-- times: 400
SELECT «CASE WHEN »true « THEN 1 END»
;
-- code: refused_statement
-- times: 2100
SELECT «NOT »true
;
-- code: syntax
-- times: 1000
SELECT «/*» 1
;
-- code: refused_statement
-- times: 1000
SELECT «{»1
;
-- code: refused_statement
-- times: 2000
«WITH a AS (»SELECT 1
