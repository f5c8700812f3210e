-- title: Scores before and after a release
-- group: Releases
-- about: Mean of each score in every release beside the release before it, by function. The intervals take a user's
--   runs together; where they do not overlap, something changed. Newer releases wait for late outcomes: see coverage by
--   age.
with first_seen as (
    select function_id, release, min(started_at) as since
    from runs
    where release is not null and started_at is not null
    group by all
),
judged as (
    select runs.function_id, scores.name as score, runs.release,
           cluster_mean(scores.value, coalesce(runs.user_id, runs.id)) as found
    from scores
    join runs on runs.id = scores.run_id
    where scores.step_id is null and scores.span_id is null
    group by all
)
select judged.function_id, judged.score, judged.release, first_seen.since,
       found.n as scores,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high,
       round(found.mean - lag(found.mean) over (
           partition by judged.function_id, judged.score order by first_seen.since, judged.release
       ), 4) as change
from judged
join first_seen on first_seen.function_id = judged.function_id and first_seen.release = judged.release
where found.n > 0
order by judged.function_id, judged.score, first_seen.since, judged.release
