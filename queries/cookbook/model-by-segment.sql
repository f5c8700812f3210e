-- title: Which model wins for a customer segment
-- group: Models
-- about: Mean of each score by the model that wrote most of a run's output, within a segment (a name in the runs'
--   `attributes`). The interval takes a user's runs together; a model was not drawn by lot, so ask an experiment to be
--   certain.
-- param: segment text plan
with main_model as (
    select run_id, model
    from model_calls
    where model is not null
    group by run_id, model
    qualify row_number() over (
        partition by run_id order by sum(output_tokens) desc nulls last, count(*) desc, model
    ) = 1
),
judged as (
    select scores.name as score, runs.attributes->>$segment as segment, main_model.model,
           cluster_mean(scores.value, coalesce(runs.user_id, runs.id)) as found
    from scores
    join runs on runs.id = scores.run_id
    join main_model on main_model.run_id = runs.id
    where scores.step_id is null and scores.span_id is null
    group by all
)
select judged.score, judged.segment, judged.model,
       found.n as scores, found.units as users,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high,
       rank() over (
           partition by judged.score, judged.segment
           order by if(coalesce(d.higher_is_better, true), -1, 1) * round(found.mean, 4)
       ) as place
from judged
left join score_definitions d on d.name = judged.score
where judged.segment is not null and found.n > 0
order by judged.score, judged.segment, place, judged.model
