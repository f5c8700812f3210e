"""Damage of files and databases: a flipped bit or a missing file is found and named, and never answered from.

The oracle is `tests.support.history.expected`, plain Python over the requests that were acknowledged.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from queries.messages import Ask, Failure
from queries.run import Limits as QueryLimits
from queries.worker import Worker
from tests.support.history import ASKED, DAY, expected, history
from tests.support.rows import NOW, Warehouse, run
from warehouse import keeper
from warehouse.errors import UpshotError
from warehouse.keys import Keys
from warehouse.paths import DataPaths
from warehouse.sealing import Limits
from warehouse.sqlite_manifest import SqliteManifest
from warehouse.upkeep import scrub
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.paths import WorkspacePaths

ROOT = Path(__file__).resolve().parents[2]


Rows = list[tuple[Any, ...]]

_TEXTS = itertools.count()


class Reader:
    """A query worker's inside: what a caller gets, rows or a coded error."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._worker = Worker(paths, QueryLimits())

    def ask(self, sql: str) -> Rows | Failure:
        """Return the rows of guarded SQL, or the error; each text is a new one, so none is answered from memory."""
        answer, body = self._worker.answer(Ask(kind="query", sql=f"{sql} -- {next(_TEXTS)}"))
        return answer.error or [tuple(row) for row in msgspec.json.decode(body)["rows"]]

    def ask_each(self) -> dict[str, Rows | Failure]:
        """Ask each of `ASKED` by itself."""
        return {name: self.ask(sql) for name, sql in ASKED.items()}

    def close(self) -> None:
        """Close it."""
        self._worker._snapshots.close()  # pyright: ignore[reportPrivateUsage]


@pytest.fixture
def reader(warehouse: Warehouse) -> Iterator[Reader]:
    """A query worker's inside over the empty workspace."""
    opened = Reader(warehouse.paths)
    yield opened
    opened.close()


