"""Cursors: what was written is read, everything else is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.drill import cursors
from warehouse.errors import InputError


@given(at=st.integers(-(2**61), 2**61), id_=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_says_what_it_was_given(at: int, id_: str) -> None:
    """Whatever the id, and in an address as it is."""
    cursor = cursors.written("runs.newest", (at, id_))
    assert (at, id_) == cursors.position(cursor, "runs.newest", (int, str))
    assert cursor.isascii() and not set(cursor) & set("+/=?&% ")


@given(cursor=st.text())
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    """No text is an accident, and none is a cursor by chance."""
    with pytest.raises(InputError, match=r"cursor is .*must be the `next`"):
        cursors.position(cursor, "runs.newest", (int, str))


@pytest.mark.parametrize(
    "held",
    [
        '["runs.newest",1]',
        '["runs.newest","1","a"]',
        '["runs.newest",true,"a"]',
        '["runs.oldest",1,"a"]',
        '["runs.newest",1,"a",2]',
        '["runs.newest",9223372036854775807,"a"]',
        "[]",
        "{}",
        "[" * 5000,
    ],
)
def test_a_cursor_of_another_list_is_refused(held: str) -> None:
    """Another order, other types, another length, numbers beyond times."""
    with pytest.raises(InputError):
        cursors.position(base64.urlsafe_b64encode(held.encode()).decode().rstrip("="), "runs.newest", (int, str))
