-- name: count of runs by status
SELECT status, count(*) AS n FROM runs GROUP BY status ORDER BY n DESC
;
-- name: failure rate of each function
SELECT function_id, avg((status = 'Failed')::INT) AS failure_rate, count(*) AS runs
FROM runs
WHERE started_at >= now() - INTERVAL 7 DAY
GROUP BY ALL
HAVING count(*) > 10
ORDER BY failure_rate DESC
LIMIT 20
;
-- name: qualified with main
SELECT r.id FROM main.runs AS r WHERE r.environment = 'production'
;
-- name: names in capitals
SELECT ID, Status FROM RUNS ORDER BY STARTED_AT
;
-- name: quoted names
SELECT "id", "status" FROM "runs" WHERE "user_id" IS NOT NULL
;
-- name: FROM first
FROM runs
;
-- name: FROM first with SELECT
FROM runs SELECT id, duration_ms WHERE duration_ms > 1000
;
-- name: table statement
TABLE scores
;
-- name: values
VALUES (1, 'a'), (2, 'b')
;
-- name: no table at all
SELECT 1 AS one, 'it''s' AS text, NULL AS nothing, true AS yes, -5.5e3 AS number
;
-- name: trailing semicolon and comment
/* how many /* nested */ events */
SELECT count(*) FROM events; -- all of them
;
-- name: percentiles of durations
SELECT function_id, quantile_cont(duration_ms, [0.5, 0.95, 0.99]) AS p, approx_quantile(duration_ms, 0.9) AS about
FROM runs WHERE duration_ms IS NOT NULL GROUP BY function_id
;
-- name: tokens and cost by model
SELECT request_model, sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, round(sum(cost_usd), 4) AS usd
FROM spans WHERE type = 'llm' GROUP BY 1 ORDER BY usd DESC NULLS LAST
;
-- name: dotted attribute of a map
SELECT attributes['gen_ai.request.model'] AS model, count(*) FROM spans GROUP BY 1
;
-- name: dotted attribute of JSON
SELECT attributes->>'gen_ai.request.model' AS model, count(*) FROM runs GROUP BY model
;
-- name: JSON path
SELECT data->'$.ticket.id' AS ticket, data->>'$.ticket.subject' AS subject FROM events WHERE name = 'support/ticket.created'
;
-- name: JSON functions
SELECT id, json_extract_string(output, '$.answer') AS answer, json_array_length(output, '$.citations') AS n,
       json_type(input) AS kind, json_valid(input::VARCHAR)
