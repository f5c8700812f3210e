-- title: Retries and what they cost
-- group: Failures
-- about: By step: how often it was tried again, the time its failed attempts took, and the tokens and dollars of model
--   calls in runs' steps that were retried. Failed attempts seldom report tokens; what they do report is in there.
with step as (  -- the repetitions of a loop share a step's id, as do its spans
    select run_id, id, any_value(name) as name,
           count(*) as attempts,
           count(*) filter (where attempt > 0) as retries,
           sum(duration_ms) filter (where status in ('Errored', 'Failed')) as lost_ms
    from step_attempts
    group by run_id, id
),
used as (
    select run_id, step_id,
           sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens, sum(cost_usd) as cost_usd
    from model_calls
    where run_id is not null and step_id is not null
    group by run_id, step_id
)
select step.name as step,
       count(*) as steps,
       count(*) filter (where retries > 0) as retried,
       sum(retries)::bigint as retries,
       round(sum(coalesce(lost_ms, 0)) / 1000, 1) as lost_s,
       sum(used.input_tokens) filter (where retries > 0)::bigint as input_tokens,
       sum(used.output_tokens) filter (where retries > 0)::bigint as output_tokens,
       round(sum(used.cost_usd) filter (where retries > 0), 4) as usd
from step
left join used on used.run_id = step.run_id and used.step_id = step.id
group by step.name
order by retries desc, step.name
