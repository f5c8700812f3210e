-- title: Sessions with a bad outcome and their cost
-- group: Sessions and users
-- about: Sessions whose newest yes-or-no score is bad, dearest first: what you paid for work that did not help. A score
--   is bad when it is false, or true where `higher_is_better` was declared as false.
with outcome as (
    select s.session_key, s.session_id, scores.name as score,
           arg_max(scores.value, scores.ts) as value, max(scores.ts) as scored_at
    from session_runs s
    join scores on scores.run_id = s.run_id
    where scores.kind = 'boolean' and scores.step_id is null and scores.span_id is null
    group by all
)
select outcome.session_key, outcome.session_id, outcome.score,
       sessions.run_count as runs, sessions.failed_run_count as failed_runs,
       round(sessions.cost_usd, 6) as usd, outcome.scored_at
from outcome
join sessions on sessions.session_key = outcome.session_key and sessions.session_id = outcome.session_id
left join score_definitions d on d.name = outcome.score
where outcome.value = if(coalesce(d.higher_is_better, true), 0, 1)
order by usd desc nulls last, outcome.session_key, outcome.session_id, outcome.score
limit 100
