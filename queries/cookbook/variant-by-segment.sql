-- title: Which variant is ahead in each segment
-- group: Experiments
-- about: Mean of each score by variant within a segment, a name in the runs' `attributes`; `place` 1 is ahead. Segments
--   are many and small, so someone is always ahead by chance: read the intervals, and let the report test it.
-- param: segment text plan
with judged as (
    select s.experiment, s.score, runs.attributes->>$segment as segment, s.variant,
           cluster_mean(s.value, s.unit) as found
    from experiment_scores s
    join runs on runs.id = s.run_id
    group by all
)
select judged.experiment, judged.score, judged.segment, judged.variant,
       found.n as scored, found.units as units,
       round(found.mean, 4) as mean, round(found.low, 4) as low, round(found.high, 4) as high,
       rank() over (
           partition by judged.experiment, judged.score, judged.segment
           order by if(coalesce(d.higher_is_better, true), -1, 1) * round(found.mean, 4)
       ) as place
from judged
left join score_definitions d on d.name = judged.score
where judged.segment is not null and found.n > 0
order by judged.experiment, judged.score, judged.segment, place, judged.variant
