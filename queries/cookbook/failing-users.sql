-- title: Users hit most by failures
-- group: Sessions and users
-- about: Who to write to: users by the number of their failed runs, and whether their newest run went well again.
select user_id,
       count(*) as runs,
       count(*) filter (where status = 'Failed') as failed,
       round(count(*) filter (where status = 'Failed') / count(*), 4) as share,
       max(started_at) filter (where status = 'Failed') as last_failure,
       arg_max(status, started_at) as newest_run
from runs
where user_id is not null and status in ('Completed', 'Failed')
group by user_id
having count(*) filter (where status = 'Failed') > 0
order by failed desc, share desc, user_id
limit 50
