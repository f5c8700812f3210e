-- name: unnest in FROM
SELECT r.id, e.id AS event FROM runs r, unnest(r.event_ids) AS e(id)
;
-- name: unnest in SELECT
SELECT id, unnest(event_ids) AS event_id FROM runs
;
-- name: recursive unnest of a struct
SELECT unnest({'a': 1, 'b': {'c': 2}}, recursive := true)
;
-- name: unnest with ordinality
SELECT t.x, t.n FROM unnest([10, 20]) WITH ORDINALITY AS t(x, n)
;
-- name: list functions and lambdas
SELECT list_transform(event_ids, lambda x: upper(x)) AS ids, list_filter([1, 2, 3], lambda x, i: x > i) AS odd,
       list_reduce([1, 2, 3], lambda a, b: a + b) AS total
FROM runs
;
-- name: list comprehension and slices
SELECT [x * 2 FOR x IN [1, 2, 3] IF x > 1] AS doubled, ([1, 2, 3])[1:2] AS first_two, ([1, 2, 3])[-1] AS last_one
;
-- name: structs
SELECT struct_pack(id := id, n := len(event_ids)) AS s, {'status': status, 'at': started_at} AS t, (s).n AS n FROM runs
;
-- name: maps
SELECT MAP {'a': 1, 'b': 2}['a'] AS one, map_keys(sessions) AS keys, sessions['ticket_id'] AS ticket, map_entries(sessions)
FROM runs WHERE cardinality(sessions) > 0
;
-- name: array and unpacked columns
SELECT ARRAY[1, 2] AS list, coalesce(*COLUMNS('.*_model')) AS model FROM spans
