-- name: running totals
-- compare: columns
SELECT ts, sum(value) OVER (PARTITION BY name ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running,
       avg(value) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW) AS week
FROM scores
;
-- name: named window and ranking functions
-- compare: columns
SELECT id, row_number() OVER w, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w, cume_dist() OVER w,
       ntile(4) OVER w, lag(id) OVER w, lead(id, 2) OVER w, first_value(id) OVER w, last_value(id) OVER w,
       nth_value(id, 2) OVER w
FROM runs WINDOW w AS (PARTITION BY function_id ORDER BY started_at)
;
-- name: newest step by QUALIFY
-- compare: columns
SELECT run_id, id, attempt FROM step_attempts
QUALIFY row_number() OVER (PARTITION BY run_id, id ORDER BY attempt DESC) = 1
;
-- name: DISTINCT ON
-- compare: columns
SELECT DISTINCT ON (run_id) run_id, name, value FROM scores ORDER BY run_id, ts DESC
;
-- name: missing days filled by a window
SELECT ts, fill(value) OVER (ORDER BY ts) FROM scores
