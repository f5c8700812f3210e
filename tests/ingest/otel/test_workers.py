"""OTLP decoded by worker processes: what one process makes of it, killed, given up and closed.

The oracle is `ingest.otel.taken.receive` in this process.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import worker
from ingest.limits import Limits
from ingest.otel.answers import JSON_TYPE, PROTOBUF_TYPE
from ingest.otel.joining import Joining
from ingest.otel.prices import Prices, read_prices
from ingest.otel.taken import LIMITS, LOGS, SIGNALS, TRACES, Reading, Signal, Taken, receive
from ingest.pool import OTLP_BYTES, PACKED, Decoders
from ingest.worker import Export, Lines
from tests.api.otlp import as_json, evaluation, traces
from tests.ingest.otel.spans import InJson, Wire, in_protobuf, python_requests
from tests.ingest.support import NDJSON, NOW
from tests.ingest.test_pool import BODY, same, whole, workers
from warehouse.errors import InputError, TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWN_PRICES = """
[[price]]
model = "house"
provider = "us"
input = 1.25
output = 1e-7
since = 1969-07-20
[[price]]
model = "house"
input = 3
output = 0.1
request = 0.3
"""
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "house",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 10,
    "our.run": "run-7",
    "our.chat": "chat-7",
}
PACKS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    " GZIP ": gzip.compress,
    "zstd": zstandard.compress,
    "br": bytes,
}
DEADLINE_SECONDS = 30.0


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """An installation with prices and attributes of its own."""
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    path.write_text(OWN_PRICES)
    prices = Prices(read_prices(path))
    path.unlink()  # what was read at the start holds, whatever becomes of the file
    return Reading(prices, Joining(run_ids=("our.run",), sessions={"our.chat": "chat"}))


@pytest.fixture(scope="module")
def decoders(reading: Reading) -> Iterator[Decoders]:
    """Two workers that take even the smallest body."""
    made = Decoders(2, whole_bytes=0, otlp_bytes=0, reading=reading)
    yield made
    made.close()


@pytest.fixture
def lonely() -> Iterator[Decoders]:
    """One worker, which goes on at the end."""
    before = set(workers())
    made = Decoders(1, whole_bytes=0, otlp_bytes=0)
    yield made
    for pid in set(workers()) - before:
        os.kill(pid, signal.SIGCONT)
    made.close()


Outcome = Taken | tuple[type[UpshotError], str, str, str | None]


def outcome(take: Callable[[], Taken]) -> Outcome:
    """Return what a request comes to: its entries to the byte, or its error."""
    try:
        return take()
    except UpshotError as error:
        return type(error), error.code, error.message, error.hint


def through(decoders: Decoders, signal_: Signal, body: bytes, encoding: str | None, kind: str) -> Outcome:
    """Return what workers make of a request."""
    return outcome(lambda: asyncio.run(decoders.receive_otlp(signal_, body, encoding, kind, NOW)))


def here(reading: Reading, signal_: Signal, body: bytes, encoding: str | None, kind: str) -> Outcome:
    """Return what this process makes of a request."""
    return outcome(lambda: receive(signal_, body, encoding, kind, NOW, reading))


def export(body: bytes, name: str = "traces") -> Export:
    """Return the job of a plain protobuf body."""
    return Export(len(body), NOW, name, None, PROTOBUF_TYPE)


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def chats(number: int = 1, spans: int = 3) -> Any:
    """Return a request of model calls with a run, a session and a price of one's own."""
    return traces(number, spans, CHAT)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32).map(Wire).flatmap(lambda wire: st.sampled_from([wire.request, wire.damaged])),
    st.tuples(st.sampled_from([*PACKS]), st.sampled_from([PROTOBUF_TYPE, JSON_TYPE])),
    st.sampled_from([*SIGNALS.values()]),
)
def test_any_request_comes_to_what_it_comes_to_here(
    decoders: Decoders, reading: Reading, write: Callable[[], bytes], form: tuple[str | None, str], signal_: Signal
) -> None:
    """Any layout of protobuf, damaged or not, packed or not, under another name, too: entries, counts, errors."""
    body = PACKS[form[0]](write())
    assert here(reading, signal_, body, *form) == through(decoders, signal_, body, *form)