FROM runs WHERE json_exists(output, '$.answer')
;
-- name: JSON cast to struct
SELECT (from_json(options, '{"alpha": "DOUBLE", "unit": "VARCHAR"}')).alpha FROM experiments
;
-- name: JSON each as a table
SELECT r.id, j.key, j.value FROM runs r, json_each(r.attributes) j
;
-- name: JSON tree as a table
SELECT t.fullkey, count(*) FROM events e, json_tree(e.data) t WHERE t.atom IS NOT NULL GROUP BY 1
;
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
-- name: join runs with scores
SELECT r.id, s.name, s.value FROM runs r JOIN scores s ON s.run_id = r.id WHERE s.kind = 'boolean'
;
-- name: left join with USING
SELECT run_id, a.variant, d.status FROM assignments a LEFT JOIN deferrals d USING (run_id)
;
-- name: full join, cross join, natural join
SELECT count(*) FROM session_runs FULL JOIN session_scores USING (session_key, session_id)
CROSS JOIN (SELECT 1 AS one) NATURAL JOIN (SELECT 1 AS one)
;
-- name: semi and anti join
SELECT id FROM runs SEMI JOIN scores ON scores.run_id = runs.id
UNION ALL
SELECT id FROM runs ANTI JOIN scores ON scores.run_id = runs.id
;
-- name: ASOF join
SELECT s.run_id, s.value, st.name FROM scores s ASOF JOIN steps st ON s.run_id = st.run_id AND s.ts >= st.started_at
;
-- name: positional join
SELECT * FROM (VALUES (1), (2)) a(x) POSITIONAL JOIN (VALUES ('a'), ('b')) b(y)
;
-- name: lateral join
SELECT r.id, x.n FROM runs r, LATERAL (SELECT count(*) AS n FROM steps s WHERE s.run_id = r.id) x
;
-- name: nested joins
SELECT count(*) FROM runs r JOIN (steps s JOIN spans p ON p.step_id = s.id) ON s.run_id = r.id
;
-- name: correlated subqueries
SELECT id, (SELECT max(ts) FROM scores s WHERE s.run_id = r.id) AS scored_at
FROM runs r
WHERE EXISTS (SELECT 1 FROM assignments a WHERE a.run_id = r.id) AND id NOT IN (SELECT run_id FROM deferrals WHERE run_id IS NOT NULL)
;
-- name: quantified comparisons
SELECT id FROM runs WHERE duration_ms > ALL (SELECT duration_ms FROM steps) OR status = ANY (['Failed', 'Cancelled'])
;
-- name: common table expressions
WITH scored AS (
  SELECT run_id, avg(value) AS mean FROM scores GROUP BY run_id
), best AS (
  SELECT * FROM scored WHERE mean > 0.5
)
SELECT r.function_id, count(*) FROM best JOIN runs r ON r.id = best.run_id GROUP BY 1
;
-- name: materialised common table expression
WITH slow AS MATERIALIZED (SELECT id FROM runs WHERE duration_ms > 60000) SELECT count(*) FROM slow
;
-- name: common table expression named like the table it reads
WITH runs AS (SELECT * FROM runs WHERE environment = 'production') SELECT count(*) FROM runs
;
-- name: common table expression in a subquery only
SELECT (WITH t AS (SELECT count(*) AS n FROM events) SELECT n FROM t) AS n
;
-- name: inner expression over an outer one
WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x AS y FROM a, b)
;
-- name: recursive calls of runs
WITH RECURSIVE calls AS (
  SELECT id, parent_run_id, 0 AS depth FROM runs WHERE parent_run_id IS NULL
  UNION ALL
  SELECT r.id, r.parent_run_id, c.depth + 1 FROM runs r JOIN calls c ON r.parent_run_id = c.id WHERE c.depth < 10
)
SELECT depth, count(*) FROM calls GROUP BY depth ORDER BY depth
;
-- name: recursive with a key
WITH RECURSIVE seen(id, depth) USING KEY (id) AS (
  SELECT id, 0 FROM runs WHERE parent_run_id IS NULL
  UNION
  SELECT r.id, s.depth + 1 FROM runs r JOIN seen s ON r.parent_run_id = s.id LEFT JOIN recurring.seen o ON o.id = r.id
  WHERE o.id IS NULL
)
SELECT count(*) FROM seen
;
-- name: days without runs, by a generated series
SELECT d.day, count(r.id) AS n
FROM (SELECT unnest(generate_series(DATE '2026-01-01', DATE '2026-01-31', INTERVAL 1 DAY)) AS day) d
LEFT JOIN runs r ON date_trunc('day', r.started_at) = d.day
GROUP BY 1 ORDER BY 1
;
-- name: ranges as tables
SELECT a.range, b.generate_series FROM range(0, 10, 2) a, generate_series(1, 3) b
;
-- name: dates
SELECT date_trunc('hour', ts) AS hour, extract('dow' FROM ts) AS dow, strftime(ts, '%Y-%m-%d') AS day,
       epoch_ms(ts) AS ms, ts AT TIME ZONE 'Europe/Berlin' AS local, current_date - ts::DATE AS age,
       time_bucket(INTERVAL '15 minutes', ts) AS bucket, date_diff('day', ts, received_at) AS late
FROM scores
;
-- name: running totals
SELECT ts, sum(value) OVER (PARTITION BY name ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running,
       avg(value) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW) AS week
FROM scores
;
-- name: named window and ranking functions
SELECT id, row_number() OVER w, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w,
       ntile(4) OVER w, lag(id) OVER w, lead(id, 2) OVER w, first_value(id) OVER w, last_value(id) OVER w,
       nth_value(id, 2) OVER w
FROM runs WINDOW w AS (PARTITION BY function_id ORDER BY started_at)
;
-- name: newest step by QUALIFY
SELECT run_id, id, attempt FROM step_attempts
QUALIFY row_number() OVER (PARTITION BY run_id, id ORDER BY attempt DESC) = 1
;
-- name: DISTINCT ON
SELECT DISTINCT ON (run_id) run_id, name, value FROM scores ORDER BY run_id, ts DESC
;
-- name: filtered and ordered aggregates
SELECT count(*) FILTER (WHERE status = 'Failed') AS failed, string_agg(id, ', ' ORDER BY started_at) AS ids,
       array_agg(DISTINCT status) AS statuses, arg_max(id, duration_ms) AS slowest, count(DISTINCT user_id) AS users
FROM runs
;
-- name: grouping sets, cube, rollup
SELECT environment, release, count(*), GROUPING(environment, release) FROM runs
GROUP BY GROUPING SETS ((environment, release), (environment), ())
UNION ALL BY NAME
SELECT environment, release, count(*), 0 FROM runs GROUP BY CUBE (environment, release)
UNION ALL BY NAME
SELECT environment, release, count(*), 1 FROM runs GROUP BY ROLLUP (environment, release)
;
-- name: statistics
SELECT variant, count(value) AS n, avg(value) AS mean, stddev_samp(value) AS sd, var_samp(value) AS v, sem(value),
       median(value), mad(value), skewness(value), corr(value, n_scores), regr_slope(value, n_scores)
