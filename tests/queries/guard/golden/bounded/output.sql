SELECT a.x, b.x FROM range(10000000) a(x), range(10000000) b(x)
;
SELECT repeat('x', 10000) FROM range(10000000)
;
SELECT * FROM generate_series(1, 10000000)
;
SELECT range(1000000) FROM range(1000)
;
SELECT COLUMNS(*), * FROM spans a, spans b, spans c, spans d, spans e
