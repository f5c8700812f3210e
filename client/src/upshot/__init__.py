"""Upshot's client: SQL over what your agents did, honest experiment reports, and scores.

import upshot

with upshot.Client() as client:  # UPSHOT_URL, UPSHOT_API_KEY
    frame = client.query("SELECT status, count(*) AS n FROM runs GROUP BY ALL").polars()
    print(client.experiments.report("prompt-test").verdict)
"""

from upshot._client import AsyncClient, Client
from upshot._errors import (
    AccessError,
    ArgumentError,
    BusyError,
    Error,
    MissingPackageError,
    NotFoundError,
    QueryError,
    RejectedError,
    UnreachableError,
)
from upshot._facts import fact
from upshot._fields import AsyncPages, Fields, Pages
from upshot._records import Ingested, Rejected
from upshot._report import AsyncReport, Report, Verdict
from upshot._result import AsyncStream, Column, Result, Stream, TruncatedWarning

__all__ = [
    "AccessError",
    "ArgumentError",
    "AsyncClient",
    "AsyncPages",
    "AsyncReport",
    "AsyncStream",
    "BusyError",
    "Client",
    "Column",
    "Error",
    "Fields",
    "Ingested",
    "MissingPackageError",
    "NotFoundError",
    "Pages",
    "QueryError",
    "Rejected",
    "RejectedError",
    "Report",
    "Result",
    "Stream",
    "TruncatedWarning",
    "UnreachableError",
    "Verdict",
    "fact",
]

for _exported in map(globals().get, __all__):  # tracebacks and help say `upshot.QueryError`
    _exported.__module__ = "upshot"  # pyright: ignore[reportOptionalMemberAccess]
