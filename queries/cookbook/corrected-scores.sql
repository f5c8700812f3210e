-- title: Scores that were changed later
-- group: Scores
-- about: How often a score was replaced by a newer one of the same target, and by how much it moved. A number you
--   looked at before has moved with them; `known_at` answers as it was known then.
with version as (
    select name, value, superseded_at,
           lead(value) over (partition by id order by ts, version) as next
    from score_history
)
select name as score,
       count(*) as ever,
       count(superseded_at) as replaced,
       round(avg(next - value), 4) as mean_change,
       round(avg(abs(next - value)), 4) as mean_distance
from version
group by name
order by replaced desc, score
