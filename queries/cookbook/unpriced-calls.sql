-- title: Calls without a known cost
-- group: Models
-- about: What every sum of costs leaves out, by model and reason. `unknown` has no
--   tokens, as failed calls do, or wants a price in UPSHOT_PRICES; `invalid_usage` has counts that contradict
--   each other.
select provider, model, cost_source,
       count(*) as calls,
       count(*) filter (where status_code = 'ERROR') as failed,
       count(*) filter (where cost_usd is null) as without_cost,
       round(count(*) filter (where cost_usd is null) / count(*), 4) as share,
       sum(input_tokens) filter (where cost_usd is null)::bigint as input_tokens,
       sum(output_tokens) filter (where cost_usd is null)::bigint as output_tokens
from model_calls
group by all
order by without_cost desc, provider, model, cost_source
