"""What `upshot demo` makes, sent to a server as the demo sends it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from api.demo.traces import traces
from api.demo.traffic import declarations, traffic

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from tests.support.server import Server

BATCH = 5_000


class Sent(NamedTuple):
    """What a server was sent: records, and bodies of OTLP in JSON."""

    records: list[dict[str, Any]]
    traces: list[bytes]


def send(server: Server, records: Iterable[dict[str, Any]]) -> None:
    """Send records in batches; all of them are taken."""
    source = iter(records)
    while batch := list(itertools.islice(source, BATCH)):
        assert [] == server.ingest(batch)["rejected"]


def send_demo(server: Server, now: dt.datetime) -> Sent:
    """Declare and send what the demo does at a time, and return it."""
    for kind, name, body in declarations(now):
        assert server.http.put(f"/v1/{kind}/{quote(name, safe='')}", json=body).is_success
    records = list(traffic(now=now))
    send(server, records)
    bodies = list(traces(records))
    for body in bodies:
        headers = {"content-type": "application/json"}
        assert {} == server.http.post("/v1/traces", content=body, headers=headers).json()
    return Sent(records, bodies)
