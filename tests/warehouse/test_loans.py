"""Lent tokens: what a program that runs once is given instead of a key."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.rows import NOW
from warehouse.errors import TransientError
from warehouse.keys import Access, Keys
from warehouse.paths import DataPaths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3_600_000_000


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    """The keys of an empty folder."""
    with contextlib.closing(Keys(DataPaths(tmp_path))) as opened:
        yield opened


def test_a_loan_may_what_it_says_until_its_end(keys: Keys) -> None:
    """In its workspace, with its rights; the moment it ends it opens nothing."""
    token = keys.lend("sales", ["query"], NOW + HOUR, NOW, "report weekly")
    assert Access("sales", frozenset({"query"}), "report weekly") == keys.lent(token, NOW)
    assert keys.lent(token, NOW + HOUR - 1) is not None
    assert keys.lent(token, NOW + HOUR) is None


def test_a_loan_is_no_key(keys: Keys) -> None:
    """A server that is open stays open, no list shows it, and nobody signs in with it."""
    token = keys.lend("default", ["query"], NOW + HOUR, NOW, "report weekly")
    assert not keys.any()
    assert [] == keys.entries()
    assert keys.access(token) is None
    assert keys.sign_in(token, NOW) is None


def test_a_loan_that_was_ended_opens_nothing(keys: Keys) -> None:
    """Others of the same name stay."""
    first, second = (keys.lend("default", ["query"], NOW + HOUR, NOW, "report weekly") for _ in range(2))
    keys.end_loan(first)
    assert keys.lent(first, NOW) is None
    assert keys.lent(second, NOW) is not None


def test_the_token_is_nowhere_on_disk(keys: Keys) -> None:
    """Only its hash is."""
    token = keys.lend("default", ["query"], NOW + HOUR, NOW, "report weekly")
    keys.close()
    files = [path.read_bytes() for path in keys.path.parent.iterdir() if path.is_file()]
    assert files
    assert not any(token.encode() in content or token[4:].encode() in content for content in files)


def test_a_flipped_right_is_found(keys: Keys) -> None:
    """A damaged row gives nobody more than was lent."""
    token = keys.lend("default", ["query"], NOW + HOUR, NOW, "report weekly")
    with contextlib.closing(sqlite3.connect(keys.path)) as con, con:
        con.execute("UPDATE loan SET rights = 'admin,query'")
    with pytest.raises(TransientError, match="checksum"):
        keys.lent(token, NOW)


def test_ended_loans_do_not_pile_up(keys: Keys) -> None:
    """The next loan clears away those that have ended."""
    for hour in range(5):
        keys.lend("default", ["query"], NOW + (hour + 1) * HOUR, NOW + hour * HOUR, "report weekly")
    with contextlib.closing(sqlite3.connect(keys.path)) as con:
        assert (1,) == con.execute("SELECT count(*) FROM loan").fetchone()
