"""The recomputed choice of a variant, against the vectors of reference/inngest.md and against Node."""

from __future__ import annotations

import itertools
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.experiments.bucketing import Cuts, as_number, in_order, number_text, point
from warehouse.errors import InputError

WEIGHTS: tuple[dict[str, float], ...] = (
    {"a": 1, "b": 1}, {"control": 80, "new_flow": 20}, {"gpt4": 50, "claude": 50}, {"a": 1, "b": 1, "c": 1},
    {"a": 70, "b": 30}, {"B": 1, "a": 1}, {"a": 0, "b": 1},
)  # fmt: skip

# Computed with the SDK's steps in Node 20, ICU 78.2, en-US (reference/inngest.md section 9).
VECTORS = (
    ("", 0.8894159948, "b new_flow gpt4 c b B b"),
    ("user-1", 0.7764059240, "b control gpt4 c b B b"),
    ("account_123", 0.1671766031, "a control claude a a a b"),
    ("1", 0.4200240641, "a control claude b a a b"),
    ("42", 0.4503076496, "a control claude b a a b"),
    ("true", 0.7099402014, "b control gpt4 c b B b"),
    ("Zoë", 0.7758964654, "b control gpt4 c b B b"),
    ("日本", 0.8092460064, "b new_flow gpt4 c b B b"),
    ("01HZX3V6J8Q0000000000000AA", 0.8004134963, "b new_flow gpt4 c b B b"),
    ("01ARZ3NDEKTSV4RRFFQ69G5FAV", 0.5573170006, "b control gpt4 b a B b"),
)

# [...printable ASCII].sort((a, b) => a.localeCompare(b)) in Node 20.20, ICU 78.2, en-US.
ASCII = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ"

# The names of reference/inngest.md that are ASCII, in ICU's order.
NAMES = (
    "_x", "-x", "1", "10", "2", "a", "A", "a_b", "a-b", "aa", "ab", "b", "B", "control", "Control", "gpt-4.1",
    "gpt-4o", "gpt-5", "v 1", "v_1", "v-1", "v.1",
)  # fmt: skip

