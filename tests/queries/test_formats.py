"""Each format tells the same rows; the types DuckDB has are told as DESIGN section 5 says."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.formats import MEDIA_TYPES, distinct, writer
from queries.spool import IN_MEMORY, Spool
from tests.support.folders import mounted
from warehouse.errors import QueryError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

FACTS = {"row_count": 3, "truncated": False}

VALUES: dict[str, tuple[str, Any]] = {
    "whole": ("42::BIGINT", 42),
    "beyond a double": ("9007199254740993::BIGINT", "9007199254740993"),
    "huge": ("170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"),
    "decimal": ("1.50::DECIMAL(9, 2)", 1.5),
    "long decimal": ("12345678901234567890.12::DECIMAL(38, 2)", "12345678901234567890.12"),
    "nan": ("'nan'::DOUBLE", None),
    "infinity": ("'inf'::DOUBLE", None),
    "boolean": ("true", True),
    "time": ("TIMESTAMPTZ '2026-01-02 03:04:05.678901+00'", "2026-01-02T03:04:05.678901Z"),
    "plain time": ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02T03:04:05.000Z"),
    "date": ("DATE '2026-01-02'", "2026-01-02"),
    "interval": ("INTERVAL '1 year 2 months 3 days 4 hours 5.5 seconds'", "P14M3DT4H5.5S"),
    "no interval": ("INTERVAL 0 DAY", "PT0S"),
    "negative interval": ("INTERVAL '-90 minutes'", "PT-1H-30M"),
    "list": ("[1, NULL, 3]", [1, None, 3]),
    "list of intervals": ("[INTERVAL 1 DAY, INTERVAL 2 DAY]", ["P1D", "P2D"]),
    "struct": ("{'a': 1, 'b': 'x'}", {"a": 1, "b": "x"}),
    "map": ("MAP {'k': 1}", {"k": 1}),
    "empty map": ("MAP {}::MAP(VARCHAR, INTEGER)", {}),
    "blob": ("'\\xAA\\x00'::BLOB", "aa00"),
    "json": ("""'{"a": 1}'::JSON""", '{"a": 1}'),
    "uuid": ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001"),
    "null": ("NULL", None),
    "text": ("'a\"b,c\nd'", 'a"b,c\nd'),
    "empty text": ("''", ""),
}
"""Name -> an SQL expression and the JSON value it is told as."""


def told(format_: str, sql: str, folder: Path | None = None, batch_rows: int = 2) -> bytes:
    """Return the answer to a query of trusted SQL."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    relation = con.sql(sql)
    sink = Spool(folder, 1 << 30)
    reader = relation.to_arrow_reader(batch_rows)
    made = writer(format_, sink, reader.schema, [str(kind) for kind in relation.types])
    for batch in reader:
        made.write(batch)
    head = made.finish(dict(FACTS))
    body, file = sink.finish()
    con.close()
    return head + body + (Path(file).read_bytes() if file else b"")


@pytest.mark.parametrize("name", VALUES)
def test_values_are_told_exactly(name: str) -> None:
    """In JSON and NDJSON as such; in CSV as the same text, nested ones as JSON text."""
    expression, value = VALUES[name]
    sql = f"SELECT {expression} AS v"
    assert [[value]] == json.loads(told("json", sql))["rows"]
    assert [{"v": value}] == [json.loads(line) for line in told("ndjson", sql).splitlines()]
    header, fields = csv.reader(io.StringIO(told("csv", sql).decode(), newline=""))
    assert ["v"] == header
    if value is None:
        assert fields in ([], [""], ["nan"], ["inf"])
    else:
        [text] = fields
        assert (value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))) == text


@pytest.mark.parametrize("format_", MEDIA_TYPES)
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_every_format_tells_the_same_rows(format_: str, rows: int) -> None:
    """Whatever the batches; facts come with JSON, Arrow and Parquet."""
    sql = f"SELECT range AS n, 'x' || range AS t FROM range({rows})"
    expected = [[n, f"x{n}"] for n in range(rows)]
    body = told(format_, sql)
    match format_:
        case "json":
            answer = json.loads(body)
            assert expected == answer["rows"]
            assert FACTS.items() <= answer.items()
            assert [{"name": "n", "type": "BIGINT"}, {"name": "t", "type": "VARCHAR"}] == answer["columns"]
        case "ndjson":
            assert expected == [list(json.loads(line).values()) for line in body.splitlines()]
        case "csv":
            assert [["n", "t"], *([str(n), t] for n, t in expected)] == [*csv.reader(io.StringIO(body.decode()))]
        case _:
            table = pa.ipc.open_stream(body).read_all() if format_ == "arrow" else pq.read_table(io.BytesIO(body))
            assert expected == [list(row.values()) for row in table.to_pylist()]
            file = pq.read_metadata(io.BytesIO(body)).metadata if format_ == "parquet" else table.schema.metadata
            said = json.loads((file or {})[b"upshot"])
            assert (format_ == "arrow") == (said.pop("types", None) == ["BIGINT", "VARCHAR"])  # the engine's own types
            assert FACTS == said


