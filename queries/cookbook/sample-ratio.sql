-- title: Did variants get their share of units
-- group: Experiments
-- about: The sample ratio test of each experiment, against the weights that its assignments were made with. Below 0.001
--   something sorts units into variants that should not: do not trust the comparison.
with unit as (  -- one row is one unit: over runs the test cries wolf
    select experiment, coalesce(unit, run_id) as unit,
           any_value(variant) as variant, arg_max(weights, ts) as weights
    from assignments
    group by all
    having count(distinct variant) = 1
),
declared as (
    select experiment, arg_max(weights, unit) as weights
    from unit
    group by experiment
)
select unit.experiment,
       count(*) as units,
       any_value(declared.weights) as weights,
       histogram(unit.variant) as seen,
       srm_p(unit.variant, any_value(declared.weights)) as p
from unit
join declared on declared.experiment = unit.experiment
group by unit.experiment
order by unit.experiment
