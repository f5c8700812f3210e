-- title: What the newest release broke
-- group: Releases
-- about: Share of failed runs by function in its newest release beside the one before, worst first. The interval of the
--   difference takes runs for independent: where few users make most runs, it is too narrow.
with release as (
    select function_id, release,
           row_number() over (partition by function_id order by min(started_at) desc, release desc) as place
    from runs
    where release is not null and started_at is not null
    group by function_id, release
),
compared as (
    select runs.function_id,
           any_value(release.release) filter (where place = 1) as newest,
           any_value(release.release) filter (where place = 2) as before,
           prop_test(runs.status = 'Failed', if(place = 1, 'newest', 'before'), 'newest', 'before') as found
    from runs
    join release on release.function_id = runs.function_id and release.release = runs.release and place <= 2
    where runs.status in ('Completed', 'Failed')
    group by runs.function_id
)
select function_id, before, newest,
       found.n_b as runs_before, found.n_a as runs_newest,
       round(found.rate_b, 4) as failed_before, round(found.rate_a, 4) as failed_newest,
       round(found.difference, 4) as difference, round(found.low, 4) as low, round(found.high, 4) as high
from compared
order by difference desc nulls last, function_id
