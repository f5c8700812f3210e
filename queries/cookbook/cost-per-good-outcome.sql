-- title: Cost per solved ticket, by variant
-- group: Experiments
-- about: What the model calls of a variant cost for each run whose yes-or-no score says yes. Only runs with the score
--   and a known cost count, on both sides of the division.
-- chart: bar x=variant y=usd_per_good color=experiment
select s.experiment, s.score, s.variant,
       count(*) as runs,
       count(*) filter (where s.value = 1) as good,
       round(sum(run_usage.cost_usd), 4) as usd,
       round(sum(run_usage.cost_usd) / nullif(count(*) filter (where s.value = 1), 0), 5) as usd_per_good
from experiment_scores s
join run_usage on run_usage.run_id = s.run_id
where s.kind = 'boolean' and s.value is not null and run_usage.cost_usd is not null
group by all
order by s.experiment, s.score, usd_per_good nulls last, s.variant
