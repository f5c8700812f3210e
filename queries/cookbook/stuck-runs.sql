-- title: Runs that began and never ended
-- group: Failures
-- about: Runs still queued or running, longest first, beside how long completed runs of their function take. Minutes
--   count up to the newest thing known, so an import of old data does not look stuck.
with usual as (
    select function_id, quantile_cont(duration_ms, 0.99) / 1000 as p99_s
    from runs
    where status = 'Completed'
    group by function_id
),
known as (
    select max(greatest(queued_at, started_at, ended_at)) as until
    from runs
)
select runs.id as run_id, runs.function_id, runs.status,
       coalesce(runs.started_at, runs.queued_at) as since,
       round((epoch(known.until) - epoch(coalesce(runs.started_at, runs.queued_at))) / 60, 1) as minutes,
       round(usual.p99_s, 1) as usual_p99_s
from runs
cross join known
left join usual on usual.function_id = runs.function_id
where runs.status in ('Queued', 'Running')
order by since nulls last, run_id
limit 100
