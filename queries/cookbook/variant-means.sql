-- title: Mean of each score by variant
-- group: Experiments
-- about: With an interval that takes the runs of one unit (the account that was assigned) together. For a verdict ask
--   the experiment's report, which also knows of late scores and daily looks.
-- chart: bar x=variant y=mean color=score
with judged as (
    select experiment, score, variant,
           count(*) as runs,
           cluster_mean(value, unit) as found
    from experiment_scores
    group by all
)
select experiment, score, variant, runs, found.n as scored, found.units as units,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high
from judged
order by experiment, score, variant
