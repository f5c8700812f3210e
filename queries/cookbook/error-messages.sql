-- title: Errors, grouped by message
-- group: Failures
-- about: Messages of failed attempts of steps, with numbers and long ids taken out so that one cause is one row.
--   `runs` says how many it touched, `ended_runs` how many of these failed in the end.
with failure as (
    select a.run_id, a.name as step, a.started_at,
           coalesce(a.error->>'name', a.error->>'type', '') as error,
           regexp_replace(
               coalesce(a.error->>'message', a.error->>'$', ''), '[0-9a-fA-F-]{16,}|[0-9]+', '#', 'g'
           ) as message
    from step_attempts a
    where a.status in ('Errored', 'Failed')
)
select failure.error, failure.message,
       count(*) as attempts,
       count(distinct failure.run_id) as runs,
       count(distinct failure.run_id) filter (where runs.status = 'Failed') as ended_runs,
       mode(failure.step) as mostly_in,
       max(failure.started_at) as last_seen
from failure
left join runs on runs.id = failure.run_id
group by failure.error, failure.message
order by attempts desc, failure.message
limit 50
