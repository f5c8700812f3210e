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
-- name: variant seen in a session's newest run
SELECT sr.session_id, arg_max(a.variant, sr.ts) FROM session_runs sr JOIN assignments a USING (run_id) GROUP BY ALL
