"""The client of `benchmarks.otlp`: one workload for every server, sent as exporters send, timed from outside."""

from __future__ import annotations

import http.client
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.decode import SCORE, SPANS, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

CONNECTIONS = 2
WARM = 8
"""Requests before the clock starts, each over a connection of its own."""
TIMEOUT_SECONDS = 300
PROTOBUF = {"content-type": "application/x-protobuf"}
_RETRYABLE = (429, 502, 503, 504)
_RETRY_SECONDS = "0.2"
_MODEL = ("gen_ai.request.model", "llm.model_name")


class Scored(NamedTuple):
    """A span of a model call, and how good its answer was."""

    trace_id: str
    span_id: str
    model: str
    score: float


class Load(NamedTuple):
    """Requests as they go over the wire."""

    one: bytes
    """One span, which shows when the first one can be seen."""
    warm: list[bytes]
    """As many spans as a full request has, outside the clock: servers set things up when the first ones come.

    Several requests, sent at once, so that each of a server's processes gets one.
    """
    bodies: list[bytes]
    spans: int
    """In `bodies`."""
    scored: list[Scored]
    """Of all of them."""

    @property
    def before(self) -> int:
        """Spans that are in the server before the clock starts."""
        return 1 + SPANS // WARM * WARM


class Sent(NamedTuple):
    """What came of the requests."""

    seconds: float
    """Until the last acknowledgement."""
    latencies: list[float]
    """Seconds of each request until its acknowledgement, retries included; in order."""
    retries: int


def load(spans: int, seed: int = 1) -> Load:
    """Return the workload of so many spans, whole requests; the same for the same seed, its beginning for fewer."""
    workload, other = Workload(seed), Workload(seed + 1)
    one, warm = other.request(1), [other.request(SPANS // WARM) for _ in range(WARM)]
    bodies: list[bytes] = []
    found = [each for request in (one, *warm) for each in scored(request)]
    for _ in range(max(1, spans // SPANS)):
        request = workload.request()
        bodies.append(request.SerializeToString())
        found += scored(request)
    warmers = [request.SerializeToString() for request in warm]
    return Load(one.SerializeToString(), warmers, bodies, SPANS * len(bodies), found)


def scored(request: Any) -> Iterator[Scored]:
    """Yield the scored spans of a request."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                values = {pair.key: pair.value for pair in span.attributes if pair.key in (SCORE, *_MODEL)}
                if SCORE in values:
                    model = next(values[name].string_value for name in _MODEL if name in values)
                    yield Scored(span.trace_id.hex(), span.span_id.hex(), model, values[SCORE].double_value)


def renewed(requests: list[Any], count: int) -> Iterator[bytes]:
    """Yield `count` requests made of a few: the same spans under other ids, so that each is a new one.

    Times and texts repeat, so bytes on disk say nothing of a workload made so.
    """
    for number in range(count):
        request = requests[number % len(requests)]
        mark = (number // len(requests)).to_bytes(2, "big")
        for scope in request.resource_spans[0].scope_spans:
            for span in scope.spans:
                span.trace_id = mark + span.trace_id[2:]
                span.span_id = mark + span.span_id[2:]
                if span.parent_span_id:
                    span.parent_span_id = mark + span.parent_span_id[2:]
        yield request.SerializeToString()


def send(url: str, headers: Mapping[str, str], bodies: Iterable[bytes], connections: int = CONNECTIONS) -> Sent:
    """Send requests over a few connections, each as soon as the one before it was acknowledged.

    An answer that asks for another try gets it after its Retry-After.

    Raises:
        RuntimeError: a request was refused for good.
    """
    rest, lock = iter(bodies), threading.Lock()
    latencies: list[float] = []
    retries: list[int] = []
    refused: list[str] = []

    def work() -> None:
        connection = Connection(url, headers)
        while not refused:
            with lock:
                body = next(rest, None)
            if body is None:
                return
            began = time.perf_counter()
            try:
                while (answer := connection.post(body)).status in _RETRYABLE:
                    retries.append(answer.status)
                    time.sleep(float(answer.retry_after))
            except (OSError, http.client.HTTPException) as error:
                refused.append(repr(error))
                return
            latencies.append(time.perf_counter() - began)
            if answer.status >= 300:
                refused.append(f"{answer.status} {answer.text[:300]!r}")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if refused:
        raise RuntimeError(f"{url} refused a request: {refused[0]}")
    return Sent(seconds, sorted(latencies), len(retries))


class Answer(NamedTuple):
    """What a server said to a request."""

    status: int
    text: bytes
    retry_after: str


class Connection:
    """A connection to the OTLP route of a server; http.client, since the sender shares the server's cores."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._headers = {**PROTOBUF, **headers}
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)

    def post(self, body: bytes) -> Answer:
        """Return the answer; raises OSError or HTTPException when there is none."""
        self._http.request("POST", "/v1/traces", body, self._headers)
        response = self._http.getresponse()
        return Answer(response.status, response.read(), response.headers.get("retry-after") or _RETRY_SECONDS)


def visible(count: Callable[[], int], wanted: int, limit: float, every: float) -> tuple[int, float]:
    """Ask how many spans a server counts, until all are there or the time is up.

    Returns:
        the count, and `time.perf_counter` when it last grew.
    """
    deadline = time.perf_counter() + limit
    most, grew = 0, time.perf_counter()
    while True:
        found = count()
        now = time.perf_counter()
        if found > most:
            most, grew = found, now
        if most >= wanted or now > deadline:
            return most, grew
        time.sleep(every)
