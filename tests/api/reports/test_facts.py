"""Facts out of a notebook's outputs, and what changed from one edition's to the next one's."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.reports.facts import MAX_FACTS, MIME, Change, Fact, changes, found
from tests.api.reports.notebooks import code, markdown, notebook

FACTS = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.builds(
        Fact,
        st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
        st.text(max_size=4),
        st.sampled_from(["verdict", "mean", "coverage", "number"]),
    ),
    max_size=6,
)


def showing(*listed: Any) -> dict[str, Any]:
    """Return a notebook one cell of which shows each of these as facts."""
    outputs = [{"output_type": "display_data", "metadata": {}, "data": {MIME: one}} for one in listed]
    return notebook(markdown("# Facts"), code("1") | {"outputs": outputs})


def test_facts_are_found_in_the_order_they_are_shown_the_later_of_a_name() -> None:
    """A number is a float whatever it was, and what says nothing has no words."""
    given = [
        [{"name": "verdict", "kind": "verdict", "value": "winner", "words": "B is better"}, {"name": "n", "value": 3}],
        [{"name": "n", "kind": "number", "value": True}],
    ]
    assert {"verdict": Fact("winner", "B is better", "verdict"), "n": Fact(1.0)} == found(showing(*given))


def test_what_is_no_fact_is_left_out() -> None:
    """Outputs are anything."""
    wrong: list[Any] = [5, None, "no json", "[1", [5, {}, {"name": 5}, {"name": " "}, {"name": "a", "value": []}]]
    wrong += [[{"name": "a", "kind": "guess"}, {"name": "a", "words": 5}]]
    kept = {"name": "good", "value": 10**400}
    assert {"good": Fact(None)} == found(showing(*wrong, [kept]))
    assert MAX_FACTS == len(found(showing([{"name": str(n)} for n in range(2 * MAX_FACTS)])))


def test_changes_are_told_verdicts_first() -> None:
    """In words where there are some, with how much in percent; what is new and what is gone."""
    before = {
        "mean": Fact(0.4, kind="mean"),
        "gone": Fact(1.0),
        "same": Fact(0.1 + 0.2),
        "verdict": Fact("undecided", "no difference seen yet", "verdict"),
    }
    after = {
        "mean": Fact(0.5, kind="mean"),
        "same": Fact(0.3),
        "new": Fact("x"),
        "verdict": Fact("winner", "B is better.", "verdict"),
    }
    assert [
        Change("verdict", "undecided", "winner", "verdict went from no difference seen yet to B is better"),
        Change("mean", 0.4, 0.5, "mean went from 0.4 to 0.5 (+25.0 %)"),
        Change("new", None, "x", "new is new: 'x'"),
        Change("gone", 1.0, None, "gone is gone, it was 1"),
    ] == changes(before, after)


@given(FACTS, FACTS)
def test_each_name_changes_at_most_once_and_the_way_back_is_the_same_names(
    one: dict[str, Fact], other: dict[str, Fact]
) -> None:
    """Nothing changes from a thing to itself; a name that only one has always did."""
    assert [] == changes(one, one)
    there, back = changes(one, other), changes(other, one)
    names = [change.name for change in there]
    assert len(names) == len(set(names)) and set(names) == {change.name for change in back}
    assert set(one) ^ set(other) <= set(names) <= set(one) | set(other)
    assert {(c.name, c.before, c.after) for c in there} == {(c.name, c.after, c.before) for c in back}
