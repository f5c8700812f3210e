"""Data directories that are not what they should be: a clear refusal, and not a byte is touched."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.folders import contents, mounted
from tests.support.rows import Warehouse, run
from warehouse import keys, sqlite_manifest
from warehouse.directory import (
    MIN_FREE,
    NewerError,
    WriterLock,
    existing_directory,
    existing_workspace,
    make_workspace,
    open_directory,
)
from warehouse.errors import InputError, NotFoundError, TransientError, UpshotError
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from warehouse.paths import DataPaths


def make(root: Path, workspaces: tuple[str, ...] = ("default",)) -> DataPaths:
    """Return a data directory with empty workspaces, closed cleanly."""
    data = open_directory(root)
    for name in workspaces:
        make_workspace(data, name)
        open_workspace(data.workspace(name)).manifest.close()
    return data


def refused(root: Path, kind: type[UpshotError], opened: Callable[[Path], object] = open_directory) -> str:
    """Return the message of a refusal that touched nothing in `root`."""
    before = contents(root)
    with pytest.raises(kind) as caught:
        opened(root)
    assert before == contents(root)
    return caught.value.message


def newer(path: Path) -> int:
    """Write a SQLite file's next format into it, as a newer version would; return it."""
    con = sqlite3.connect(path)
    [form] = con.execute("PRAGMA user_version").fetchone()
    con.execute(f"PRAGMA user_version = {form + 1}")
    con.close()
    return form + 1


def test_a_new_folder_is_made_and_opened_again(tmp_path: Path) -> None:
    """Missing parents too; opening it again, from either side, changes nothing."""
    root = tmp_path / "a" / "b"
    make(root)
    before = contents(root)
    assert root == open_directory(root).root == existing_directory(root).root
    assert before == contents(root)


def test_a_strangers_folder_is_refused(tmp_path: Path) -> None:
    """A folder with other files in it is not taken over."""
    (tmp_path / "thesis.txt").write_text("mine")
    assert "not a data directory of upshot" in refused(tmp_path, InputError)
    assert "not a data directory of upshot" in refused(tmp_path, InputError, existing_directory)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """A path to a file is refused, and so is one below a file."""
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(InputError):
            open_directory(path)
    assert ["file"] == list(contents(tmp_path))


@pytest.mark.parametrize("wal", [False, True])
def test_another_programs_database_is_refused(tmp_path: Path, *, wal: bool) -> None:
    """A server.db with tables that we did not make is left alone, whichever its journal."""
    con = sqlite3.connect(tmp_path / "server.db")
    if wal:
        con.execute("PRAGMA journal_mode = WAL")
    con.execute("CREATE TABLE invoices (id)")
    con.close()
    assert "another program" in refused(tmp_path, InputError)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A server.db that is not SQLite is named."""
    (tmp_path / "server.db").write_text("hello, this is not a database at all")
    assert "server.db is not a SQLite file" in refused(tmp_path, InputError)


def test_a_newer_server_database_is_refused(tmp_path: Path) -> None:
    """The message names both formats."""
    form = newer(make(tmp_path / "data").server)
    message = refused(tmp_path / "data", NewerError)
    assert f"has format {form}; this version of upshot reads up to {len(keys.STEPS)}" in message
    refused(tmp_path / "data", NewerError, existing_directory)


def test_a_newer_workspace_is_refused(tmp_path: Path) -> None:
    """One newer log.db among several is enough: a server over half of the data would look whole."""
    data = make(tmp_path / "data", ("alpha", "beta"))
    newer(data.workspace("beta").database)
    message = refused(data.root, NewerError)
    assert "beta/log.db" in message
    assert f"reads up to {len(sqlite_manifest.STEPS)}" in message
    refused(data.root, NewerError, existing_directory)


def test_one_damaged_workspace_does_not_keep_the_others_from_opening(tmp_path: Path) -> None:
    """It refuses by itself, by name, when it is opened."""
    data = make(tmp_path / "data", ("alpha", "beta"))
    data.workspace("beta").database.write_bytes(b"not a database" * 500)
    open_directory(data.root)
    open_workspace(data.workspace("alpha")).manifest.close()
    with pytest.raises(InputError, match=r"beta/log\.db"):
        open_workspace(data.workspace("beta"))


def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    """A read-only mount, which no permission lifts: existing or new, the message says what cannot be written."""
    root, place = tmp_path / "data", tmp_path / "mounted"
    make(root)
    place.mkdir()
    with mounted(place, "--bind", "-o", "ro", str(root)):
        if writable(place):
            pytest.skip("this mount cannot be made read-only")
        assert "cannot write" in refused(place, InputError)
        with pytest.raises(InputError, match="cannot"):
            open_directory(place / "new" / "data")


def writable(folder: Path) -> bool:
    """Tell whether a file can be made in a folder after all."""
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    (folder / "probe").unlink()
    return True


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    """New or existing: `disk_full`, and nothing is left half made."""
    with mounted(tmp_path, "-t", "tmpfs", "-o", f"size={MIN_FREE * 2}", "tmpfs"):
        make(tmp_path / "data")
        ballast = tmp_path / "ballast"
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(bytes(MIN_FREE * 3))
        assert "no space left" in refused(tmp_path / "data", TransientError)
        with pytest.raises(TransientError) as caught:
            open_directory(tmp_path / "new" / "data")
        assert caught.value.code == "disk_full"
        assert not (tmp_path / "new").exists()
        ballast.unlink()
        open_directory(tmp_path / "new" / "data")


def test_a_disk_that_fills_at_the_first_write_leaves_no_half_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the free bytes promised more than the disk keeps, what was made is taken back."""
    monkeypatch.setattr("warehouse.directory.MIN_FREE", 0)
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=16k", "tmpfs"):
        with pytest.raises(UpshotError):
            open_directory(tmp_path / "new" / "data")
        assert {} == contents(tmp_path)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """The lock is held by one; when it is free again the next takes it."""
    data = make(tmp_path / "data")
    with WriterLock(data):
        assert "in use by another upshot process" in refused(data.root, TransientError, lambda _: WriterLock(data))
    WriterLock(data).release()


def test_what_is_missing_is_said_and_not_made(tmp_path: Path) -> None:
    """Commands over existing data make neither folders nor workspaces of a slip of the pen."""
    with pytest.raises(NotFoundError):
        existing_directory(tmp_path / "dta")
    data = make(tmp_path / "data")
    with pytest.raises(NotFoundError):
        existing_workspace(data, "dflt")
    assert {"data", "data/server.db", "data/workspaces", "data/workspaces/default"} <= set(contents(tmp_path))
    assert not data.workspace("dflt").root.exists()


def test_a_foreign_file_in_a_partition_is_never_read_nor_removed(warehouse: Warehouse) -> None:
    """Neither by questions, nor by sealing, nor by a compaction with all that follows it."""
    from warehouse.upkeep import recover, unlink  # noqa: PLC0415

    for number in range(5):
        warehouse.append("runs", run(f"r{number}"))
        warehouse.seal()
    [home] = {path.parent for path in warehouse.root.rglob("*.parquet")}
    foreign = [home / "000000000001-000000000099.parquet", home / "notes.txt"]
    for path in foreign:
        path.write_bytes(b"PAR1 not really")
    assert [(5,)] == warehouse.ask("SELECT count(*) FROM runs")
    assert warehouse.compactor.compact(whole=True) == 5
    unlink(warehouse.workspace)
    recover(warehouse.workspace)
    assert [(5,)] == warehouse.ask("SELECT count(*) FROM runs")
    assert [b"PAR1 not really"] * 2 == [path.read_bytes() for path in foreign]
