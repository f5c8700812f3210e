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
-- name: JSON arrows in a row
SELECT output->'a'->0->>'b' FROM runs
