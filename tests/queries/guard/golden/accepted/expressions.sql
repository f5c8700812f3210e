-- name: case, coalesce, nullif, if, greatest
SELECT CASE status WHEN 'Failed' THEN 1 WHEN 'Cancelled' THEN 2 ELSE 0 END, CASE WHEN duration_ms > 5 THEN 'slow' END,
       coalesce(user_id, 'nobody'), nullif(release, ''), if(duration_ms > 1, 1, 0), greatest(1, 2), ifnull(user_id, '-')
FROM runs
;
-- name: casts
SELECT value::INTEGER, CAST(value AS DECIMAL(10, 2)), TRY_CAST(label AS DOUBLE), attributes::VARCHAR, [1, 2]::DOUBLE[],
       ts::TIMESTAMP WITH TIME ZONE, {'a': 1}::STRUCT(a BIGINT), MAP {'a': 1}::MAP(VARCHAR, BIGINT), DATE '2026-01-01'
FROM scores
;
-- name: text functions
SELECT lower(name) || '!' AS shout, substring(name FROM 1 FOR 3), trim(name), split_part(name, '/', 1), name[1:4],
       replace(name, '/', '.'), regexp_extract(name, '^(\w+)/', 1), regexp_replace(name, '[0-9]+', '#', 'g'),
       position('/' IN name), concat_ws('-', name, v), lpad(v, 4, '0'), repeat('=', 20), format('{:>10}', v), printf('%8.2f', 1.5),
       md5(name), hash(name), levenshtein(name, 'a'), jaccard(name, 'ab'), bar(length(name), 0, 40, 20), starts_with(name, 'a')
FROM events
;
-- name: pattern operators
SELECT id FROM events WHERE name LIKE 'support/%' OR name NOT ILIKE '%\_x' ESCAPE '\' OR name ~ 'a.b' OR name SIMILAR TO 'a|b' OR name GLOB 'a*'
   OR name !~~ 'b' OR name ^@ 'c'
;
-- name: arithmetic and bits
SELECT 7 // 2, 7 % 2, 2 ** 10, 2 ^ 3, 5 & 3, 5 | 3, ~5, 1 << 3, @(-2), factorial(4), -(1 + 2), xor(1, 2), 1 / 3.0
;
-- name: comparisons
SELECT id FROM runs WHERE duration_ms BETWEEN 1 AND 10 AND status IS DISTINCT FROM 'Queued' AND (id, status) IN (('a', 'b'))
  AND NOT (release IS NULL) AND duration_ms <= 9 AND duration_ms != 3 AND user_id IS NOT DISTINCT FROM NULL AND (duration_ms > 1) IS NOT TRUE
;
-- name: collation
SELECT name FROM events ORDER BY name COLLATE NOCASE ASC, id DESC NULLS LAST
;
-- name: method calls
SELECT name.lower().replace('/', ' ').split(' ')[1] FROM events
;
-- name: try
SELECT TRY(label::DOUBLE) FROM scores
