"""Queries: the rows in every form, what is said of them, parameters, moments, the caret, memory."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import tracemalloc
import uuid
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import upshot
from tests.client.conftest import RUNS
from upshot._errors import drawing
from upshot._values import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server import Server

OTHER_FORM = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)


@contextlib.contextmanager
def without_arrow() -> Iterator[None]:
    """Ask as a machine without pyarrow does: for JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("upshot._result.arrow_is_here", lambda: False)
        yield


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), max_size=20)  # the guard has no others in SQL
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - of both kinds
INTEGERS = st.integers(-(2**63), 2**63 - 1)
HUGE = st.integers(-(10**37), 10**37)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(-(10**6), 10**6, places=3)

KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    "BIGINT": (INTEGERS, str),
    "HUGEINT": (HUGE, lambda value: f"'{value}'"),
    "DOUBLE": (FLOATS, lambda value: f"'{value!r}'"),
    "BOOLEAN": (st.booleans(), str),
    "VARCHAR": (TEXTS, _text),
    "DATE": (DAYS, lambda value: f"'{value}'"),
    "TIMESTAMP": (MOMENTS, lambda value: f"'{value}'"),
    "TIMESTAMPTZ": (MOMENTS.map(lambda value: value.replace(tzinfo=dt.UTC)), lambda value: f"'{value}'"),
    "TIME": (st.times(), lambda value: f"'{value}'"),
    "DECIMAL(12,3)": (DECIMALS, lambda value: f"'{value}'"),
    "BLOB": (st.binary(max_size=9), lambda value: _text("".join(f"\\x{byte:02X}" for byte in value))),
    "UUID": (st.uuids().map(str), _text),
    "BIGINT[]": (st.lists(INTEGERS, max_size=3), str),
    "DATE[]": (st.lists(DAYS, max_size=3), lambda value: str([str(day) for day in value])),
    'STRUCT(a HUGEINT, "b, c" VARCHAR)': (
        st.fixed_dictionaries({"a": HUGE, "b, c": TEXTS}),
        lambda value: f"""{{'a': '{value["a"]}'::HUGEINT, 'b, c': {_text(value["b, c"])}}}""",
    ),
    "MAP(INTEGER, DATE)": (
        st.dictionaries(st.integers(-9, 9), DAYS, max_size=3),
        lambda value: f"MAP {{{', '.join(f'{key}: DATE {item.isoformat()!r}' for key, item in value.items())}}}",
    ),
}
"""The engine's type -> the values, which are what Python has them as, and how SQL writes one."""


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    """Draw types of columns, and rows; any value may be null."""
    kinds = draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=5))
    row = st.tuples(*(st.none() | KINDS[kind][0] for kind in kinds)).map(list)
    return kinds, draw(st.lists(row, min_size=1, max_size=5))


@OTHER_FORM
@example((["BIGINT"], [[2**53 + 1], [None]]))
@example((["DOUBLE", "DOUBLE"], [[0.1, None], [-0.0, 5e-324]]))
@given(tables())
def test_every_form_has_the_same_rows(client: upshot.Client, drawn: tuple[list[str], list[list[Any]]]) -> None:
    """Values written as SQL literals come back equal: as dicts from Arrow and from JSON, and in both frames."""
    kinds, rows = drawn
    written = ", ".join(
        f"({n}, {', '.join(_cast(kind, value) for kind, value in zip(kinds, row, strict=True))})"
        for n, row in enumerate(rows)
    )
    names = [f"c{at}" for at in range(len(kinds))]
    sql = f"SELECT {', '.join(names)} FROM (VALUES {written}) AS t (n, {', '.join(names)}) ORDER BY n"
    wanted = [dict(zip(names, row, strict=True)) for row in rows]

    arrow = client.query(sql)
    assert wanted == arrow.rows() == list(arrow)
    with without_arrow():
        plain = client.query(sql)
    assert wanted == plain.rows()
    assert [list(map(type, row.values())) for row in plain] == [list(map(type, row.values())) for row in arrow]
    assert len(rows) == len(arrow) == len(plain) == arrow.row_count
    assert names == [column.name for column in arrow.columns] == [column.name for column in plain.columns]

    polars, pandas = arrow.polars(), arrow.pandas()
    for at, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        column = [row[at] for row in rows]
        if kind == "HUGEINT":  # decimals where a value has more than 64 bits; equal either way
            assert column == [None if value is None else int(value) for value in polars[name].to_list()]
        elif kind.startswith("STRUCT"):
            assert [value and value["b, c"] for value in column] == [
                value and value["b, c"] for value in polars[name].to_list()
            ]
        else:
            assert column == polars[name].to_list()
        if kind in ("BIGINT", "BOOLEAN", "VARCHAR", "DATE", "UUID", "DECIMAL(12,3)", "BLOB", "TIME", "TIMESTAMPTZ"):
            assert column == [None if _is_null(value) else value for value in pandas[name].tolist()]


