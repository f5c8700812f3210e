"""An edition is there whole or not at all, once, and the same questions give the same edition."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from api.reports import editions as module
from api.reports.editions import FILES, Edition, Editions, key
from api.reports.making import make
from tests.api.reports.notebooks import CHART, FACT, KNOWN_AT, TOKEN, definition
from warehouse.errors import InputError, NotFoundError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = {"notebook.ipynb": b"{}" * 5000, "report.html": b"<p>" * 5000, "chart.png": b"\x89PNG" * 5000}


def edition(id_: str = "one", **fields: Any) -> Edition:
    """Return an edition that is done."""
    known: dict[str, Any] = {
        "id": id_, "report": "weekly", "workspace": "default", "version": 1, "status": "done", "scheduled_for": None,
        "started_at": KNOWN_AT, "ended_at": KNOWN_AT, "known_at": KNOWN_AT, "params": {"days": 7},
    }  # fmt: skip
    return Edition(**(known | fields))


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """With its files, under any name a report can have; another report's editions are not its own."""
    store = Editions(tmp_path / "reports")
    for report in ("weekly", "Weekly.2", "a.b", "x" * 128):
        one = edition(report=report)
        assert one == store.keep(one, CONTENT) == store.get("default", report, "one")
        assert [one] == store.list("default", report)
        for name, content in CONTENT.items():
            assert content == store.file("default", report, "one", name).read_bytes()
    store.remove("default", "weekly")
    assert [] == store.list("default", "weekly") and 1 == len(store.list("default", "a.b"))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """And no path leads out of the folder."""
    store = Editions(tmp_path / "reports")
    store.keep(edition(), {"notebook.ipynb": b"{}"})
    (tmp_path / "reports" / "default" / "secret").write_text("canary")
    with pytest.raises(NotFoundError, match="no edition 'two'"):
        store.get("default", "weekly", "two")
    for name in ("chart.png", "edition.json", "../../secret", "deliveries.ndjson", ""):
        with pytest.raises(NotFoundError, match="has no file"):
            store.file("default", "weekly", "one", name)
    for id_ in ("..", "", "a/b", "a.b", "x" * 65, "one\n"):
        with pytest.raises(InputError, match="is not an id"):
            store.get("default", "weekly", id_)
    for report in ("..", ".", "../weekly", "/etc"):
        assert (tmp_path / "reports" / "default") in store.path("default", report, "one").parents
        assert tmp_path / "reports" / "default" != store.path("default", report, "one").parent.resolve()
        assert [] == store.list("default", report)
    with pytest.raises(InputError):
        store.list("../default", "weekly")


def test_a_damaged_edition_is_named(tmp_path: Path) -> None:
    """It is not passed over in silence."""
    store = Editions(tmp_path / "reports")
    store.keep(edition(), {})
    store.path("default", "weekly", "one", "edition.json").write_text("{")
    with pytest.raises(UpshotError, match="the edition in one is damaged"):
        store.list("default", "weekly")


def test_the_newest_is_the_one_that_knows_most(tmp_path: Path) -> None:
    """Whenever it was made; those before a time know less than was known then."""
    store = Editions(tmp_path / "reports")
    times = {"b": "2026-09-02T00:00:00.000000Z", "c": "2026-09-03T00:00:00.000000Z", "a": "2026-09-01T00:00:00.000000Z"}
    for id_, known_at in times.items():
        store.keep(edition(id_, known_at=known_at, status="failed" if id_ == "b" else "done"), {})
    assert ["c", "b", "a"] == [one.id for one in store.list("default", "weekly")]
    assert ["c", "b"] == [one.id for one in store.list("default", "weekly", 2)]
    for before, status, found in ((None, None, "c"), (times["c"], None, "b"), (times["c"], "done", "a")):
        newest = store.newest("default", "weekly", before=before, status=status)
        assert newest is not None and found == newest.id
    assert store.newest("default", "weekly", before=times["a"]) is None


def test_an_edition_made_twice_at_one_time_is_one(tmp_path: Path) -> None:
    """Of many who keep the same id, all get the one that was first."""
    store = Editions(tmp_path / "reports")
    found: list[Edition] = []

    def keep(number: int) -> None:
        found.append(store.keep(edition(version=number), {"report.html": b"%d" % number}))

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = store.get("default", "weekly", "one")
    assert [kept] * 8 == found
    assert b"%d" % kept.version == store.file("default", "weekly", "one", "report.html").read_bytes()
    assert ["one"] == _names(tmp_path / "reports" / "default" / "weekly")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


