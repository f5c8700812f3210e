-- title: Runs to read first
-- group: Scores
-- about: Of every score the ten runs it judged worst, with what was asked and the scorer's reason. Declare
--   `higher_is_better` for a score whose small values are good.
select scores.name as score, round(scores.value, 4) as value, scores.comment,
       runs.id as run_id, runs.function_id, runs.started_at, left(runs.input::varchar, 200) as input
from scores
join runs on runs.id = scores.run_id
left join score_definitions on score_definitions.name = scores.name
where scores.value is not null
qualify row_number() over (
    partition by scores.name
    order by if(coalesce(score_definitions.higher_is_better, true), scores.value, -scores.value),
             runs.started_at desc, scores.id
) <= 10
order by score, value, run_id