@settings(max_examples=40)
@given(python_requests, st.data())
def test_the_same_spans_are_the_same_in_protobuf_and_in_json(
    decoders: Decoders, reading: Reading, resources: Any, data: st.DataObject
) -> None:
    """Good and bad spans: rows, number of rejections and their reasons."""
    text = json.dumps(InJson(lambda choices: data.draw(st.sampled_from(choices))).request(resources)).encode()
    for body, kind in ((in_protobuf(resources), PROTOBUF_TYPE), (text, JSON_TYPE)):
        expected = here(reading, TRACES, body, None, kind)
        assert isinstance(expected, Taken)
        assert expected == through(decoders, TRACES, body, None, kind)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["gen_ai.evaluation.score.value", "our.run", "our.chat", "upshot.run_id", "more"]),
        st.text(max_size=5) | st.floats() | st.booleans(),
    ),
    st.text(max_size=3),
    st.sampled_from([PROTOBUF_TYPE, JSON_TYPE]),
)
def test_scores_of_log_records_are_the_same(
    decoders: Decoders, reading: Reading, attributes: dict[str, Any], name: str, kind: str
) -> None:
    """Kept and rejected ones."""
    sent = evaluation(1, name, attributes)
    body = as_json(sent) if kind == JSON_TYPE else sent.SerializeToString()
    assert here(reading, LOGS, body, None, kind) == through(decoders, LOGS, body, None, kind)


def test_own_prices_and_attributes_reach_the_workers(decoders: Decoders, reading: Reading) -> None:
    """Costs, runs and sessions are those of this installation, which are not those of another; after a kill, too."""
    body = chats().SerializeToString()
    expected = here(reading, TRACES, body, None, PROTOBUF_TYPE)
    assert expected != here(Reading(reading.prices), TRACES, body, None, PROTOBUF_TYPE)
    assert expected != here(Reading(Prices(), reading.joining), TRACES, body, None, PROTOBUF_TYPE)
    for _ in range(2):
        assert expected == through(decoders, TRACES, body, None, PROTOBUF_TYPE)
        for pid in workers():
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_what_is_too_large_is_refused_alike(decoders: Decoders, reading: Reading, encoding: str | None) -> None:
    """As sent, and while it is unpacked, by the worker."""
    body = PACKS[encoding](bytes(LIMITS.unpacked_bytes + 1))
    found = through(decoders, TRACES, body, encoding, PROTOBUF_TYPE)
    assert here(reading, TRACES, body, encoding, PROTOBUF_TYPE) == found
    assert (InputError, "too_large") == found[:2]


def test_requests_of_both_kinds_at_once_do_not_mix(decoders: Decoders, reading: Reading) -> None:
    """Lines, spans and log records from many threads: each gets its own."""
    lines = BODY * 3
    jobs: list[tuple[Signal, bytes]] = [(TRACES, chats(number, 50).SerializeToString()) for number in range(8)]
    jobs += [(LOGS, evaluation(number, f"n{number}", {"a": 1.5}).SerializeToString()) for number in range(8)]
    expected = [here(reading, signal_, body, None, PROTOBUF_TYPE) for signal_, body in jobs]
    with ThreadPoolExecutor(20) as threads:
        of_lines = [threads.submit(decoders.receive, lines, NDJSON, None, NOW, Limits()) for _ in range(4)]
        found = [threads.submit(through, decoders, signal_, body, None, PROTOBUF_TYPE) for signal_, body in jobs]
        assert expected == [one.result() for one in found]
        for one in of_lines:
            same(whole(lines), one.result())


def stopped_at(decoders: Decoders, body: bytes) -> tuple[int, Future[Taken]]:
    """Return the only worker, which is stopped, and the outcome of the job that it has."""
    before = set(workers())
    decoders.take(export(b""), b"").result()
    [pid] = set(workers()) - before
    os.kill(pid, signal.SIGSTOP)
    future = decoders.take(export(body), body)
    until(future.running, "no worker took the job")
    return pid, future


def test_a_worker_killed_at_its_work_is_replaced(lonely: Decoders) -> None:
    """Kill -9 of the worker that has the request: another one takes it, and it is whole."""
    body = chats(1, 2000).SerializeToString()
    before = set(workers())
    pid, future = stopped_at(lonely, body)
    os.kill(pid, signal.SIGKILL)
    assert receive(TRACES, body, None, PROTOBUF_TYPE, NOW, Reading()) == future.result(DEADLINE_SECONDS)
    assert pid not in set(workers()) - before


def test_the_one_after_it_killed_as_well_is_a_transient_error(lonely: Decoders) -> None:
    """A request is tried twice: one that kills its workers does not go on for ever, and may be sent again."""
    before = set(workers())
    pid, future = stopped_at(lonely, chats(1, 2000).SerializeToString())
    os.kill(pid, signal.SIGKILL)
    until(lambda: set(workers()) - before - {pid}, "no worker came after it")
    [second] = set(workers()) - before - {pid}
    os.kill(second, signal.SIGKILL)
    with pytest.raises(TransientError) as caught:
        future.result(DEADLINE_SECONDS)
    assert "unavailable" == caught.value.code
    assert receive(TRACES, b"", None, PROTOBUF_TYPE, NOW, Reading()) == through(
        lonely, TRACES, b"", None, PROTOBUF_TYPE
    )