def test_arrow_and_parquet_keep_types() -> None:
    """Arrow has all of DuckDB's; Parquet all but intervals, which are text there."""
    sql = "SELECT TIMESTAMPTZ '2026-01-02 00:00:00+00' AS t, 1.5::DECIMAL(9, 2) AS d, [1] AS l, INTERVAL 1 DAY AS i"
    arrow = pa.ipc.open_stream(told("arrow", sql)).read_all()
    assert [pa.timestamp("us", "UTC"), pa.decimal128(9, 2), pa.list_(pa.int32())] == arrow.schema.types[:3]
    parquet = pq.read_table(io.BytesIO(told("parquet", sql)))
    assert [{"t": datetime(2026, 1, 2, tzinfo=UTC), "i": "P1D"}] == parquet.select(["t", "i"]).to_pylist()
    assert pa.decimal128(9, 2) == parquet.schema.field("d").type


@pytest.mark.parametrize("format_", MEDIA_TYPES)
def test_columns_of_one_name_are_kept_apart(format_: str) -> None:
    """Where a format needs names that differ they do; JSON and Arrow tell them as they are."""
    body = told(format_, "SELECT 1 AS a, 2 AS a, 3 AS a_2")
    names = {
        "json": lambda: [column["name"] for column in json.loads(body)["columns"]],
        "ndjson": lambda: [*json.loads(body)],
        "csv": lambda: next(csv.reader(io.StringIO(body.decode()))),
        "arrow": lambda: pa.ipc.open_stream(body).schema.names,
        "parquet": lambda: pq.read_schema(io.BytesIO(body)).names,
    }[format_]()
    assert (["a", "a", "a_2"] if format_ in ("json", "arrow") else ["a", "a_3", "a_2"]) == names


@given(st.lists(st.sampled_from(["a", "a_2", "a_3", "b", ""]), max_size=8))
def test_distinct_names_are_distinct(names: list[str]) -> None:
    """No two are equal, and one that was the only one of its name keeps it."""
    made = distinct(names)
    assert len(set(made)) == len(names)
    assert all(new == old for new, old in zip(made, names, strict=True) if names.count(old) == 1)


@pytest.mark.parametrize("format_", MEDIA_TYPES)
def test_a_large_answer_goes_through_a_file(format_: str, tmp_path: Path) -> None:
    """It is the same as in memory, and the folder has one file then."""
    sql = "SELECT range AS n, md5(range::VARCHAR) || sha256(range::VARCHAR) AS t FROM range(250000)"
    large = told(format_, sql, tmp_path, 20_000)
    assert len(large) > IN_MEMORY
    assert 1 == len([*tmp_path.iterdir()])
    assert told(format_, sql, None, 20_000) == large


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_a_spool_keeps_what_was_written(pieces: Sequence[bytes]) -> None:
    """Up to its cap; one byte beyond is refused with the bound."""
    whole = b"".join(pieces)
    sink = Spool(None, len(whole))
    for piece in pieces:
        sink.write(piece)
    assert (whole, "") == sink.finish()
    with pytest.raises(QueryError, match=f"more than {len(whole)} bytes"):
        sink.write(b"x")


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """With its code, and the file is taken back."""
    with mounted(tmp_path, "-t", "tmpfs", "-o", f"size={IN_MEMORY + (2 << 20)}", "tmpfs"):
        sink = Spool(tmp_path, 1 << 30)
        with pytest.raises(TransientError, match="cannot be kept") as full:
            _fill(sink)
        assert "disk_full" == full.value.code
        sink.discard()
        assert [] == [*tmp_path.iterdir()]


def _fill(sink: Spool) -> None:
    for _ in range(20):
        sink.write(bytes(1 << 20))
