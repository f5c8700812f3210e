-- title: Failed spans by role
-- group: Failures
-- about: Which part of an agent fails: model calls, tools, retrieval, or the agent itself. A failure that climbs counts
--   once at each level, so compare rows of one role, not their sum.
select type, coalesce(tool_name, request_model, name) as what,
       count(*) as spans,
       count(*) filter (where status_code = 'ERROR') as failed,
       round(count(*) filter (where status_code = 'ERROR') / count(*), 4) as rate,
       mode(status_message) filter (where status_code = 'ERROR') as mostly
from spans
group by all
having count(*) filter (where status_code = 'ERROR') > 0
order by failed desc, type, what