def test_a_request_given_up_frees_its_place(lonely: Decoders) -> None:
    """Cancelled while it waits, it is not decoded, and nothing keeps its body; those before and after it are."""
    first, given_up, last = (chats(number, 100).SerializeToString() for number in range(3))
    pid, working = stopped_at(lonely, first)
    references = sys.getrefcount(given_up)

    async def send() -> None:
        waiting = asyncio.create_task(lonely.receive_otlp(TRACES, given_up, None, PROTOBUF_TYPE, NOW))
        await asyncio.sleep(0.05)
        assert sys.getrefcount(given_up) > references
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(send())
    assert references == sys.getrefcount(given_up)
    after = lonely.take(export(last), last)
    assert not after.done()
    os.kill(pid, signal.SIGCONT)
    for body, future in ((first, working), (last, after)):
        assert receive(TRACES, body, None, PROTOBUF_TYPE, NOW, Reading()) == future.result(DEADLINE_SECONDS)


def test_many_waiting_requests_take_no_threads(lonely: Decoders) -> None:
    """A hundred requests wait for the worker, and what threads are for goes on."""
    body = chats().SerializeToString()
    pid, working = stopped_at(lonely, body)

    async def send() -> None:
        receiving = [lonely.receive_otlp(TRACES, body, None, PROTOBUF_TYPE, NOW) for _ in range(100)]
        waiting = asyncio.gather(*receiving)
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0), DEADLINE_SECONDS)
        assert not waiting.done()
        os.kill(pid, signal.SIGCONT)
        assert [working.result(DEADLINE_SECONDS)] * 100 == await waiting

    asyncio.run(send())


def test_a_defect_is_an_answer(lonely: Decoders, capfd: pytest.CaptureFixture[str]) -> None:
    """It is `internal`, is not tried again, its traceback is on the error output, and the worker goes on."""
    before = set(workers())
    lonely.take(export(b""), b"").result()
    own = set(workers()) - before
    with pytest.raises(UpshotError) as caught:
        lonely.take(export(b"", "profiles"), b"").result(DEADLINE_SECONDS)
    assert (UpshotError, "internal") == (type(caught.value), caught.value.code)
    assert "KeyError: 'profiles'" in capfd.readouterr().err
    assert Taken([], 0, ()) == lonely.take(export(b""), b"").result()
    assert own == set(workers()) - before


@pytest.mark.parametrize(("encoding", "size"), [(None, OTLP_BYTES), ("gzip", OTLP_BYTES // PACKED)])
def test_only_large_requests_start_processes(encoding: str | None, size: int) -> None:
    """One byte below the bound a request is decoded where it arrived, at the bound by a worker."""
    before = set(workers())
    body = os.urandom(size)  # of no format: what it comes to is the same error
    made = Decoders(1)
    for sent, started in ((body[1:], 0), (body, 1)):
        assert here(Reading(), TRACES, sent, encoding, PROTOBUF_TYPE) == through(
            made, TRACES, sent, encoding, PROTOBUF_TYPE
        )
        assert started == len(set(workers()) - before)
    made.close()
    with pytest.raises(TransientError, match="stopping"):
        asyncio.run(made.receive_otlp(TRACES, body, encoding, PROTOBUF_TYPE, NOW))


def test_a_worker_is_a_function_of_what_it_reads(reading: Reading) -> None:
    """Without a process: how to read, jobs of both kinds, then the end; cut off anywhere it ends without an answer."""
    spans, lines = chats().SerializeToString(), b'{"type":"event","id":"e","name":"a"}\n'
    told = io.BytesIO()
    worker.begin(reading, told)
    worker.ask(export(spans), spans, told)
    worker.ask(Lines(len(lines), NOW, Limits()), lines, told)
    answers = io.BytesIO()
    worker.serve(io.BytesIO(told.getvalue()), answers)
    answers.seek(0)
    assert here(reading, TRACES, spans, None, PROTOBUF_TYPE) == worker.answer(answers)
    assert 1 == getattr(worker.answer(answers), "accepted", None)
    with pytest.raises(EOFError):
        worker.answer(answers)
    for size in range(len(told.getvalue()) - len(lines)):
        worker.serve(io.BytesIO(told.getvalue()[:size]), cut := io.BytesIO())
        assert answers.getvalue().startswith(cut.getvalue())