def _cast(kind: str, value: Any) -> str:
    return f"CAST({'NULL' if value is None else KINDS[kind][1](value)} AS {kind})"


def _is_null(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value  # noqa: PLR0124 - NaN


def test_columns_say_the_engines_types(client: upshot.Client) -> None:
    """The same whether Arrow or JSON came; names are distinct."""
    sql = "SELECT 1 AS n, '{}'::JSON AS n, uuid() AS u, sum(1) AS s, MAP {'a': [1.5]} AS m, now() AS t"
    arrow = client.query(sql)
    with without_arrow():
        plain = client.query(sql)
    types = ["INTEGER", "JSON", "UUID", "HUGEINT", "MAP(VARCHAR, DECIMAL(2,1)[])", "TIMESTAMP WITH TIME ZONE"]
    assert ["n", "n_2", "u", "s", "m", "t"] == [column.name for column in arrow.columns] == arrow.arrow().column_names
    assert types == [column.type for column in arrow.columns]
    assert arrow.columns == plain.columns
    assert (1, "{}", 1, {"a": [Decimal("1.5")]}) == tuple(arrow.rows()[0][name] for name in ("n", "n_2", "s", "m"))


def test_values_that_python_has_no_type_for(client: upshot.Client) -> None:
    """Intervals are ISO 8601, finer times lose what is below a microsecond; without Arrow NaN is None."""
    sql = "SELECT INTERVAL '1 month -2 days 3.5 seconds' AS i, TIMESTAMP_NS '2026-01-02 03:04:05.123456789' AS ns"
    wanted = {"i": "P1M-2DT3.5S", "ns": dt.datetime(2026, 1, 2, 3, 4, 5, 123456)}  # noqa: DTZ001 - has none
    assert [wanted] == client.query(sql).rows()
    with without_arrow():
        assert [wanted] == client.query(sql).rows()
        assert [{"f": None}] == client.query("SELECT 'nan'::DOUBLE AS f").rows()
    assert math.isnan(client.query("SELECT 'nan'::DOUBLE AS f").rows()[0]["f"])
    with pytest.raises(upshot.Error, match="column 'i' is an interval"):
        client.query(sql).polars()


@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_names_of_struct_fields_are_read_back(one: str, other: str) -> None:
    """Whatever stands in a quoted name, brackets, commas and quotes included."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in (one, f"{other}2")]
    read = reader(f"STRUCT({quoted[0]} DATE, {quoted[1]} STRUCT(a DATE[], b VARCHAR))[2]")
    assert read is not None
    day = dt.date(2026, 1, 2)
    sent = {one: "2026-01-02", f"{other}2": {"a": ["2026-01-02", None], "b": "2026-01-02"}}
    if one != f"{other}2":
        assert [{one: day, f"{other}2": {"a": [day, None], "b": "2026-01-02"}}] == read([sent])


def test_what_is_said_of_the_rows(client: upshot.Client) -> None:
    """Counts, time, snapshot and bytes, from either form."""
    arrow = client.query("SELECT id FROM runs")
    with without_arrow():
        plain = client.query("SELECT id FROM runs")
    for rows in (arrow, plain):
        assert (RUNS, False) == (rows.row_count, rows.truncated)
        assert rows.elapsed_ms > 0
        assert {"rows_scanned", "bytes_scanned", "limits"} == rows.stats.keys()
        assert f"<Result: {RUNS} rows x 1 columns>" == repr(rows)
    assert arrow.snapshot == plain.snapshot
    assert RUNS == sum(batch.num_rows for batch in arrow.batches())


def test_a_truncated_answer_warns_once_where_it_was_asked(client: upshot.Client, server: Server) -> None:
    """The limit is named; sync, async and streamed."""

    async def asked(*, streamed: bool) -> None:
        async with upshot.AsyncClient(server.url) as twin:
            if streamed:
                async with twin.stream("SELECT id FROM runs", limit=7) as rows:
                    assert rows.truncated
            else:
                assert (await twin.query("SELECT id FROM runs", limit=7)).truncated

    def stream() -> None:
        with client.stream("SELECT id FROM runs", limit=7) as rows:
            assert 7 == sum(batch.num_rows for batch in rows)

    def query() -> None:
        rows = client.query("SELECT id FROM runs", limit=7)
        assert rows.truncated and 7 == len(rows.rows()) == rows.polars().height

    for work in (query, stream, lambda: asyncio.run(asked(streamed=True)), lambda: asyncio.run(asked(streamed=False))):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
        assert [upshot.TruncatedWarning] == [warning.category for warning in caught]
        assert "the first 7 rows and there are more: the limit is 7;" in str(caught[0].message)
        assert __file__ == caught[0].filename


def test_parameters_of_every_kind(client: upshot.Client) -> None:
    """By place, by name, and values that JSON has no form for."""
    assert [{"a": 1, "b": "x"}] == client.query("SELECT ? AS a, ? AS b", [1, "x"]).rows()
    given = {
        "i": np.int64(7),
        "f": np.float64(0.5),
        "when": dt.datetime(2026, 9, 1, tzinfo=dt.UTC),
        "day": dt.date(2026, 9, 1),
        "ids": ("a", "b"),
        "uuid": uuid.UUID(int=1),
        "none": None,
    }
    sql = "SELECT $i AS i, $f AS f, $when::TIMESTAMPTZ AS t, $day::DATE AS d, len($ids) AS n, $uuid AS u, $none AS z"
    at = {"t": given["when"], "d": given["day"], "n": 2, "u": str(given["uuid"]), "z": None}
    assert [{"i": 7, "f": 0.5, **at}] == client.query(sql, given).rows()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": {"b": [1, math.nan]}}, "params.a.b[1] is nan, must be a finite number"),
        ([math.inf], "params.[0] is inf, must be a finite number"),
        ({"a": object()}, "params.a is a object, which has no form in JSON"),
        ({"a": {(1, 2): 3}}, "params.a has the key (1, 2), must have keys that are text"),
        ("abc", "params is text, must be a list of values of ?"),
    ],
)
def test_what_cannot_be_sent_is_named(client: upshot.Client, params: Any, message: str) -> None:
    """By its path, before anything is sent."""
    with pytest.raises(upshot.ArgumentError) as raised:
        client.query("SELECT 1", params)
    assert message in str(raised.value)


def test_known_at_is_pinned_by_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`UPSHOT_KNOWN_AT` holds for every query and report; an argument outranks the client's, that the variable."""
    sql = "SELECT count(*) AS n FROM scores WHERE name = 'solved'"
    before, after = "2026-01-01T00:00:00Z", dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    monkeypatch.setenv("UPSHOT_KNOWN_AT", before)
    with upshot.Client(server.url) as pinned, upshot.Client(server.url, known_at=after) as other:
        assert [{"n": 0}] == pinned.query(sql).rows()
        assert [{"n": RUNS}] == pinned.query(sql, known_at=after).rows()
        assert [{"n": RUNS}] == other.query(sql).rows()
        with pinned.stream(sql) as batches:
            assert [{"n": 0}] == [row for batch in batches for row in batch.to_pylist()]
        with pytest.raises(upshot.NotFoundError):
            pinned.experiments.report("prompt", score="solved")
        report = pinned.experiments.report("prompt", score="solved", known_at=after)
        assert 2099 == dt.datetime.fromisoformat(report.to_dict()["known_at"]).year
        clocks = [other.experiments.report("prompt").to_dict()[clock] for clock in ("as_of", "known_at")]
        assert [after, after] == [dt.datetime.fromisoformat(clock) for clock in clocks]

    async def asked() -> list[dict[str, Any]]:
        async with upshot.AsyncClient(server.url) as client:
            return (await client.query(sql)).rows()

    assert [{"n": 0}] == asyncio.run(asked())


def test_a_bad_statement_is_drawn(client: upshot.Client) -> None:
    """The line of the SQL, carets under the place, the hint; the facts as attributes."""
    sql = "SELECT count(*)\nFROM rums AS r\nWHERE true"
    with pytest.raises(upshot.QueryError) as raised:
        client.query(sql)
    error = raised.value
    assert ("unknown_table", 2, 6, 4, 400, sql) == (
        error.code, error.line, error.col, error.length, error.status, error.sql,
    )  # fmt: skip
    assert error.request_id
    drawn = "there is no table 'rums'\n  FROM rums AS r\n       ^^^^\nhint: did you mean runs?"
    assert drawn == str(error)


@pytest.mark.parametrize(
    ("sql", "place", "lines"),
    [
        ("SELECT 'é' AS x, y", (1, 18, 1), ("  SELECT 'é' AS x, y", "                   ^")),
        # Wide characters take two columns, combining ones none; a tab is shown as one.
        ("SELECT '日本', y", (1, 14, 1), ("  SELECT '日本', y", "                 ^")),
        ("SELECT 'e\u0301', yy", (1, 14, 2), ("  SELECT 'e\u0301', yy", "              ^^")),
        ("\tSELECT y", (1, 9, 1), ("   SELECT y", "          ^")),
        ("SELECT 日本", (1, 8, 2), ("  SELECT 日本", "         ^^^^")),
        # What a terminal would obey is not sent to it.
        ("SELECT '\x1b[2J\u202e', y", (1, 16, 1), ("  SELECT '\ufffd[2J\ufffd', y", "                 ^")),
        # A place at the end, and beyond it.
        ("SELECT (", (1, 9, 1), ("  SELECT (", "          ^")),
        ("SELECT 1", (1, 99, 3), ("  SELECT 1", "          ^")),
        ("SELECT 1", (2, 1, 1), ()),
    ],
)
def test_the_caret_stands_under_its_character(sql: str, place: tuple[int, int, int], lines: tuple[str, ...]) -> None:
    """Counted by hand in the columns of a terminal."""
    assert lines == drawing(sql, *place)


@given(st.text(max_size=400), st.integers(-3, 500), st.integers(-3, 500), st.integers(-3, 500))
def test_any_place_can_be_drawn(sql: str, line: int, col: int, length: int) -> None:
    """Two short lines, or none."""
    lines = drawing(sql, line, col, length)
    assert len(lines) in (0, 2)
    assert all(len(one) <= 2 * 120 + 2 and "\n" not in one and "\x1b" not in one for one in lines)


ROWS = 300_000
BIG = f"SELECT a.id || b.id || a.function_id AS id, b.started_at AS t FROM runs a, runs b, range(4) LIMIT {ROWS}"


@contextlib.contextmanager
def held() -> Iterator[Callable[[], int]]:
    """Trace what Python and Arrow hold together; what is yielded returns the most so far."""
    tracemalloc.start()
    pool = pa.default_memory_pool()
    base, most = pool.bytes_allocated(), 0

    def peak() -> int:
        nonlocal most
        most = max(most, pool.bytes_allocated() - base)
        return most + tracemalloc.get_traced_memory()[1]

    try:
        yield peak
    finally:
        tracemalloc.stop()


def test_streaming_holds_a_few_batches(client: upshot.Client, server: Server) -> None:
    """Of 300,000 rows, in batches of 20,000 at the most, never a third; `query` holds them all."""
    with held() as peak:
        whole = client.query(BIG, limit=ROWS).arrow()
        size = whole.nbytes
        assert peak() > size
        del whole
    rows = 0
    with held() as peak, client.stream(BIG, limit=ROWS) as stream:
        assert (ROWS, ["id", "t"]) == (stream.row_count, [column.name for column in stream.columns])
        for batch in stream.batches():
            rows += batch.num_rows
            assert peak() < size / 3
    assert ROWS == rows

    async def asked() -> int:
        rows = 0
        async with upshot.AsyncClient(server.url) as twin, twin.stream(BIG, limit=ROWS) as stream:
            async for batch in stream.batches():
                rows += batch.num_rows
                assert peak() < size / 3
        return rows

    with held() as peak:
        assert ROWS == asyncio.run(asked())


def test_a_stream_that_is_left_gives_its_connection_back(client: upshot.Client) -> None:
    """Many streams, each left after a batch: the next call still finds a connection."""
    for _ in range(30):
        with client.stream(BIG, limit=ROWS) as stream:
            assert next(iter(stream)).num_rows
    assert [{"a": 1}] == client.query("SELECT 1 AS a").rows()
    with pytest.raises(upshot.QueryError, match="there is no table 'rums'"), client.stream("SELECT 1 FROM rums"):
        pass


def test_a_result_shows_itself_escaped(client: upshot.Client) -> None:
    """A notebook gets a table of the first rows, with nothing of the values as markup."""
    rows = client.query("SELECT '<script>alert(1)</script>' AS \"<b>\" FROM runs LIMIT 30")
    shown = rows._repr_html_()
    assert "<script>" not in shown and "<b>" not in shown
    assert 20 == shown.count("&lt;script&gt;")
    assert "30 rows, 10 not shown" in shown
