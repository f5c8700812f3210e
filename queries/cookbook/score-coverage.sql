-- title: Coverage of each score
-- group: Scores
-- about: Of the runs that ended, how many have each score, by function. A mean over half of the runs is the mean of
--   the half that answered; look here before you trust one.
-- chart: bar x=function_id y=coverage color=score
with scored as (
    select distinct run_id, name
    from scores
    where run_id is not null and step_id is null and span_id is null
),
expected as (  -- a function owes a score once one of its runs has it
    select distinct runs.function_id, scored.name
    from scored
    join runs on runs.id = scored.run_id
)
select expected.name as score, expected.function_id,
       count(*) as runs,
       count(scored.run_id) as scored,
       round(count(scored.run_id) / count(*), 4) as coverage
from runs
join expected on expected.function_id = runs.function_id
left join scored on scored.run_id = runs.id and scored.name = expected.name
where runs.status in ('Completed', 'Failed', 'Cancelled')
group by all
order by coverage, score, function_id
