-- title: Scores by week
-- group: Scores
-- about: Mean of each score by the week (UTC) in which its run began. The interval takes a user's runs together, as
--   they resemble one another; weeks whose intervals overlap widely do not differ for certain.
-- chart: line x=week y=mean color=score
with judged as (
    select scores.name as score, date_trunc('week', runs.started_at)::date as week,
           cluster_mean(scores.value, coalesce(runs.user_id, runs.id)) as found
    from scores
    join runs on runs.id = scores.run_id
    where scores.step_id is null and scores.span_id is null and runs.started_at is not null
    group by all
)
select score, week, found.n as scores, found.units as users,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high
from judged
where found.n > 0
order by score, week
