-- title: The same step again and again
-- group: Failures
-- about: Steps of one name with the very same input more than once in a run: an agent that goes round in circles. Retries
--   are not among them, as a retry is another attempt of the same step.
select run_id, name as step,
       count(*) as times,
       count(*) filter (where status = 'Failed') as failed,
       round(sum(duration_ms)) as ms,
       left(any_value(input)::varchar, 200) as input
from steps
where input is not null and status in ('Completed', 'Failed')
group by run_id, name, input::varchar
having count(*) > 1
order by times desc, run_id, step
limit 100
