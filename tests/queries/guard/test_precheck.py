"""Gate 1: the limits on the text, at the bound and one above it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.guard import precheck as limits
from queries.guard.precheck import prechecked
from warehouse.errors import QueryError


def refusal(sql: str) -> QueryError:
    """Return the error with which gate 1 refuses `sql`."""
    with pytest.raises(QueryError) as caught:
        prechecked(sql)
    return caught.value


@pytest.mark.parametrize(
    ("accepted", "refused", "code"),
    [
        ("SELECT '" + "x" * (limits.MAX_BYTES - 9) + "'", "SELECT '" + "x" * (limits.MAX_BYTES - 8) + "'", "too_large"),
        ("é" * (limits.MAX_BYTES // 2), "é" * (limits.MAX_BYTES // 2 + 1), "too_large"),
        ("(" * 64 + ")" * 64, "(" * 65 + ")" * 65, "refused_statement"),
        ("[{(" * 21 + ")}]" * 21, "[{(" * 22 + ")}]" * 22, "refused_statement"),
        ("1" + "+1" * 2_000, "1" + "+1" * 2_001, "refused_statement"),
        ("a" + " AND a" * 2_000, "a" + " and a" * 2_001, "refused_statement"),
        ("1" + ",1" * 9_999, "1" + ",1" * 10_000, "refused_statement"),
        ("SELECT 1" + " UNION SELECT 1" * 500, "SELECT 1" + " union SELECT 1" * 501, "refused_statement"),
        ("a" + ".a" * 100, "a" + ".a" * 101, "refused_statement"),
        ("a" + "[1]" * 100, "a" + "[1]" * 101, "refused_statement"),
        ("a" + ".f(1)" * 100, "a" + ".f(1)" * 101, "refused_statement"),
        ("a" + "::INT" * 100, "a" + " :: INT" * 101, "refused_statement"),
        ("a" + " JOIN a" * 8, "a" + " JOIN a" * 9, "refused_statement"),
        ("a" + " LEFT JOIN a ON b" * 500, "a" + " LEFT JOIN a" * 9, "refused_statement"),
    ],
)
def test_limit_is_exact(accepted: str, refused: str, code: str) -> None:
    """What reaches a bound passes, one more is refused."""
    assert accepted == prechecked(accepted)
    assert code == refusal(refused).code


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("SELECT 1\x00", (1, 9)),
        ("SELECT\n '\x1b'", (2, 3)),
        ("\ufeffSELECT 1", (1, 1)),
        ("SELECT 1\rSELECT", (1, 9)),
        ("SELECT '\ud800'", (1, 9)),
        ("SELECT\n  (1", (2, 3)),
        ("SELECT 1)", (1, 9)),
        ("SELECT (1]", (1, 10)),
        ("SELECT\n'a", (2, 1)),
        ('SELECT "a', (1, 8)),
        ("SELECT E'\\'", (1, 8)),
        ("SELECT $a$ $b$", (1, 8)),
        ("SELECT 1 /* /* */", (1, 10)),
    ],
)
def test_broken_text_is_a_syntax_error_with_its_place(sql: str, place: tuple[int, int]) -> None:
    """Characters, brackets, quotes and comments that cannot be right are named with line and column."""
    error = refusal(sql)
    assert ("syntax", *place) == (error.code, error.line, error.col)


@pytest.mark.parametrize("sql", ["", " \n", ";", " ; ;\n"])
def test_nothing_is_a_syntax_error(sql: str) -> None:
    """A text without a statement says so."""
    assert refusal(sql).code == "syntax"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT '(' , \"[\", $$ { $$, $a$ ' ( $a$, E'\\' (' -- )\n",
        "SELECT /* ( /* [ */ ' */ 1",
        "SELECT 'it''s (', \"say \"\"[\"\"\", ''",
        "SELECT 1\r\nFROM runs\t",
        "SELECT $1, $name, $2::INT",
        "SELECT " + ", ".join(["a.b[1]::INT"] * 300),
        "SELECT 1 FROM a " + "CROSS JOIN a " * 50 + "NATURAL JOIN a " * 50,
    ],
)
def test_brackets_in_quotes_and_comments_do_not_count(sql: str) -> None:
    """Text that only looks like brackets or chains passes, without its trailing white space."""
    assert sql.rstrip() == prechecked(sql)


def test_only_trailing_semicolons_and_space_are_removed() -> None:
    """The text that will run is the caller's, up to what trails."""
    assert prechecked("  SELECT ';' ; -- x ;\n;") == "  SELECT ';' ; -- x"


@given(st.text(alphabet=st.sampled_from("aE1 \n\r'\"$()[]{},;.:-/*+\\é\x00\ufeff\ud800"), max_size=60))
def test_any_text_passes_or_is_refused_in_order(sql: str) -> None:
    """Gate 1 raises nothing but its own error, and what passes has only lost its end."""
    try:
        text = prechecked(sql)
    except QueryError:
        return
    assert sql.startswith(text)
    assert not sql[len(text) :].strip("; \t\r\n")
