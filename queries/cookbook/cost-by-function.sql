-- title: What a run costs, by function
-- group: Models
-- about: Model cost of runs by function: in all, the median run, and the dearest of a hundred. A p99 far above the
--   median is a few runs that loop or carry long histories.
-- chart: bar x=function_id y=usd
select runs.function_id,
       count(*) as runs,
       round(sum(run_usage.cost_usd), 4) as usd,
       round(median(run_usage.cost_usd), 6) as median_usd,
       round(quantile_cont(run_usage.cost_usd, 0.99), 6) as p99_usd,
       round(avg(run_usage.calls), 2) as calls_per_run
from runs
join run_usage on run_usage.run_id = runs.id
group by runs.function_id
order by usd desc nulls last, runs.function_id
