"""Questions and their answers: the SQL guard, guarded queries in worker processes, experiment reports and drill-down.

Reads what `warehouse` keeps; never meets `ingest`, and knows nothing of HTTP.
"""
