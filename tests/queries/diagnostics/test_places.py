"""Places: tokens that are put together are found again, and the column that was meant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from queries.diagnostics import nearest_column, token_length, with_column_hint
from queries.guard.precheck import prechecked
from warehouse.errors import QueryError
from warehouse.schema import TABLE

names = st.from_regex(r"[A-Za-zżß日_][A-Za-z0-9żß日_]{0,12}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["C"]), max_size=12)
tokens = st.one_of(
    names,
    texts.map(lambda text: '"' + text.replace('"', '""') + '"'),
    texts.map(lambda text: "'" + text.replace("'", "''") + "'"),
    st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3})?(e-?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from(
        ["$$it's$$", "$a$ $$ $a$", "E'\\''", "$1", "$name", "->>", "->", "::", "||", "<=", "<>", "(", ",", "*"]
    ),
)
spaces = st.sampled_from([" ", "\n", "  ", " \n\t", "\n\n "])


@given(st.lists(st.tuples(tokens, spaces), min_size=1, max_size=12))
def test_every_token_of_a_text_has_its_length(parts: list[tuple[str, str]]) -> None:
    """Tokens with spaces between them are measured as they were written."""
    sql = "".join(token + space for token, space in parts)
    before = ""
    for token, space in parts:
        line, col = before.count("\n") + 1, len(before) - before.rfind("\n")
        assert len(token) == token_length(sql, line, col), (sql, line, col)
        before += token + space


@given(st.text(max_size=40), st.integers(-2, 50), st.integers(-2, 50))
def test_any_place_of_any_text_has_a_length(sql: str, line: int, col: int) -> None:
    """Beside tokens, and outside the text, there is always something to underline, inside the text."""
    length = token_length(sql, line, col)
    assert 1 <= length <= max(1, len(sql))


def test_places_of_refusals_cover_what_is_to_blame() -> None:
    """As a person would underline it."""
    sql = "SELECT sum(x), 'a''b',\n  \"my col\" FROM readparquet('x')"
    prechecked(sql)
    assert len("'a''b'") == token_length(sql, 1, 16)
    assert len('"my col"') == token_length(sql, 2, 3)
    assert len("readparquet") == token_length(sql, 2, 17)


@given(st.sampled_from(sorted(TABLE)), st.data())
def test_column_with_a_slip_is_found(table: str, data: st.DataObject) -> None:
    """One letter too few in a longer column, whatever its capitals: a name as near comes back."""
    columns = [column.name for column in TABLE[table].columns]
    column = data.draw(st.sampled_from([one for one in columns if len(one) > 4] or columns))
    at = data.draw(st.integers(0, len(column) - 1))
    near = nearest_column((column[:at] + column[at + 1 :]).upper(), [table])
    assert near in columns
    assert abs(len(str(near)) - len(column)) <= 2


def test_part_of_a_column_is_found() -> None:
    """A name that stands inside longer ones means the shortest of them."""
    assert nearest_column("model", ["spans"]) == "request_model"
    assert nearest_column("zzz", ["spans"]) is None
    assert nearest_column("id", ["no_table"]) is None


def test_hint_of_the_engine_is_kept_and_a_missing_one_is_made() -> None:
    """The engine knows aliases and subqueries; where it says nothing, the tables do."""
    told = QueryError('referenced column "statuss" not found', code="unknown_column", hint="did you mean x?")
    assert "did you mean x?" == with_column_hint(told, ["runs"]).hint
    mute = QueryError('table "r" does not have a column named "statuss"', code="unknown_column")
    assert "did you mean status?" == with_column_hint(mute, ["runs"]).hint
    other = QueryError('a "statuss"', code="engine_error")
    assert with_column_hint(other, ["runs"]).hint is None