FROM experiment_scores WHERE experiment = 'prompt-v2' AND score = 'task-solved' GROUP BY variant
;
-- name: pivot with its list
PIVOT scored_runs ON variant IN ('control', 'treatment') USING avg(value) GROUP BY score
;
-- name: pivot in FROM
SELECT * FROM (PIVOT (SELECT status, environment FROM runs) ON environment IN ('production', 'staging') USING count(*))
;
-- name: SQL standard pivot
SELECT * FROM (SELECT name, source, value FROM scores) PIVOT (avg(value) FOR source IN ('code', 'llm', 'human'))
;
-- name: unpivot
UNPIVOT (SELECT run_count, failed_run_count, event_count FROM sessions) ON run_count, failed_run_count, event_count
INTO NAME what VALUE n
;
-- name: unpivot in FROM
SELECT * FROM spans UNPIVOT (tokens FOR direction IN (input_tokens, output_tokens))
;
-- name: star with EXCLUDE, REPLACE and RENAME
SELECT * EXCLUDE (input, output) REPLACE (round(duration_ms) AS duration_ms) RENAME (id AS run_id) FROM runs
;
-- name: COLUMNS by pattern
SELECT COLUMNS('.*_tokens') FROM spans
;
-- name: COLUMNS by lambda, and over all
SELECT min(COLUMNS(* EXCLUDE (attributes, resource_attributes, events, links))), COLUMNS(lambda c: c LIKE 'trace%').any_value() FROM spans
;
-- name: sampling
SELECT avg(duration_ms) FROM runs TABLESAMPLE 10%
;
-- name: reservoir sampling, repeatable
SELECT id FROM runs USING SAMPLE reservoir(100 ROWS) REPEATABLE (42)
;
-- name: ORDER BY ALL and LIMIT by share
SELECT name, count(*) FROM events GROUP BY ALL ORDER BY ALL LIMIT 10%
;
-- name: LIMIT by a subquery, and OFFSET
SELECT id FROM runs ORDER BY id LIMIT (SELECT 5) OFFSET 2
;
-- name: set operations
SELECT id FROM runs EXCEPT SELECT run_id FROM scores INTERSECT SELECT run_id FROM assignments
;
-- name: brackets around set operations
(SELECT id FROM runs LIMIT 3) UNION (SELECT id FROM events LIMIT 3) ORDER BY 1
;
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
-- name: positional references
SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY #2, 1
;
-- name: alias used again
SELECT duration_ms / 1000 AS seconds, seconds / 60 AS minutes FROM runs WHERE seconds > 1
;
-- name: prefix alias
SELECT n: count(*), days: count(DISTINCT started_at::DATE) FROM runs
;
-- name: method calls
SELECT name.lower().replace('/', ' ').split(' ')[1] FROM events
;
-- name: whole row
SELECT r FROM runs AS r LIMIT 1
;
-- name: try
SELECT TRY(label::DOUBLE) FROM scores
;
-- name: positional parameters
-- params: ["production", 10]
SELECT id FROM runs WHERE environment = ? LIMIT ?
;
-- name: named parameters
-- params: {"variant": "a", "since": "2026-01-01"}
SELECT run_id FROM assignments WHERE variant = $variant AND ts >= $since::TIMESTAMPTZ AND variant = $variant
;
-- name: numbered parameters
-- params: ["a", "b"]
SELECT $2 AS second, $1 AS first
;
-- name: dollar quotes and escapes
SELECT $$it's ; -- no comment$$ AS a, $tag$ ( $$ $tag$ AS b, E'tab\t\'quoted\'' AS c, '/* no comment' AS d
;
-- name: text beyond ASCII
SELECT 'żółć' AS "größe", '日本' AS 名前 FROM runs WHERE user_id = 'ünï'
;
-- name: long list
SELECT id FROM runs WHERE status IN ('Queued', 'Running', 'Completed', 'Failed', 'Cancelled', 'x1', 'x2', 'x3', 'x4', 'x5')
;
-- name: histogram and top values
SELECT histogram(status), approx_top_k(function_id, 5), mode(status), entropy(status), approx_count_distinct(user_id) FROM runs
;
-- name: session funnel
WITH firsts AS (SELECT session_key, session_id, min(ts) AS at FROM session_runs GROUP BY ALL)
SELECT s.session_key, avg(s.run_count), quantile_disc(s.cost_usd, 0.5), max(date_diff('minute', f.at, s.last_at))
FROM sessions s JOIN firsts f USING (session_key, session_id) GROUP BY 1
;
-- name: metadata and definitions
SELECT m.values->>'$.grade' AS grade, d.higher_is_better
FROM metadata m LEFT JOIN score_definitions d ON d.name = m.kind WHERE m.level = 'run'
;
-- name: history of a score
SELECT name, version, value, superseded_at IS NULL AS current FROM score_history WHERE run_id = 'r1' ORDER BY version
;
-- name: a column called user
SELECT user_id AS user, count(*) FROM runs GROUP BY user ORDER BY user
;
-- name: missing days filled by a window
SELECT ts, fill(value) OVER (ORDER BY ts) FROM scores
;
-- name: array and unpacked columns
SELECT ARRAY[1, 2] AS list, coalesce(*COLUMNS('.*_model')) AS model FROM spans
;
-- name: JSON arrows in a row
SELECT output->'a'->0->>'b' FROM runs
;
-- name: variant seen in a session's newest run
SELECT sr.session_id, arg_max(a.variant, sr.ts) FROM session_runs sr JOIN assignments a USING (run_id) GROUP BY ALL
