-- title: Does the judge agree with users
-- group: Scores
-- about: For each score by a model and each yes-or-no outcome: how often the judge gives a run with a good outcome more
--   than one with a bad outcome (`auc`; 0.5 is a coin, 1 is always). A judge near 0.5 measures something else.
with score as (
    select run_id, name, source, kind, avg(value) as value
    from scores
    where run_id is not null and step_id is null and span_id is null and value is not null
    group by all
),
pair as (
    select judge.name as judge, outcome.name as outcome, outcome.value = 1 as good,
           judge.value,
           rank() over same as rank,
           count(*) over ties as ties
    from score judge
    join score outcome on outcome.run_id = judge.run_id
    where judge.source = 'llm' and outcome.source in ('human', 'deferred', 'code')
      and outcome.kind = 'boolean' and outcome.value in (0, 1)
    window same as (partition by judge.name, outcome.name order by judge.value),
           ties as (partition by judge.name, outcome.name, judge.value)
)
select judge, outcome,
       count(*) filter (where good) as good_runs,
       count(*) filter (where not good) as bad_runs,
       round(avg(value) filter (where good), 4) as mean_when_good,
       round(avg(value) filter (where not good), 4) as mean_when_bad,
       -- Mann-Whitney: mean ranks, ties in the middle
       round((sum(rank + (ties - 1) / 2) filter (where good) - good_runs * (good_runs + 1) / 2)
             / nullif(good_runs * bad_runs, 0), 4) as auc
from pair
group by judge, outcome
order by judge, outcome
