-- title: Cost and latency by release
-- group: Releases
-- about: What a run of each function took and cost in every release, in the order in which they appeared. A release
--   that made answers better may have made them dearer too.
-- chart: line x=release y=usd_per_run color=function_id
select runs.function_id, runs.release,
       min(runs.started_at) as since,
       count(*) as runs,
       round(median(runs.duration_ms)) as p50_ms,
       round(quantile_cont(runs.duration_ms, 0.95)) as p95_ms,
       round(avg(run_usage.cost_usd), 6) as usd_per_run,
       round(avg(run_usage.output_tokens), 1) as output_tokens_per_run
from runs
left join run_usage on run_usage.run_id = runs.id
where runs.release is not null
group by all
order by runs.function_id, since, runs.release
