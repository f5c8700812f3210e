-- title: Cost and latency of models by day
-- group: Models
-- about: Calls, cost and time by day (UTC) and model. Costs are of the calls whose price is known; `priced` says how
--   many these are. Wrappers that repeat the tokens of calls within them are not counted.
-- chart: line x=day y=p95_ms color=model
select start_time::date as day, provider, model,
       count(*) as calls,
       count(*) filter (where status_code = 'ERROR') as errors,
       count(cost_usd) as priced,
       round(sum(cost_usd), 4) as usd,
       round(median(epoch_ms(end_time) - epoch_ms(start_time))) as p50_ms,
       round(quantile_cont(epoch_ms(end_time) - epoch_ms(start_time), 0.95)) as p95_ms
from model_calls
group by all
order by day, provider, model