# String(number) in Node 20.20.
NUMBERS = (
    (1.0, "1"), (-0.0, "0"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (123456789012345680000.0,
    "123456789012345680000"), (1.5e300, "1.5e+300"), (0.1, "0.1"), (-2.5, "-2.5"), (0.000001, "0.000001"),
    (1e-7, "1e-7"), (1.25e-7, "1.25e-7"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    (100.0, "100"), (120.5, "120.5"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"),
)  # fmt: skip

# Random weights, their order, a key and its variant, by the SDK's steps in Node 20.20 (seeded; 30,000 more agreed).
DRAWN: tuple[tuple[dict[str, float], str, str, str], ...] = (
    ({"vzu": 7, "v90.": 33.3, "v_.": 50, "vD": 0, "vd": 0.3}, "v_. | v90. | vd | vD | vzu", "k514855051", "v_."),
    ({"vB": 0, "vB_B9": 50, "va7B_": 1, "v09a": 0}, "v09a | va7B_ | vB | vB_B9", "k900647972", "vB_B9"),
    ({"v0B_": 7, "v-A": 0.1, "vU-": 0, "v|": 7}, "v-A | v| | v0B_ | vU-", "k252012226", "v|"),
    ({"vAaa-": 0.2, "v9_": 1, "v_-": 0.1, "v@": 7, "vb0s": 0}, "v_- | v@ | v9_ | vAaa- | vb0s", "k869991971", "v@"),
    ({"vl": 0.3, "v_oa?": 7, "v19": 1, "vaboZ": 0.2, "v.": 7}, "v_oa? | v. | v19 | vaboZ | vl", "k275062262", "v_oa?"),
    ({"vkb{": 0.1, "v0L.": 0.1, "vbZ1": 0, "v0": 0.1}, "v0 | v0L. | vbZ1 | vkb{", "k672122047", "v0L."),
    ({"v_1A-": 33.3, "vbB": 33.3, "v-": 0, "vw910": 50}, "v_1A- | v- | vbB | vw910", "k857104558", "vw910"),
    ({"v30-": 0, "v..": 0.1, "v-": 0.3, "v1A": 50, "vS1.9": 0}, "v- | v.. | v1A | v30- | vS1.9", "k844489794", "v1A"),
    ({"vQb": 1, "v0_`1": 7, "v}M": 7, "v-": 0.3}, "v- | v}M | v0_`1 | vQb", "k488421759", "v}M"),
    ({"vO00": 1, "vG1": 1e-09, "vb/G": 0.1, "vaa_": 0.3}, "vaa_ | vb/G | vG1 | vO00", "k191757379", "vO00"),
)

names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=5)
weights = st.dictionaries(names, st.floats(0, 1e9) | st.integers(0, 100), min_size=1, max_size=8).filter(
    lambda made: sum(made.values()) > 0
)


@pytest.mark.parametrize(("key", "place", "chosen"), VECTORS)
def test_the_published_vectors(key: str, place: float, chosen: str) -> None:
    """Point and variant of each key under each choice of weights."""
    assert place == pytest.approx(point(key), abs=5e-11)
    assert chosen.split() == [Cuts.of(made).variant(key) for made in WEIGHTS]


@pytest.mark.parametrize(("made", "ordered", "key", "chosen"), DRAWN)
def test_drawn_by_node(made: dict[str, float], ordered: str, key: str, chosen: str) -> None:
    """Awkward names and weights."""
    assert ordered == " | ".join(in_order(made))
    assert chosen == Cuts.of(made).variant(key)


def test_no_key_is_the_empty_string() -> None:
    """Null and undefined are hashed as the empty string."""
    assert point("") == point(None)
    assert Cuts.of({"a": 1, "b": 1}).variant(None) == "b"


def test_the_order_is_localecompares() -> None:
    """All of printable ASCII and the reference's names, from any order, come out as ICU has them."""
    assert list(ASCII) == in_order(dict.fromkeys(sorted(ASCII)))
    assert list(NAMES) == in_order(dict.fromkeys(sorted(NAMES, reverse=True)))


@given(st.lists(names, unique=True))
def test_case_decides_last(made: list[str]) -> None:
    """Names sort as their lower case does; of two that differ by case alone, the first lower one leads."""
    ordered = in_order(dict.fromkeys(made))
    assert sorted(made) == sorted(ordered)
    places = [[ASCII.lower().index(character) for character in name.lower()] for name in ordered]
    assert sorted(places) == places
    for first, second in itertools.pairwise(ordered):
        if first.lower() == second.lower():
            differing = next((x, y) for x, y in zip(first, second, strict=True) if x != y)
            assert differing[0].islower()


@given(weights, st.text())
def test_the_choice_is_the_sdks_loop(made: dict[str, float], key: str) -> None:
    """The variant that the SDK's loop, word for word, finds; one of weight 0 only by rounding, as the last."""
    cuts = Cuts.of(made)
    total = 0.0
    for variant in in_order(made):
        total += made[variant]
    cursor, chosen = 0.0, in_order(made)[-1]
    for variant in in_order(made):
        cursor += made[variant] / total
        if point(key) < cursor:
            chosen = variant
            break
    assert chosen == cuts.variant(key)
    assert made[chosen] > 0 or chosen == cuts.variants[-1]
    assert max(made.values()) / total == pytest.approx(cuts.largest_share, abs=1e-12)


def test_the_last_takes_what_rounding_leaves() -> None:
    """A point above the last end is the last variant's: ten equal shares end at 0.9999999999999999."""
    assert Cuts.of(dict.fromkeys("abcdefghij", 1)).ends[-1] < 1
    assert point("") > 0.5
    assert Cuts(("first", "last"), (0.25, 0.5)).variant("") == "last"


def test_weights_that_overflow_give_all_to_the_last() -> None:
    """The sum is infinite, so every share is 0, as in JavaScript."""
    cuts = Cuts.of({"a": 1.5e308, "b": 1.5e308})
    assert {"b"} == {cuts.variant(str(at)) for at in range(20)}
    assert cuts.largest_share == 1.0


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, "0 variants"),
        ({"a": 0, "b": 0}, "must be above 0"),
        ({"a": -1, "b": 2}, "'a' is -1"),
        ({"a": math.inf}, "finite"),
        ({"a": math.nan}, "finite"),
        ({"a": "1"}, "'a' is '1'"),
        ({"a": True}, "'a' is True"),
        ({"a": None}, "'a' is None"),
        ({"contrôle": 1, "b": 1}, "contrôle"),
        ({"a\n": 1, "b": 1}, "printable"),
    ],
)
def test_what_cannot_be_recomputed_is_refused(made: dict[str, object], said: str) -> None:
    """Weights the SDK refuses, and names whose order is not known, are named; never a guess."""
    with pytest.raises(InputError, match=said):
        Cuts.of(made)


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_numbers_as_javascript_writes_them(number: float, text: str) -> None:
    """The SDK hashes String(value)."""
    assert text == number_text(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_written_reads_back(number: float) -> None:
    """The text is the same number, and is its own reading."""
    assert number == float(number_text(number))
    assert as_number(number_text(number)) is None
    assert as_number(json.dumps(number)) in {None, number_text(number)}


@pytest.mark.parametrize(
    ("text", "read"),
    [("1.0", "1"), ("1e21", "1e+21"), ("-0", "0"), ("12345678901234567890", "12345678901234567000"), ("1", None),
     ("01", None), ("\u0661", None), ("1.", None), ("", None), ("NaN", None), ("1e999", "Infinity")],
)  # fmt: skip
def test_text_that_is_a_number(text: str, read: str | None) -> None:
    """Only JSON's own numbers, and only where JavaScript would write them otherwise."""
    assert read == as_number(text)
