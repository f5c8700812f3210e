-- title: Two scores of the same run
-- group: Scores
-- about: Correlation of every pair of scores over the runs that have both. Near 1 or -1: one of them tells you little
--   that the other does not. Pairs with fewer than 20 runs are left out.
with score as (  -- several raters of one run are one value
    select run_id, name, avg(value) as value
    from scores
    where run_id is not null and step_id is null and span_id is null and value is not null
    group by run_id, name
)
select one.name as score, other.name as other,
       count(*) as runs,
       round(corr(one.value, other.value), 4) as correlation
from score one
join score other on other.run_id = one.run_id and other.name > one.name
group by all
having count(*) >= 20
order by abs(correlation) desc nulls last, score, other
