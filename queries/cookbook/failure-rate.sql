-- title: Functions by failure rate
-- group: Failures
-- about: Share of ended runs that failed, with Wilson's interval, so that one failure of three runs does not lead the
--   list: it is ordered by what is at least true. Runs count as independent; for few busy users take cluster_mean.
-- chart: bar x=function_id y=rate
with counted as (
    select function_id, wilson_ci(status = 'Failed') as found
    from runs
    where status in ('Completed', 'Failed')
    group by function_id
)
select function_id, found.n as runs, found.successes as failed,
       round(found.rate, 4) as rate, round(found.low, 4) as low, round(found.high, 4) as high
from counted
order by low desc, function_id
