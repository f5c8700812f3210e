-- title: Prompt length against outcome
-- group: Models
-- about: Runs of each function in four equal parts by the tokens that went into their models (1 is the shortest), with
--   the mean of each score. The interval takes a user's runs together.
-- chart: line x=quarter y=mean color=score
with run as (
    select runs.id, coalesce(runs.user_id, runs.id) as unit, run_usage.input_tokens,
           ntile(4) over (partition by runs.function_id order by run_usage.input_tokens, runs.id) as quarter
    from runs
    join run_usage on run_usage.run_id = runs.id
    where run_usage.input_tokens is not null
),
judged as (
    select scores.name as score, run.quarter,
           median(run.input_tokens) as median_tokens,
           cluster_mean(scores.value, run.unit) as found
    from scores
    join run on run.id = scores.run_id
    where scores.step_id is null and scores.span_id is null and scores.value is not null
    group by all
)
select score, quarter, median_tokens, found.n as scores,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high
from judged
order by score, quarter
