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
