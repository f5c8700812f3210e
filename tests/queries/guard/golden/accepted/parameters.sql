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
