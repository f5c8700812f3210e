"""Cutting JSON arrays: the same elements as a JSON parser sees, without ever understanding one."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.arrays import begins_array, elements
from warehouse.errors import InputError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(json_values, max_size=6), st.sampled_from([None, 0, 2]), st.booleans())
def test_elements_are_those_of_the_array(values: list[object], indent: int | None, ascii_only: bool) -> None:  # noqa: FBT001
    """Each element, parsed on its own, is the element that a JSON parser finds in the whole."""
    body = b" \n" + json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode() + b"\n"
    assert begins_array(body)
    assert values == [json.loads(element) for element in elements(body)]


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_cut_or_refused(tail: bytes) -> None:
    """Whatever follows the opening bracket is cut into elements or raises InputError, nothing else."""
    with contextlib.suppress(InputError):
        list(elements(b"[" + tail))


@pytest.mark.parametrize(
    "body", [b"[", b"[1,2", b'["a]', b"[{]", b"[[]", b'[{"a": 1]', b"[1] 2", b"[]]", b"[}", b'[1"', b"[" * 5000]
)
def test_arrays_that_do_not_close_are_malformed(body: bytes) -> None:
    """An array that breaks off, or that something follows, is malformed."""
    with pytest.raises(InputError) as caught:
        list(elements(body))
    assert caught.value.code == "malformed"


def test_depth_is_no_limit() -> None:
    """Elements nested a hundred thousand deep are cut like any other."""
    deep = b"[" * 100_000 + b"]" * 100_000
    assert [deep, b"1"] == list(elements(b"[" + deep + b",1]"))


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b" 1", b'"["'])
def test_other_bodies_begin_no_array(body: bytes) -> None:
    """Only a bracket begins an array."""
    assert not begins_array(body)
