-- title: Where two scorers disagree
-- group: Scores
-- about: Runs that two scorers judged under the same name, by pair of scorers. `apart` is the mean distance of their
--   values; `bias` says who of them is kinder (above 0 the first one).
select one.name as score, one.scorer_id as scorer, other.scorer_id as other,
       count(*) as runs,
       round(avg(abs(one.value - other.value)), 4) as apart,
       round(avg(one.value - other.value), 4) as bias,
       round(avg((one.value = other.value)::integer), 4) as same
from scores one
join scores other on other.run_id = one.run_id and other.name = one.name and other.scorer_id > one.scorer_id
where one.step_id is null and one.span_id is null and other.step_id is null and other.span_id is null
  and one.value is not null and other.value is not null
group by all
order by apart desc, score, scorer, other
