-- title: How few users make most runs
-- group: Sessions and users
-- about: Users in ten equal parts by their number of runs (1 is the busiest), with each part's share of runs and cost.
--   Where the first holds most, runs are far from independent: compute intervals over users, not over runs.
-- chart: bar x=tenth y=share_of_runs
with person as (
    select runs.user_id, count(*) as runs, sum(run_usage.cost_usd) as cost_usd
    from runs
    left join run_usage on run_usage.run_id = runs.id
    where runs.user_id is not null
    group by runs.user_id
),
placed as (
    select *, ntile(10) over (order by runs desc, user_id) as tenth
    from person
)
select tenth,
       count(*) as users,
       sum(runs)::bigint as runs,
       round(sum(runs) / sum(sum(runs)) over (), 4) as share_of_runs,
       round(sum(cost_usd), 4) as usd,
       round(sum(cost_usd) / nullif(sum(sum(cost_usd)) over (), 0), 4) as share_of_cost
from placed
group by tenth
order by tenth
