"""The order of a tree: whatever parents spans name, each is drawn once and below what it names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from queries.drill.tree import Node, drawn

IDS = [f"{number:02}" for number in range(12)]
PARENTS = st.one_of(st.none(), st.sampled_from([*IDS, "missing"]))


@st.composite
def forests(draw: st.DrawFn) -> list[Node]:
    """Return spans that name any parents: themselves, one another, missing ones."""
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=len(IDS)))
    return [Node("t", id_, draw(PARENTS), draw(st.one_of(st.none(), st.integers(0, 5)))) for id_ in ids]


def rank(node: Node) -> tuple[bool, int, str]:
    """Return what siblings are ordered by."""
    return node.start_us is None, node.start_us or 0, node.span_id


@given(nodes=forests())
def test_every_span_once_below_its_parent(nodes: list[Node]) -> None:
    """A child stands after its parent, one deeper, with only its parent's descendants between."""
    order = drawn(nodes)
    assert sorted(range(len(nodes))) == sorted(placed.index for placed in order)
    above: list[str] = []
    for placed in order:
        node = nodes[placed.index]
        del above[placed.depth :]
        assert len(above) == placed.depth
        assert (node.parent_span_id == above[-1]) if placed.place == "child" else placed.depth == 0
        above.append(node.span_id)


@given(nodes=forests())
def test_what_stands_at_the_top_and_why(nodes: list[Node]) -> None:
    """Roots name nobody, orphans somebody who is not here; a cycle has one entry, its first span."""
    at = {node.span_id: node for node in nodes}
    places = {nodes[placed.index].span_id: placed.place for placed in drawn(nodes)}
    cycles: set[frozenset[str]] = set()
    for node in nodes:
        path = [node.span_id]
        while (parent := at[path[-1]].parent_span_id) in at and parent not in path:
            path.append(str(parent))
        if parent in path:
            cycles.add(frozenset(path[path.index(str(parent)) :]))
    entries = {min(cycle, key=lambda id_: rank(at[id_])) for cycle in cycles}
    for id_, place in places.items():
        parent = at[id_].parent_span_id
        own = "root" if parent is None else "orphan" if parent not in at else "cycle" if id_ in entries else "child"
        assert own == place


@given(nodes=forests())
def test_siblings_stand_in_the_order_of_their_start(nodes: list[Node]) -> None:
    """Those without a start come last; the order of what was given means nothing."""
    order = drawn(nodes)
    tops = [rank(nodes[placed.index]) for placed in order if placed.depth == 0]
    assert sorted(tops) == tops
    for parent in nodes:
        children = [
            rank(nodes[placed.index])
            for placed in order
            if placed.place == "child" and nodes[placed.index].parent_span_id == parent.span_id
        ]
        assert sorted(children) == children
    again = drawn(nodes[::-1])
    assert [nodes[placed.index] for placed in order] == [nodes[::-1][placed.index] for placed in again]


def test_a_chain_of_twenty_thousand_spans() -> None:
    """Depth is no recursion."""
    nodes = [Node("t", str(number), str(number - 1) if number else None, number) for number in range(20_000)]
    assert [*range(20_000)] == [placed.depth for placed in drawn(nodes)]
