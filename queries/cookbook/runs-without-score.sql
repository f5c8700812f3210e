-- title: Finished runs without any score
-- group: Scores
-- about: Where nobody looks: runs that ended and were never judged, by function and status. Often it is the failed ones
--   that are missing, which makes every mean too good.
with judged as (
    select distinct run_id
    from scores
    where run_id is not null
)
select runs.function_id, runs.status,
       count(*) as runs,
       count(*) - count(judged.run_id) as without_score,
       round(1 - count(judged.run_id) / count(*), 4) as share
from runs
left join judged on judged.run_id = runs.id
where runs.status in ('Completed', 'Failed', 'Cancelled')
group by all
order by without_score desc, function_id, status
