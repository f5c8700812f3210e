"""Ids that carry a time: the same day one by one and many at once; other ids carry none."""

from __future__ import annotations

import datetime as dt
import uuid

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import InputError
from warehouse.ids import day_in_id, day_text, days_in_ulids, new_id, workspace_name

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(ms: int, tail: int = 0) -> str:
    """Return a ULID as its specification writes it: 48 bits of milliseconds, 80 of chance, base 32."""
    number = (ms << 80) | tail
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


moments = st.datetimes(
    dt.datetime(1980, 1, 1),  # noqa: DTZ001 - bounds are given without a zone
    dt.datetime(2099, 12, 31, 23, 59, 59),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)


@given(moments, st.integers(0, 2**80 - 1), st.text(max_size=5), st.booleans())
def test_a_ulid_has_its_day_whatever_follows(at: dt.datetime, tail: int, more: str, lower: bool) -> None:  # noqa: FBT001
    """The day is that of its first 48 bits, in either case, with anything behind."""
    text = ulid(int(at.timestamp() * 1000), tail) + more
    day = day_in_id(text.lower() if lower else text)
    assert day is not None
    assert at.date().isoformat() == day_text(day)


@given(
    st.lists(
        st.text(max_size=40) | st.integers(0, 2**128 - 1).map(lambda n: ulid(n >> 80, n & (2**80 - 1))), max_size=20
    )
)
def test_many_at_once_are_as_one_by_one(ids: list[str]) -> None:
    """The vectorised route agrees with the plain one on every ULID, and finds nothing elsewhere."""
    expected = [-1 if (day := day_in_id(text)) is None else day for text in ids]
    assert expected == days_in_ulids(pa.array(ids, pa.string())).tolist()


@given(st.lists(st.tuples(st.sampled_from(["01", "02"]), st.integers(0, 16**30 - 1), st.sampled_from(["", "/a", "a"]))))
def test_a_trace_id_has_no_day_though_it_reads_as_a_ulid(ids: list[tuple[str, int, str]]) -> None:
    """32 hexadecimal digits are random (W3C Trace Context); with a letter more they are none."""
    texts = [f"{time}{tail:030x}{more}" for time, tail, more in ids]
    expected = [more != "a" for _, _, more in ids]
    assert expected == [day_in_id(text) is None for text in texts]
    assert expected == (days_in_ulids(pa.array(texts, pa.string())) < 0).tolist()


def test_a_minted_id_is_a_uuidv7_of_now() -> None:
    """Version 7, the variant of RFC 9562, and the milliseconds it was made at."""
    made = uuid.UUID(new_id(1_790_000_000_000))
    assert (7, uuid.RFC_4122, 1_790_000_000_000) == (made.version, made.variant, made.int >> 80)
    assert day_in_id(str(made)) == 1_790_000_000_000 // 86_400_000


@pytest.mark.parametrize(
    "text", ["", "run-1", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", ulid(0), "01M1D47Z005TX2WRHSK9KN7W6", "é" * 26]
)
def test_other_ids_carry_no_time(text: str) -> None:
    """Too short, out of range or of other letters: no day."""
    assert day_in_id(text) is None
    assert [-1] == days_in_ulids(pa.array([text], pa.string())).tolist()


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "-a", "a" * 64, "a.b"])
def test_a_workspace_cannot_leave_its_folder(name: str) -> None:
    """Only plain lower-case names can name a workspace."""
    with pytest.raises(InputError, match="is not a name"):
        workspace_name(name)