STEPS = ("sync", "write_bytes", "rename")


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_a_whole_edition_or_none(tmp_path: Path, step: str) -> None:
    """SIGKILL before each call that touches the disk; the next try makes the edition, and the rest is cleared away."""
    outcomes: list[bool] = []
    for call in range(1, 20):
        root = tmp_path / str(call) / "reports"
        root.parent.mkdir()
        if not _killed(lambda root=root: Editions(root).keep(edition(), CONTENT), step, call):
            break
        store = Editions(root)
        with contextlib.suppress(NotFoundError):
            _assert_whole(store)
        outcomes.append(bool(store.list("default", "weekly")))
        store.keep(edition(), CONTENT)
        _assert_whole(store)
        store.clear_scratch()
        assert ["one"] == _names(root / "default" / "weekly")
    else:
        pytest.fail("it was killed at every call")
    assert outcomes and not outcomes[0]
    assert outcomes == sorted(outcomes)  # once it is there it stays


def _assert_whole(store: Editions) -> None:
    assert edition() == store.get("default", "weekly", "one")
    assert CONTENT == {name: store.file("default", "weekly", "one", name).read_bytes() for name in FILES}


def _killed(work: Callable[[], object], step: str, call: int) -> bool:
    """Do something in a child that kills itself before one call of a step; tell whether it came to that."""
    child = os.fork()
    if child == 0:
        place: Any = module if step == "sync" else Path
        original: Any = getattr(place, step)
        calls: list[int] = []

        def counted(*arguments: Any) -> Any:
            calls.append(1)
            if len(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        setattr(place, step, counted)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_an_id_of_a_schedule_is_the_same_everywhere() -> None:
    """And another one for another report or time."""
    one = key("weekly winners/é", "2026-09-01T08:00:00Z")
    assert one == key("weekly winners/é", "2026-09-01T08:00:00Z")
    assert one.startswith("weekly-winners-20260901T080000Z-")
    others = [("weekly winners/e", "08:00:00Z"), ("weekly winners/é", "08:00:01Z"), ("x" * 128, "08:00:00Z")]
    assert 4 == len({one, *(key(report, f"2026-09-01T{moment}") for report, moment in others)})
    Editions(Path("/nowhere")).path("default", "weekly", key("x" * 128, KNOWN_AT))


def made(store: Editions, id_: str, *cells: str, known_at: str = KNOWN_AT, **fields: Any) -> Edition:
    """Make an edition of a notebook of these cells."""
    return make(
        definition(*cells, **fields), editions=store, id_=id_, report="weekly", workspace="default", version=3,
        scheduled_for=known_at, known_at=known_at, params={"days": 9}, url="http://127.0.0.1:9", token=TOKEN,
    )  # fmt: skip


def test_the_same_notebook_parameters_and_time_make_the_same_edition(tmp_path: Path) -> None:
    """Facts, page and chart byte for byte; what is kept under an id is returned and not made again."""
    cells = (CHART, FACT.format(name="mean", kind="mean", value=0.5), "print(days, {3, 1, 2}, hash('a'))")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = Editions(tmp_path / "one" / "reports"), Editions(tmp_path / "other" / "reports")
    first, second = made(one, "a", *cells), made(other, "a", *cells)
    assert ("done", True, {"days": 9}, 3) == (first.status, first.has_chart, first.params, first.version)
    timed = {"started_at", "ended_at", "seconds", "peak_mb"}
    assert _without(first, timed) == _without(second, timed)
    for name in ("report.html", "chart.png"):
        of = [store.file("default", "weekly", "a", name).read_bytes() for store in (one, other)]
        assert of[0] == of[1] != b""
    assert first == made(one, "a", "print('another one')")
    assert ["a"] == _names(tmp_path / "one" / "reports" / "default" / "weekly")


def _without(edition: Edition, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(edition).items() if name not in names}


def test_editions_say_what_changed_since_the_last_one_that_is_done(tmp_path: Path) -> None:
    """One that failed is kept with its partial notebook, is compared with none, and none with it."""
    store = Editions(tmp_path / "reports")
    made(store, "a", FACT.format(name="mean", kind="mean", value=0.4))
    failed = made(
        store, "b", FACT.format(name="mean", kind="mean", value=0.9), f"raise ValueError({TOKEN!r})",
        known_at="2026-09-02T12:00:00.000000Z",
    )  # fmt: skip
    third = made(store, "c", FACT.format(name="mean", kind="mean", value=0.5), known_at="2026-09-03T12:00:00.000000Z")
    assert ((), None, "failed") == (failed.changes, failed.compared_with, failed.status)
    assert failed.error is not None and ("ValueError", "•••", 4) == (
        failed.error.name, failed.error.message, failed.error.cell,
    )  # fmt: skip
    cells = json.loads(store.file("default", "weekly", "b", "notebook.ipynb").read_text())["cells"]
    assert "mean" == "".join(cells[2]["outputs"][0]["data"]["text/plain"])
    assert ("a", ["mean went from 0.4 to 0.5 (+25.0 %)"]) == (
        third.compared_with, [change.words for change in third.changes],
    )  # fmt: skip
    assert "mean went from 0.4 to 0.5" in store.file("default", "weekly", "c", "report.html").read_text()
    for path in (tmp_path / "reports").rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes()
