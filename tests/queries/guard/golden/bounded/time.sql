SELECT count(*) FROM runs a, runs b, runs c, runs d, runs e, runs f, runs g
;
SELECT sum(a.x * b.x) FROM range(10000000) a(x), range(10000000) b(x)
;
WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r
;
WITH RECURSIVE r AS (SELECT 1 AS x UNION SELECT (x * 7) % 1000003 FROM r) SELECT count(*) FROM r, r AS s
;
SELECT count(*) FROM range(1000000) a(x) WHERE (SELECT count(*) FROM range(1000) b(y) WHERE b.y < a.x) > 3
;
SELECT regexp_matches(repeat('a', 10000), '(a*)*b') FROM range(100000)
;
SELECT max(levenshtein(repeat('ab', 900), repeat('ba', 900) || x)) FROM range(10000000) t(x)
;
SELECT count(DISTINCT hash(a.x, b.x)) FROM range(100000) a(x), range(100000) b(x)
;
SELECT max(md5(repeat('x', 10000) || x)) FROM range(10000000) t(x)
;
SELECT count(*) FROM runs TABLESAMPLE 50%, range(10000000), range(10000000)
;
PIVOT (SELECT a.x % 50 AS k, b.x AS v FROM range(100000) a(x), range(100000) b(x)) ON k IN (1, 2, 3) USING sum(v)
;
PIVOT (SELECT x % 46 AS a, x % 45 AS b, x % 47 AS c FROM range(100000) t(x)) ON a, b, c USING count(*)
;
PIVOT (SELECT x % 1000 AS a, x % 999 AS b FROM range(100000) t(x)) ON a, b USING count(*)
