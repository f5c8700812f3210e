-- title: Share of input tokens from the cache
-- group: Models
-- about: Of the tokens that went into each model, how many the provider read from its cache, by service. A share near 0
--   where prompts begin alike is money left lying: put what changes last.
-- chart: bar x=model y=cached_share color=service_name
select service_name, provider, model,
       count(*) as calls,
       sum(input_tokens)::bigint as input_tokens,
       sum(coalesce(cache_read_tokens, 0))::bigint as cached_tokens,
       round(sum(coalesce(cache_read_tokens, 0)) / nullif(sum(input_tokens), 0), 4) as cached_share
from model_calls
where input_tokens is not null
group by all
order by input_tokens desc, service_name, provider, model
