"""Tokens of browsers that signed in: they stand for a key, end by themselves, by signing out, and with the key."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.rows import NOW
from warehouse.keys import SIGN_IN_SECONDS, Keys
from warehouse.paths import DataPaths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000
THIRTY_DAYS = 30 * 24 * 60 * 60 * SECOND


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    """The keys of an empty folder."""
    with contextlib.closing(Keys(DataPaths(tmp_path))) as opened:
        yield opened


def test_a_token_stands_for_its_key(keys: Keys) -> None:
    """The same workspace, the same rights, the same id; and it is not the key."""
    key = keys.create("support", ["query", "admin"], NOW)
    token = keys.sign_in(key, NOW)
    assert token is not None and token != key
    assert keys.access(key) == keys.signed_in(token, NOW)
    assert keys.access(token) is None  # it is no key: `Authorization: Bearer` does not take it
    assert keys.signed_in(key, NOW) is None


def test_a_token_ends_after_thirty_days(keys: Keys) -> None:
    """To the microsecond, by a clock that is told; whoever signs in later clears what ended."""
    assert THIRTY_DAYS == SIGN_IN_SECONDS * SECOND
    key = keys.create("default", ["query"], NOW)
    token = keys.sign_in(key, NOW)
    assert token is not None
    assert keys.signed_in(token, NOW + THIRTY_DAYS - 1) is not None
    assert keys.signed_in(token, NOW + THIRTY_DAYS) is None
    other = keys.sign_in(key, NOW + THIRTY_DAYS)
    assert other is not None and keys.signed_in(other, NOW + THIRTY_DAYS) is not None
    with contextlib.closing(sqlite3.connect(keys.path)) as con:
        assert [(1,)] == con.execute("SELECT count(*) FROM sign_in").fetchall()


def test_signing_out_ends_one_token(keys: Keys) -> None:
    """The other browser stays signed in; a second time, or a token that never was, is no error."""
    key = keys.create("default", ["query"], NOW)
    here, there = keys.sign_in(key, NOW), keys.sign_in(key, NOW)
    assert here is not None and there is not None and here != there
    for token in (here, here, "ups_never", ""):
        keys.sign_out(token)
    assert keys.signed_in(here, NOW) is None
    assert keys.signed_in(there, NOW) is not None


def test_a_token_ends_with_its_key(keys: Keys) -> None:
    """From the moment the key is revoked; another key's stays."""
    first, second = (keys.create("default", ["query"], NOW, name) for name in ("one", "two"))
    ended, kept = keys.sign_in(first, NOW), keys.sign_in(second, NOW)
    assert ended is not None and kept is not None
    keys.revoke("one", NOW + 1)
    assert keys.signed_in(ended, NOW + 1) is None
    assert keys.signed_in(kept, NOW + 1) is not None
    assert keys.sign_in(first, NOW + 2) is None


@pytest.mark.parametrize("key", ["", "upk_", "upk_" + "x" * 43, "nothing", "\x00", "clé"])
def test_what_is_no_key_signs_nobody_in(keys: Keys, key: str) -> None:
    """Nor is it a token."""
    keys.create("default", ["query"], NOW)
    assert keys.sign_in(key, NOW) is None
    assert keys.signed_in(key, NOW) is None


def test_neither_key_nor_token_is_kept(keys: Keys) -> None:
    """The file has their hashes only: whoever reads a backup of it can sign in with nothing."""
    key = keys.create("default", ["query"], NOW)
    token = keys.sign_in(key, NOW)
    assert token is not None
    folder = keys.path.parent
    kept = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert b"sign_in" in kept
    for secret in (key, token, key.removeprefix("upk_"), token.removeprefix("ups_")):
        assert secret.encode() not in kept


def test_a_token_outlives_the_process(tmp_path: Path) -> None:
    """A restart of the server signs nobody out."""
    data = DataPaths(tmp_path)
    with contextlib.closing(Keys(data)) as keys:
        key = keys.create("default", ["query"], NOW)
        token = keys.sign_in(key, NOW)
    assert token is not None
    with contextlib.closing(Keys(data)) as keys:
        assert keys.access(key) == keys.signed_in(token, NOW + 1)
