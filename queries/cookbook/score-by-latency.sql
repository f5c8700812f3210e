-- title: How a score moves with latency
-- group: Scores
-- about: Runs of each function in five equal parts by duration (1 is the fastest), so a slow function is not taken for
--   a slow run. The interval takes a user's runs together. It shows what goes together, not what causes what.
-- chart: line x=fifth y=mean color=score
with run as (
    select id, coalesce(user_id, id) as unit, duration_ms,
           ntile(5) over (partition by function_id order by duration_ms, id) as fifth
    from runs
    where duration_ms is not null
),
judged as (
    select scores.name as score, run.fifth,
           median(run.duration_ms) as median_ms,
           cluster_mean(scores.value, run.unit) as found
    from scores
    join run on run.id = scores.run_id
    where scores.step_id is null and scores.span_id is null and scores.value is not null
    group by all
)
select score, fifth, round(median_ms / 1000, 2) as median_s, found.n as scores,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high
from judged
order by score, fifth
