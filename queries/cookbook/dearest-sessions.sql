-- title: Dearest sessions
-- group: Sessions and users
-- about: The sessions whose model calls cost most, with their share of the cost of all sessions of the same key.
select session_key, session_id,
       run_count as runs,
       input_tokens, output_tokens,
       round(cost_usd, 6) as usd,
       round(cost_usd / nullif(sum(cost_usd) over (partition by session_key), 0), 5) as share,
       last_at
from sessions
where cost_usd is not null
order by usd desc, session_key, session_id
limit 50
