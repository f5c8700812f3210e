"""DuckDB's own complaints, as raised by DuckDB, turned into errors a caller may see."""

from __future__ import annotations

import duckdb
import pytest

from queries.guard.explain import engine_error


def raised(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the text of the exception that `sql` ends in."""
    with pytest.raises(duckdb.Error) as caught:
        connection.execute(sql).fetchall()
    return str(caught.value)


LONG = "SELECT id,\n  " + "1, " * 60 + "idd," + " 2," * 60 + " 3 FROM runs"


@pytest.mark.parametrize(
    ("sql", "code", "place", "hint"),
    [
        ("SELECT idd FROM runs", "unknown_column", (1, 8), "id"),
        ("SELECT\n  r.statuss\nFROM runs r", "unknown_column", (2, 3), "status"),
        ("SELECT x.id FROM runs", "unknown_column", (1, 8), "runs"),
        ("SELECT 1 FROM runs a JOIN steps b USING (nope)", "unknown_column", (None, None), None),
        ("SELECT COLUMNS('zzz') FROM runs", "unknown_column", (1, 8), None),
        ("SELECT * FROM rums", "unknown_table", (1, 15), "runs"),
        ("SELECT foo(id) FROM runs", "refused_function", (1, 8), None),
        ("SELECT sum(id", "syntax", (1, 12), None),
        ("SELECT 'a'::INT", "engine_error", (1, 11), None),
        ("SELECT lower(1, 2)", "engine_error", (1, 8), None),
        ("SELECT $a", "bad_parameter", (None, None), None),
        ("SELECT 5 // 0", "engine_error", (None, None), None),
        (LONG, "unknown_column", (2, 183), "id"),
    ],
)
def test_complaint_keeps_code_place_and_suggestion(
    sql: str, code: str, place: tuple[int | None, int | None], hint: str | None, empty_tables: duckdb.DuckDBPyConnection
) -> None:
    """The engine's message becomes a code, a place in the caller's text and what was meant."""
    error = engine_error(raised(empty_tables, sql), sql)
    assert (code, place) == (error.code, (error.line, error.col))
    assert "LINE" not in error.message
    assert "Error:" not in error.message
    if hint is not None:
        assert hint in str(error.hint)


def test_shortened_excerpt_without_the_text_gives_the_line_only(empty_tables: duckdb.DuckDBPyConnection) -> None:
    """Where DuckDB cut its excerpt, a column nobody can know is not invented."""
    error = engine_error(raised(empty_tables, LONG))
    assert (error.line, error.col) == (2, None)


@pytest.mark.parametrize(
    ("message", "code", "secret"),
    [
        ('IO Error: Could not read "/data/w/a/runs/day=2026-01-01/a.parquet": gone', "engine_error", "/data"),
        ("Invalid Input Error: No magic bytes in file '/data/w/x/day=2026-01-01/b.parquet'", "engine_error", "/data"),
        ("INTERNAL Error: index 1 within vector of size 1 /build/src/x.cpp", "engine_error", "/build"),
        ('Binder Error: about internal."hot_runs" and internal.sealed_hidden', "engine_error", "internal."),
        ('Binder Error: about "memory"."internal"."hidden_spans"', "engine_error", "hidden_spans"),
        ('Binder Error: Referenced column "x" not found\nCandidate bindings: "_arrival"', "unknown_column", "_arrival"),
        ('Catalog Error: Table with name x does not exist!\nDid you mean "pg_class"?', "unknown_table", "pg_class"),
        ("Out of Memory Error: failed to allocate 1.0 GiB (953.6 MiB used) /mnt/spill/x", "memory_limit", "/mnt"),
        ("INTERRUPT Error: Interrupted!", "timeout", "/"),
        ("Conversion Error: Could not convert string 's3://bucket/a/b/c' to INT32", "engine_error", "bucket"),
        ("Binder Error: Pivot limit exceeded. Use SET pivot_limit=X to increase the limit.", "engine_error", "SET"),
        ("Invalid Input Error: x. Use TRY(...), or SET error_on_x=false to return NULL.", "engine_error", "SET"),
    ],
)
def test_nothing_internal_passes(message: str, code: str, secret: str) -> None:
    """Paths, internal and physical names, and advice about settings are not repeated."""
    error = engine_error(message)
    assert code == error.code
    assert secret not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    "message", ["", "x", "LINE 1: ", "Error: ", "LINE 9: x\n        ^", "Binder Error: " + "x" * 999]
)
def test_odd_message_is_still_an_engine_error(message: str) -> None:
    """Whatever the engine says, the answer is one coded error of bounded length."""
    error = engine_error(message, "SELECT 1")
    assert error.code == "engine_error"
    assert len(error.message) <= 500
