-- title: Coverage by age of the run
-- group: Scores
-- about: Share of completed runs that have a score, by how many days ago they ended (from the newest run on). Where the
--   line bends upwards, outcomes are still on their way; left of there a mean is early.
-- chart: line x=age_days y=coverage color=score
with ended as (
    select id, function_id,
           floor((max(epoch(ended_at)) over () - epoch(ended_at)) / 86400)::integer as age_days
    from runs
    where status = 'Completed' and ended_at is not null
),
scored as (
    select distinct run_id, name
    from scores
    where run_id is not null and step_id is null and span_id is null
),
expected as (  -- a function owes a score once one of its runs has it
    select distinct ended.function_id, scored.name
    from scored
    join ended on ended.id = scored.run_id
)
select expected.name as score, ended.age_days,
       count(*) as runs,
       round(count(scored.run_id) / count(*), 4) as coverage
from ended
join expected on expected.function_id = ended.function_id
left join scored on scored.run_id = ended.id and scored.name = expected.name
group by all
order by score, age_days
