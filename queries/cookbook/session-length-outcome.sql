-- title: Sessions by length against outcome
-- group: Sessions and users
-- about: Mean of each score by the number of runs in the session. One row of the mean is one session, not one run, so
--   that long sessions do not outvote short ones.
with session as (
    select session_key, score, least(run_count, 10) as runs, mean
    from session_scores
    where run_count > 0 and mean is not null
),
judged as (
    select session_key, score, runs, mean_ci(mean) as found
    from session
    group by all
)
select session_key, score, runs, found.n as sessions,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high
from judged
order by session_key, score, runs
