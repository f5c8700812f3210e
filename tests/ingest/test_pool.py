"""Decode workers: real processes, killed, orphaned and closed."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingest.limits import Limits
from ingest.parts import Taken, taken
from ingest.pipeline import receive
from ingest.pool import Decoders
from tests.ingest.support import NDJSON, NOW
from tests.ingest.test_parts import tables
from warehouse.errors import InputError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = '{"type":"score","name":"n","run_id":"r%d","value":%d,"sessions":{"k":%d}}\n'
BODY = "".join(LINE % (n % 7, n, n % 3) if n % 50 else '{"type":"nope"}\n' for n in range(1000)).encode()


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """Two workers that take even the smallest body apart."""
    made = Decoders(2, whole_bytes=0)
    yield made
    made.close()


def workers(parent: int | None = None) -> list[int]:
    """Return the decode workers that a process has."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            continue
        if b"ingest.worker" in words and int(stat[1]) == (parent or os.getpid()) and stat[0] != "Z":
            found.append(int(folder.name))
    return found


def whole(body: bytes, content_type: str = NDJSON) -> Taken:
    return taken(receive(body, content_type, None, NOW, Limits()))


def same(expected: Taken, found: Taken) -> None:
    assert (expected.accepted, expected.rejected) == (found.accepted, found.rejected)
    assert tables(expected) == tables(found)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_workers_make_of_a_body_what_one_process_makes(decoders: Decoders, encoding: str | None) -> None:
    """Rows, their order and every rejection are those of the body taken whole, plain or packed."""
    sent = gzip.compress(BODY) if encoding else BODY
    same(whole(BODY), decoders.receive(sent, NDJSON, encoding, NOW, Limits()))


def test_arrays_and_single_values_are_not_cut(decoders: Decoders) -> None:
    """A JSON array, and one record over several lines, come to what they are."""
    array = b"[" + b",\n".join(BODY.splitlines()) + b"]"
    same(whole(array, "application/json"), decoders.receive(array, "application/json", None, NOW, Limits()))
    one = json.dumps({"type": "event", "id": "e", "name": "a"}, indent=1).encode()
    same(whole(one, "application/json"), decoders.receive(one, "application/json", None, NOW, Limits()))


def test_a_byte_order_mark_is_one_only_at_the_beginning(decoders: Decoders) -> None:
    """The mark before the first line is none of its record; before any other line it is no JSON."""
    body = b"\xef\xbb\xbf" + BODY
    same(whole(body), decoders.receive(body, NDJSON, None, NOW, Limits()))
    body = b"".join(b"\xef\xbb\xbf" + line for line in BODY.splitlines(keepends=True))
    same(whole(body), decoders.receive(body, NDJSON, None, NOW, Limits()))


def test_limits_hold_for_the_request(decoders: Decoders) -> None:
    """Too many records, or too many bytes, refuse the request as they do in one process."""
    for limits in (Limits(records=999), Limits(unpacked_bytes=len(BODY) - 1), Limits(body_bytes=9)):
        with pytest.raises(InputError) as caught:
            decoders.receive(BODY, NDJSON, None, NOW, limits)
        assert "too_large" == caught.value.code
    long = Limits(record_bytes=60)
    expected = taken(receive(BODY, NDJSON, None, NOW, long))
    same(expected, decoders.receive(BODY, NDJSON, None, NOW, long))


def test_requests_at_once_do_not_mix(decoders: Decoders) -> None:
    """Many threads get each the rows of their own body."""
    bodies = [BODY.replace(b'"r', b'"%d-' % n) for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(decoders.receive, body, NDJSON, None, NOW, Limits()) for body in bodies]
        found = [one.result() for one in waiting]
    for body, one in zip(bodies, found, strict=True):
        same(whole(body), one)


def test_killed_workers_are_replaced(decoders: Decoders) -> None:
    """After kill -9 of every worker the next request is whole, by workers that are new."""
    decoders.receive(BODY, NDJSON, None, NOW, Limits())
    killed = workers()
    assert 2 == len(killed)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    same(whole(BODY), decoders.receive(BODY, NDJSON, None, NOW, Limits()))
    decoders.receive(BODY * 20, NDJSON, None, NOW, Limits())
    assert not set(killed) & set(workers())


def test_workers_that_die_again_and_again_are_a_transient_error() -> None:
    """A request whose workers are killed over and over gets an outcome or `unavailable`, and never hangs."""
    made = Decoders(2, whole_bytes=0)
    stop = threading.Event()

    def receive_on() -> None:
        for _ in range(50):
            made.receive(BODY * 50, NDJSON, None, NOW, Limits())

    def kill() -> None:
        while not stop.wait(0.01):
            for pid in workers():
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(TransientError) as caught:
            receive_on()
        assert "unavailable" == caught.value.code
    finally:
        stop.set()
        killer.join()
        made.close()


def test_nothing_is_left_after_close() -> None:
    """Closing ends the workers soon, twice is no harm, and what comes later is told that the server stops."""
    before = set(workers())
    made = Decoders(2, whole_bytes=0)
    made.receive(BODY, NDJSON, None, NOW, Limits())
    assert 2 == len(set(workers()) - before)
    started = time.monotonic()
    made.close()
    made.close()
    assert time.monotonic() - started < 5
    assert before == set(workers())
    with pytest.raises(TransientError, match="stopping"):
        made.receive(BODY, NDJSON, None, NOW, Limits())


def test_small_bodies_start_no_process() -> None:
    """Below the bound a body is decoded where it arrived."""
    before = set(workers())
    made = Decoders(2, whole_bytes=len(BODY) + 1)
    same(whole(BODY), made.receive(BODY, NDJSON, None, NOW, Limits()))
    assert before == set(workers())
    made.close()


def test_workers_end_with_a_parent_that_was_killed() -> None:
    """After kill -9 of the process that started them no worker is left."""
    script = (
        "from ingest.limits import Limits; from ingest.pool import Decoders; import time\n"
        "made = Decoders(2, whole_bytes=0)\n"
        'made.receive(b\'{"type":"event","name":"a"}\\n\' * 100, "application/x-ndjson", None, 1, Limits())\n'
        "print('ready', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-P", "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert b"ready\n" == parent.stdout.readline()
        children = workers(parent.pid)
        assert 2 == len(children)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 10
    while any(_lives(pid) for pid in children):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    """Tell whether a decode worker of that number runs; a zombie waits only for whoever inherited it."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"ingest.worker" in words and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
