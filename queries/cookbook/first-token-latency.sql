-- title: Time to the first token
-- group: Models
-- about: How long a reader waits before anything appears, by model and hour of the day (UTC). Only streamed calls say;
--   `measured` is how many did.
-- chart: line x=hour y=p95_ms color=model
select model, hour(start_time) as hour,
       count(ttft_ms) as measured,
       round(median(ttft_ms)) as p50_ms,
       round(quantile_cont(ttft_ms, 0.95)) as p95_ms
from model_calls
where ttft_ms is not null
group by all
order by model, hour
