-- code: refused_statement
SELECT repeat('x', 1000000000)
;
-- code: refused_statement
SELECT repeat(repeat('x', 10000), 10000)
;
-- code: refused_statement
WITH a AS (SELECT repeat('x', 100000) AS x) SELECT repeat(x, 100000) FROM a
;
-- code: refused_statement
SELECT repeat('x', length(id) * 1000000) FROM runs
;
-- code: refused_statement
-- params: [1000000000]
SELECT repeat('x', ?)
;
-- code: refused_statement
SELECT 'x'.repeat(1000000000)
;
-- code: refused_statement
SELECT lpad('x', 1000000000, 'y')
;
-- code: refused_statement
SELECT rpad('x', 1e9::INT, 'y')
;
-- code: refused_statement
SELECT list_resize([1], 1000 * 1000 * 1000)
;
-- code: refused_statement
SELECT bitstring('1', 4000000000)
;
-- code: refused_statement
SELECT sum(x) FROM range(100000000000) t(x)
;
-- code: refused_statement
SELECT list_sort(range(1000000000))
;
-- code: refused_statement
SELECT len(generate_series(0, len(id) * 1000000000)) FROM runs
;
-- code: refused_statement
SELECT format('{:>1000000000}', 'x')
;
-- code: refused_statement
SELECT format('{:>{}}', 'x', 1000000000)
;
-- code: refused_statement
SELECT format(name, 'x') FROM events
;
-- code: refused_statement
SELECT printf('%1000000000d', 1)
;
-- code: refused_statement
SELECT printf('%*d', 1000000000, 1)
;
-- code: refused_statement
SELECT NULL::INTEGER[100000][100000]
;
-- code: refused_statement
SELECT bar(1, 0, 1, 100000000)
;
-- code: refused_function
SELECT sleep_ms(100000)
;
-- code: refused_function
SELECT pg_sleep(100)
;
-- code: refused_function
SELECT error('x')
;
-- code: refused_function
SELECT damerau_levenshtein('a', 'b')
;
-- code: refused_function
SELECT * FROM repeat('x', 1000000000)
;
-- code: refused_function
SELECT * FROM repeat_row(1, num_rows := 1000000000)
;
-- code: refused_function
SELECT finalize(combine('\x00'::BLOB, '\x00'::BLOB))
;
-- code: refused_statement
SELECT repeat(id, 10001) FROM runs
;
-- code: refused_statement
SELECT lpad(id, length(id) * 100000000, 'x') FROM runs
;
-- code: refused_statement
SELECT array_resize([1], 4000000000)
;
-- code: refused_statement
SELECT unnest(range(0, 100000000000))
;
-- code: refused_statement
SELECT * FROM generate_series(1, 10 ** 12)
;
-- code: refused_statement
SELECT printf('%.1000000f', 1.5)
;
-- code: refused_statement
SELECT equi_width_bins(0, 1, 100000000, true)
;
-- code: refused_statement
SELECT range(factorial(20)::BIGINT)
;
-- code: refused_statement
SELECT repeat('x', (SELECT max(length(id)) FROM runs))
;
-- code: refused_function
SELECT unnest(repeat_row(1))
