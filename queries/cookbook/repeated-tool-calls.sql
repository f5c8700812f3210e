-- title: The same tool call again and again
-- group: Failures
-- about: Calls of a tool with the very same arguments within one run: an agent that goes round in circles, or a retry.
--   `failed` tells the two apart.
select run_id, coalesce(tool_name, name) as tool,
       count(*) as calls,
       count(*) filter (where status_code = 'ERROR') as failed,
       round(sum(duration_ms)) as ms,
       left(any_value(input), 200) as arguments
from spans
where type = 'tool' and input is not null
group by run_id, trace_id, tool, input
having count(*) > 1
order by calls desc, run_id, tool
limit 100
