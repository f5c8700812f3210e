SELECT list(x) FROM range(10000000) t(x), range(100)
;
SELECT string_agg(repeat('x', 10000), '') FROM range(10000000)
;
SELECT len(list_sort(list_transform(range(10000000), lambda x: repeat('x', 1000))))
;
SELECT count(*) FROM (SELECT DISTINCT repeat(x::VARCHAR, 1000) FROM range(10000000) t(x))
;
SELECT x, row_number() OVER (ORDER BY hash(x)) FROM range(10000000) t(x), range(10) ORDER BY 2
;
SELECT histogram(x) FROM range(10000000) t(x), range(10)
;
WITH a AS MATERIALIZED (SELECT repeat('x', 10000) AS s FROM range(10000000)) SELECT count(*) FROM a, a AS b
;
SELECT length(to_json(range(10000000))::VARCHAR)
