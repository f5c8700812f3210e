-- title: How late outcomes arrive
-- group: Scores
-- about: Hours from the end of a run to its score. Wait at least p99_hours before you compare runs of last week with
--   runs of today, or give it to an experiment as its maturity.
-- chart: bar x=score y=p99_hours
select scores.name as score,
       count(*) as scores,
       round(median(epoch(scores.ts) - epoch(runs.ended_at)) / 3600, 2) as median_hours,
       round(quantile_cont(epoch(scores.ts) - epoch(runs.ended_at), 0.9) / 3600, 2) as p90_hours,
       round(quantile_cont(epoch(scores.ts) - epoch(runs.ended_at), 0.99) / 3600, 2) as p99_hours
from scores
join runs on runs.id = scores.run_id
where runs.ended_at is not null
group by scores.name
order by p99_hours desc, score