def flip(path: Path, offset: int, bit: int) -> None:
    """Flip one bit of a file; done twice the file is as before."""
    with path.open("r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


# --- sealed files ---------------------------------------------------------------------------------------------------


def test_a_flipped_bit_in_a_sealed_file_is_found_and_named(copy: Path) -> None:
    """Questions that need the file fail with a code and its name, others go on; put back, all is as before.

    Asked of a worker that has been reading, and of a new one.
    """
    wanted = expected(history())
    random_ = random.Random(7)  # noqa: S311
    with Warehouse(copy) as warehouse:
        files = warehouse.workspace.manifest.read(None)[0].files
        old = Reader(warehouse.paths)
        assert wanted == old.ask_each()
        wrong: list[str] = []
        for _ in range(12):
            file = random_.choice(files)
            path = warehouse.paths.file(file.place)
            place, bit = random_.randrange(file.bytes), random_.randrange(8)
            new = Reader(warehouse.paths)
            for damaged in (True, False):
                flip(path, place, bit)
                for who, reader in (("old", old), ("new", new)):
                    for name, answer in reader.ask_each().items():
                        if damaged and file.place.table in (name, f"{name[:-1]}_history"):
                            named = isinstance(answer, Failure) and file.place.name in answer.message
                            right = isinstance(answer, Failure) and named and answer.code == "unavailable"
                        else:
                            right = wanted[name] == answer
                        if not right:
                            shown = answer.code if isinstance(answer, Failure) else "rows"
                            state = "damaged" if damaged else "put back"
                            wrong.append(f"{file.place} byte {place} {state}: {who} reader, {name}: {shown}")
            new.close()
        old.close()
    assert "" == "\n".join(wrong)


def test_a_missing_file_is_named_and_others_go_on(copy: Path) -> None:
    """A file that is gone fails the questions that need it; back again, all is as before."""
    wanted = expected(history())
    with Warehouse(copy) as warehouse:
        file = warehouse.workspace.manifest.read(None)[0].of("runs")[0]
        path = warehouse.paths.file(file.place)
        path.rename(warehouse.root / "away")
        reader = Reader(warehouse.paths)
        found = reader.ask_each()
        assert {name: wanted[name] for name in ("scores", "assignments")}.items() <= found.items()
        (warehouse.root / "away").rename(path)
        assert wanted == reader.ask_each()
        reader.close()
    assert isinstance(found["runs"], Failure)
    assert file.place.name in found["runs"].message
    assert "unavailable" == found["runs"].code


@pytest.mark.parametrize("offset", [-6, -40, 0], ids=["footer length", "footer", "magic"])
def test_a_file_damaged_before_it_was_first_read_heals(warehouse: Warehouse, reader: Reader, offset: int) -> None:
    """A reader that met a damaged file when it first needed it answers right once the file is whole again."""
    sql = "SELECT id FROM runs"
    warehouse.append("runs", run("a", started_at=NOW))
    assert [("a",)] == reader.ask(sql)  # the reader knows the rows in the log only
    warehouse.seal()
    [file] = warehouse.workspace.manifest.read(None)[0].files
    path = warehouse.paths.file(file.place)
    flip(path, offset % file.bytes, 3)
    assert all(isinstance(reader.ask(sql), Failure) for _ in range(2))
    flip(path, offset % file.bytes, 3)
    assert [("a",)] == reader.ask(sql)


def test_a_flipped_bit_never_enters_another_row(warehouse: Warehouse, reader: Reader) -> None:
    """A late record of a run whose sealed row is damaged: a coded error or the right answer, never another."""
    word = "n0t-compressible"
    warehouse.append("runs", run("a", app_id=word, status="Running", started_at=NOW))
    warehouse.seal()
    [file] = warehouse.workspace.manifest.read(None)[0].files
    path = warehouse.paths.file(file.place)
    places = [at for at in range(file.bytes) if path.read_bytes()[at:].startswith(word.encode())]
    assert places
    for at in places:
        flip(path, at, 0)
    warehouse.append("runs", run("a", status="Completed", ended_at=NOW + 1))
    sql, right = "SELECT app_id, status FROM runs", [(word, "Completed")]
    hot = reader.ask(sql)
    with contextlib.suppress(UpshotError):
        warehouse.seal()
    sealed = reader.ask(sql)
    assert all(isinstance(answer, Failure) or answer == right for answer in (hot, sealed)), (hot, sealed)
    for at in places:
        flip(path, at, 0)
    warehouse.seal()
    assert right == reader.ask(sql)


def test_a_damaged_workspace_leaves_the_others_alone(copy: Path) -> None:
    """The keeper goes on sealing and checking another workspace while one has a damaged file, and says which it is."""
    data = DataPaths(copy)
    shutil.copytree(data.workspace("default").root, data.workspace("other").root)
    with Warehouse(copy) as warehouse:
        file = warehouse.workspace.manifest.read(None)[0].of("runs")[0]
        flip(warehouse.paths.file(file.place), file.bytes // 2, 1)
        ticks = iter([False] * 8 + [True] * 2)
        keeper.run(data, lambda _: time.sleep(0.05) or next(ticks), Limits(rows=1))
        other = Reader(data.workspace("other"))
        assert expected(history()) == other.ask_each()
        assert 0 == open_workspace(data.workspace("other")).manifest.waiting().rows
        other.close()


def test_the_scrub_finds_what_nobody_asked_for(copy: Path) -> None:
    """Each file is checked in turn; a damaged one is marked, and unmarked once it is whole again."""
    with Warehouse(copy) as warehouse:
        manifest = warehouse.workspace.manifest
        files = manifest.read(None)[0].files
        bad = files[3]
        flip(warehouse.paths.file(bad.place), 100, 0)
        for turn in (1, 2):
            warehouse.clock.us += 30 * DAY
            reasons = [scrub(warehouse.workspace, warehouse.clock) for _ in files]
            marked = [file.place for file in manifest.read(None)[0].files if file.damaged]
            assert ([bad.place], 1) == (marked, sum(map(bool, reasons))) if turn == 1 else ([], 0) == (marked, 0)
            flip(warehouse.paths.file(bad.place), 100, 0)


# --- the databases --------------------------------------------------------------------------------------------------


def manifest_facts(paths: WorkspacePaths) -> Any:
    """Return all that answers follow from; an entry that is known to be spoiled is `None` here."""
    manifest = SqliteManifest(paths)
    try:
        snapshot, entries = manifest.read(None)
        hidden = {id_: (rows.everywhere.tolist(), rows.superseded.tolist()) for id_, rows in snapshot.hidden.items()}
        ids = [row["_day_id"] for request in history() for rows in request.values() for row in rows]
        days = "found by the check" if manifest.check_days() else manifest.days(ids)
        files = [(f.id, f.place, f.rows, f.sha256, f.bounds, f.current) for f in snapshot.files if not f.damaged]
        log = {entry.seq: (entry.table, entry.rows, entry.payload) if entry.payload else None for entry in entries}
        return files, hidden, days, snapshot.tombstones, log
    finally:
        manifest.close()


def test_a_flipped_bit_in_the_manifest_is_never_another_answer(copy: Path) -> None:
    """Any bit of log.db: the same files, hidden rows, days and log entries, or an error with a code."""
    paths = DataPaths(copy).workspace("default")
    wanted = manifest_facts(paths)
    content = paths.database.read_bytes()
    used = [at for at in range(len(content)) if content[at]]
    random_ = random.Random(11)  # noqa: S311
    wrong: list[str] = []
    for at in random_.sample(used, 500):
        bit = random_.randrange(8)
        flipped = bytearray(content)
        flipped[at] ^= 1 << bit
        paths.database.write_bytes(flipped)
        for name in ("log.db-wal", "log.db-shm"):
            (paths.root / name).unlink(missing_ok=True)
        try:
            found = manifest_facts(paths)
        except UpshotError:
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it has no code
            wrong.append(f"byte {at} bit {bit}: no code: {type(error).__name__}: {error}")
            continue
        log = {seq: entry or wanted[-1].get(seq) for seq, entry in found[-1].items()}
        if found[2] == "found by the check":  # when the keeper starts, and by the doctor: one id cannot tell
            found = (*found[:2], wanted[2], *found[3:])
        if (*found[:-1], log) != wanted:
            names = ("files", "hidden", "days", "tombstones", "log")
            differing = [
                name for name, one, other in zip(names, (*found[:-1], log), wanted, strict=True) if one != other
            ]
            wrong.append(f"byte {at} bit {bit}: {', '.join(differing)}")
    assert "" == "\n".join(wrong)


def test_a_flipped_bit_in_server_db_gives_nobody_more(tmp_path: Path) -> None:
    """Any bit of server.db: the same access, none, or an error with a code; never another, never an open server."""
    data = DataPaths(tmp_path)
    keys = Keys(data)
    made = [keys.create("default", ["query"], NOW), keys.create("other", ["ingest", "query"], NOW)]
    wanted = [keys.access(key) for key in made]
    keys.close()
    content = data.server.read_bytes()
    wrong: list[str] = []
    for at in (at for at in range(len(content)) if content[at]):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        data.server.write_bytes(flipped)
        for name in ("server.db-wal", "server.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        try:
            keys = Keys(data)
        except UpshotError:
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it has no code
            wrong.append(f"byte {at}: no code at the start: {type(error).__name__}: {error}")
            continue
        try:
            if not keys.any():
                wrong.append(f"byte {at}: no key exists, everybody may do everything")
            for key, access in zip(made, wanted, strict=True):
                if (found := keys.access(key)) not in (access, None):
                    wrong.append(f"byte {at}: {found} instead of {access}")
        except UpshotError:
            pass
        except Exception as error:  # noqa: BLE001 - the same
            wrong.append(f"byte {at}: no code: {type(error).__name__}: {error}")
        finally:
            keys.close()
    assert "" == "\n".join(wrong)
