-- title: Outcomes that are still awaited
-- group: Scores
-- about: Deferrals by scorer and age in days up to the newest one: how many have their score, and how many wait.
--   `overdue` ones wait longer than 99 of 100 of the scorer's outcomes took; most of these will never come.
-- chart: bar x=age_days y=overdue color=scorer_id
with outcome as (
    select d.id, d.scorer_id, d.created_at, min(epoch(scores.ts)) - epoch(d.created_at) as took
    from deferrals d
    left join scores on scores.run_id = d.run_id and scores.scorer_id = d.scorer_id
    group by d.id, d.scorer_id, d.created_at
),
aged as (
    select *, max(epoch(created_at)) over () - epoch(created_at) as age,
           quantile_cont(took, 0.99) over (partition by scorer_id) as usual
    from outcome
)
select scorer_id, floor(age / 86400)::integer as age_days,
       count(*) as deferrals,
       count(took) as arrived,
       count(*) - count(took) as awaited,
       count(*) filter (where took is null and age > usual) as overdue
from aged
group by all
order by scorer_id, age_days
