-- title: How long runs wait to begin
-- group: Latency
-- about: Time from being asked for to beginning, by function and hour of the day (UTC). It is not in `duration_ms`, but
--   users wait for it.
-- chart: line x=hour y=p95_ms color=function_id
select function_id, hour(queued_at) as hour,
       count(*) as runs,
       round(median(epoch_ms(started_at) - epoch_ms(queued_at))) as p50_ms,
       round(quantile_cont(epoch_ms(started_at) - epoch_ms(queued_at), 0.95)) as p95_ms,
       max(epoch_ms(started_at) - epoch_ms(queued_at)) as longest_ms
from runs
where queued_at is not null and started_at is not null
group by all
order by function_id, hour
