"""Named objects: versions that are never lost, reused or changed, and that travel with an export."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rows import NOW, Clock, Warehouse
from warehouse.directory import open_directory
from warehouse.doctor import examine
from warehouse.errors import InputError, TransientError
from warehouse.export import export
from warehouse.manifest import NamedObject
from warehouse.paths import DataPaths
from warehouse.restore import restore
from warehouse.workspace import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.manifest import Manifest

STEPS = st.lists(
    st.tuples(st.sampled_from(("query", "dashboard")), st.sampled_from(("a", "b", "ü 'x'")), st.integers(0, 3)),
    max_size=12,
)


def play(manifest: Manifest, steps: list[tuple[str, str, int]]) -> list[NamedObject]:
    """Put and remove (0 removes) as told; return every version that must exist, by a list instead of a database."""
    made: list[NamedObject] = []
    for at, (kind, name, value) in enumerate(steps):
        before = [one for one in made if (one.kind, one.name) == (kind, name)]
        in_use = bool(before) and before[-1].body is not None
        body: dict[str, Any] | None = {"n": value, "text": "ü\0'"} if value else None
        wanted = NamedObject(kind, name, len(before) + 1, at, body)
        if body is not None:
            assert wanted == manifest.put_object(kind, name, body, at)
            made.append(wanted)
        else:
            assert in_use == manifest.remove_object(kind, name, at)
            made += [wanted] if in_use else []
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(steps=STEPS)
def test_every_version_stays_as_it_was_put(tmp_path_factory: pytest.TempPathFactory, steps: Any) -> None:
    """Whatever was put and removed in whatever order: read back from a second connection, as a plain list has it."""
    with Warehouse(tmp_path_factory.mktemp("objects")) as warehouse:
        made = play(warehouse.workspace.manifest, steps)
        manifest = open_workspace(warehouse.paths).manifest
        assert sorted(made, key=lambda one: (one.kind, one.name, one.version)) == manifest.all_objects()
        for one in made:
            assert (None if one.body is None else one) == manifest.object(one.kind, one.name, one.version)
        newest = {(one.kind, one.name): one for one in made}
        for (kind, name), one in newest.items():
            assert (None if one.body is None else one) == manifest.object(kind, name)
        for kind in ("query", "dashboard", "none"):
            in_use = sorted((o for o in newest.values() if o.kind == kind and o.body is not None), key=lambda o: o.name)
            assert in_use == manifest.objects(kind)
        manifest.close()


def test_writers_at_one_time_get_versions_of_their_own(warehouse: Warehouse) -> None:
    """Four connections put one name 25 times each: 100 versions without gap or twin."""

    def put(writer: int) -> list[int]:
        manifest = open_workspace(warehouse.paths).manifest
        try:
            return [manifest.put_object("query", "q", {"by": writer}, NOW).version for _ in range(25)]
        finally:
            manifest.close()

    with ThreadPoolExecutor(4) as pool:
        versions = [version for part in pool.map(put, range(4)) for version in part]
    assert list(range(1, 101)) == sorted(versions)


def test_a_flipped_bit_is_named_and_never_another_answer(warehouse: Warehouse) -> None:
    """In any column of an object; the doctor finds it too, and other objects go on."""
    manifest = warehouse.workspace.manifest
    manifest.put_object("query", "good", {"sql": "SELECT 1"}, NOW)
    manifest.put_object("query", "bad", {"sql": "SELECT 2"}, NOW)
    con = sqlite3.connect(warehouse.paths.database, isolation_level=None)
    for change in ("body = replace(body, '2', '3')", "body = 'null'", "created_at = created_at + 1"):
        con.execute("BEGIN")
        con.execute(f"UPDATE object SET {change} WHERE name = 'bad'")
        con.execute("COMMIT")
        with pytest.raises(TransientError, match="version 1 of the query 'bad' does not match its checksum"):
            manifest.object("query", "bad")
        with pytest.raises(TransientError, match="'bad'"):
            manifest.objects("query")
        good = manifest.object("query", "good")
        assert good is not None and {"sql": "SELECT 1"} == good.body
        found = [finding.what for finding in examine(DataPaths(warehouse.root), ["default"], Clock())]
        assert any("'bad'" in what for what in found), found
        con.execute("DELETE FROM object WHERE name = 'bad'")
        manifest.put_object("query", "bad", {"sql": "SELECT 2"}, NOW)
    con.close()


def test_objects_travel_with_an_export(warehouse: Warehouse, tmp_path: Path) -> None:
    """Versions, times and removals; the next version after a restore is the next one, and a removed one reads on."""
    manifest = warehouse.workspace.manifest
    steps = [("query", "a", 1), ("query", "a", 2), ("query", "b", 1), ("query", "b", 0), ("dashboard", "a", 3)]
    play(manifest, steps)
    export(DataPaths(warehouse.root), "default", tmp_path / "out", Clock())
    restore(tmp_path / "out", open_directory(tmp_path / "second"))
    with Warehouse(tmp_path / "second") as second:
        again = second.workspace.manifest
        assert manifest.all_objects() == again.all_objects()
        assert 3 == again.put_object("query", "b", {}, NOW).version
        removed = again.object("query", "b", 1)
        assert removed is not None and removed.body is not None
        with pytest.raises(InputError, match="not empty"):
            restore(tmp_path / "out", DataPaths(second.root))


def test_a_workspace_with_nothing_but_objects_is_not_empty(warehouse: Warehouse, tmp_path: Path) -> None:
    """A restore must not take the place of somebody's saved queries."""
    export(DataPaths(warehouse.root), "default", tmp_path / "out", Clock())
    with Warehouse(tmp_path / "second") as second:
        second.workspace.manifest.put_object("query", "a", {"sql": "SELECT 1"}, NOW)
    data = open_directory(tmp_path / "third")  # as a data folder has it: with a server.db
    (tmp_path / "second" / "workspaces").rename(data.root / "workspaces")
    with pytest.raises(InputError, match="not empty"):
        restore(tmp_path / "out", data)


def test_a_spoiled_object_of_an_export_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    """SQL that came back changed would be run: a changed, missing or added object refuses the whole export."""
    warehouse.workspace.manifest.put_object("query", "a", {"sql": "SELECT 1"}, NOW)
    export(DataPaths(warehouse.root), "default", tmp_path / "out", Clock())
    path = tmp_path / "out" / "export.json"
    index = json.loads(path.read_text())
    [whole] = index["objects"]
    for spoiled in ([whole | {"body": {"sql": "SELECT 2"}}], [], [whole, whole | {"version": 2}]):
        path.write_text(json.dumps(index | {"objects": spoiled}))
        with pytest.raises(InputError, match="do not match their digest"):
            restore(tmp_path / "out", open_directory(tmp_path / "second"))
    assert [] == open_directory(tmp_path / "second").workspaces()
    path.write_text(json.dumps(index))
    assert "default" == restore(tmp_path / "out", open_directory(tmp_path / "second"))[0]


def test_an_export_from_before_there_were_objects_is_restored(warehouse: Warehouse, tmp_path: Path) -> None:
    """Its index does not mention them."""
    export(DataPaths(warehouse.root), "default", tmp_path / "out", Clock())
    path = tmp_path / "out" / "export.json"
    index = json.loads(path.read_text())
    assert [] == index.pop("objects")
    assert "" == index.pop("objects_sha256")
    path.write_text(json.dumps(index))
    restore(tmp_path / "out", open_directory(tmp_path / "second"))
    with Warehouse(tmp_path / "second") as second:
        assert [] == second.workspace.manifest.all_objects()
