-- title: Longest traces, and where the time goes
-- group: Latency
-- about: The twenty longest traces, with the seconds that their model calls, tools and retrieval took. What is left is
--   the agent's own work, or waiting; spans that ran side by side can sum up to more than the trace.
with trace as (
    select trace_id, any_value(run_id) as run_id,
           any_value(name) filter (where parent_span_id is null) as root,
           count(*) as spans,
           (max(epoch_ms(end_time)) - min(epoch_ms(start_time))) / 1000 as seconds,
           sum(duration_ms) filter (where type = 'tool') / 1000 as tool_s,
           sum(duration_ms) filter (where type = 'retriever') / 1000 as retrieval_s
    from spans
    group by trace_id
),
model as (
    select trace_id, sum(epoch_ms(end_time) - epoch_ms(start_time)) / 1000 as model_s
    from model_calls
    group by trace_id
)
select trace.trace_id, trace.run_id, trace.root, trace.spans,
       round(trace.seconds, 2) as seconds,
       round(coalesce(model.model_s, 0), 2) as model_s,
       round(coalesce(trace.tool_s, 0), 2) as tool_s,
       round(coalesce(trace.retrieval_s, 0), 2) as retrieval_s
from trace
left join model on model.trace_id = trace.trace_id
order by trace.seconds desc nulls last, trace.trace_id
limit 20
