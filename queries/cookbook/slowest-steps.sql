-- title: Slowest steps
-- group: Latency
-- about: Where the time of runs goes, step by step: the sum says what is worth making faster, p95 what users feel. Each
--   attempt counts.
-- chart: bar x=step y=hours
select name as step, type,
       count(*) as attempts,
       count(*) filter (where attempt > 0) as retries,
       round(median(duration_ms)) as p50_ms,
       round(quantile_cont(duration_ms, 0.95)) as p95_ms,
       round(sum(duration_ms) / 3600000, 2) as hours
from step_attempts
where duration_ms is not null
group by all
order by hours desc, step, type
limit 50
