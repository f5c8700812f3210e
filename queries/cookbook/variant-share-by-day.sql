-- title: Share of each variant by day
-- group: Experiments
-- about: New units by variant on the day (UTC) of their first assignment. A share that drifts from the others means
--   that somebody changed the weights, or that a variant loses its units.
-- chart: line x=day y=share color=variant
with unit as (
    select experiment, coalesce(unit, run_id) as unit, variant, min(ts)::date as day
    from assignments
    group by all
),
counted as (
    select experiment, day, variant, count(*) as units
    from unit
    group by all
)
select experiment, day, variant, units,
       round(units / sum(units) over (partition by experiment, day), 4) as share
from counted
order by experiment, day, variant
