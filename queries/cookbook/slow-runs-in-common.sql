-- title: What the slow runs have in common
-- group: Latency
-- about: Traits of the slowest tenth of each function's runs beside the other nine tenths. A `lift` of 3 means that the
--   trait is three times as common among the slow ones. Traits of fewer than 20 runs are left out.
-- chart: bar x=trait y=lift
with run as (
    select *, percent_rank() over (partition by function_id order by duration_ms) > 0.9 as slow
    from runs
    where duration_ms is not null
),
trait as (  -- each trait of a run once
    select id as run_id, 'release ' || release as trait from run where release is not null
    union
    select id, 'environment ' || environment from run where environment is not null
    union
    select id, 'status ' || status from run
    union
    select id, 'function ' || function_id from run where function_id is not null
    union
    select run_id, 'step ' || name from steps where name is not null
    union
    select run_id, 'retried ' || name from step_attempts where attempt > 0
    union
    select run_id, 'loop of ' || name from steps where loop_index > 0
    union
    select run_id, 'model ' || model from model_calls where model is not null
    union
    select run_id, 'tool ' || tool_name from spans where tool_name is not null
),
size as (
    select count(*) filter (where slow) as slow, count(*) filter (where not slow) as others
    from run
),
counted as (
    select trait.trait,
           count(*) filter (where run.slow) as slow_runs,
           count(*) filter (where not run.slow) as other_runs
    from trait
    join run on run.id = trait.run_id
    group by trait.trait
)
select trait, slow_runs, other_runs,
       round(slow_runs / nullif(slow, 0), 4) as share_of_slow,
       round(other_runs / nullif(others, 0), 4) as share_of_others,
       round((slow_runs / nullif(slow, 0)) / nullif(other_runs / nullif(others, 0), 0), 2) as lift
from counted
cross join size
where slow_runs + other_runs >= 20
order by lift desc nulls first, trait
