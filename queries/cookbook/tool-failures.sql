-- title: Tools by failure rate
-- group: Failures
-- about: Calls of each tool and the share that failed. The interval takes the calls of one run together: a tool that is
--   down fails several times in the same run, and those are not several independent failures.
-- chart: bar x=tool y=rate
with counted as (
    select coalesce(tool_name, name) as tool,
           count(*) as calls,
           count(*) filter (where status_code = 'ERROR') as failed,
           median(duration_ms) as p50_ms,
           cluster_mean((status_code = 'ERROR')::double, coalesce(run_id, trace_id)) as found
    from spans
    where type = 'tool'
    group by all
)
select tool, calls, failed,
       round(found.mean, 4) as rate, round(found.low, 4) as low, round(found.high, 4) as high,
       found.units as runs, round(p50_ms) as p50_ms
from counted
order by rate desc, tool
