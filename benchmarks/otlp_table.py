"""The table of `benchmarks.otlp`: Upshot's figures beside its peers', and how many times better they are to be."""

from __future__ import annotations

from typing import Any, NamedTuple

PEERS = ("phoenix", "mlflow")
CPU = "cpu landed, "
"""What the names of the figures of single processes begin with."""

Figures = dict[str, float]


class Goal(NamedTuple):
    """How many times better than a peer Upshot is to be."""

    peer: str
    figure: str
    """The peer's."""
    floor: float = 0.0
    """0: none."""
    aim: float = 0.0


Goals = tuple[Goal, ...]
NO_GOAL = (0.0, 0.0)


class Row(NamedTuple):
    """A line of the table."""

    title: str
    figure: str
    """Upshot's."""
    digits: int
    beside: Goals = ()
    more_is_better: bool = False


def _both(figure: str, phoenix: tuple[float, float] = NO_GOAL, mlflow: tuple[float, float] = NO_GOAL) -> Goals:
    return Goal("phoenix", figure, *phoenix), Goal("mlflow", figure, *mlflow)


ROWS = (
    Row("acknowledged spans/s", "acknowledged", 0, _both("acknowledged", (1, 2)), more_is_better=True),
    Row("visible spans/s", "visible", 0, _both("visible", (150, 400), (25, 70)), more_is_better=True),
    Row("first span visible, s", "first visible", 3, _both("first visible")),
    Row("warm-up requests, s", "warm-up", 2, _both("warm-up")),
    Row("request p50, ms", "p50", 1, _both("p50")),
    Row("request p99, ms", "p99", 1, _both("p99")),
    Row("resident memory at most, MB", "resident", 0, _both("resident", (1.25, 2), (5, 10))),
    Row("... shared pages counted once, MB", "shared once", 0, _both("shared once")),
    Row("server CPU until visible, us/span", "cpu visible", 1, _both("cpu visible")),
    Row("server CPU until landed, us/span", "cpu landed", 1, _both("cpu landed")),
    Row("bytes/span at once", "bytes at once", 0, _both("bytes at once")),
    Row("bytes/span settled", "bytes", 0, _both("bytes", (7, 9), (7, 9))),
    Row("... in files, without the log", "bytes in files", 0, _both("bytes")),
    Row("... these merged, as days are once closed", "bytes merged", 0, _both("bytes")),
    Row("mean score by model, ms, its GraphQL", "joined", 1, (Goal("phoenix", "graphql", 200, 500),)),
    Row("... the first asking", "joined, first", 1, (Goal("phoenix", "graphql"),)),
    Row("... SQL on its SQLite", "joined", 1, (Goal("phoenix", "joined", 10, 30),)),
    Row("score in attributes, ms, its SQLite", "attribute", 1, (Goal("phoenix", "attribute", 10, 30),)),
    Row("... the first asking", "attribute, first", 1, (Goal("phoenix", "attribute"),)),
)
"""Floors and aims: issue 6, and section 4 of the reference on OTLP."""
LANDED_FLOOR, LANDED_AIM = 0.55, 0.7


def table(found: dict[str, Figures]) -> list[dict[str, Any]]:
    """Return each row that Upshot has a figure for: ours, the peers', and how many times better ours is."""
    made: list[dict[str, Any]] = []
    for row in ROWS:
        ours = found.get("upshot", {}).get(row.figure)
        if ours is None:
            continue
        line: dict[str, Any] = {"figure": row.title, "upshot": ours, "digits": row.digits}
        for goal in row.beside:
            theirs = found.get(goal.peer, {}).get(goal.figure)
            if theirs is None:
                continue
            better = (ours / theirs if row.more_is_better else theirs / ours) if ours and theirs else None
            line[goal.peer] = {"theirs": theirs, "better": better, "floor": goal.floor, "aim": goal.aim}
        made.append(line)
    return made


def show(lines: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'':40}{'upshot':>11}" + "".join(f"{peer:>11}{'better':>9}  {'floor (aim)':18}" for peer in PEERS))
    for line in lines:
        text = f"{line['figure']:40}{line['upshot']:>11,.{line['digits']}f}"
        for peer in PEERS:
            beside = line.get(peer)
            if beside is None:
                text += f"{'-':>11}{'':9}  {'':18}"
                continue
            better = f"{beside['better']:,.2f}x" if beside["better"] else ""
            goal = f"{beside['floor']:g}x ({beside['aim']:g}x)" if beside["floor"] else ""
            if (beside["better"] or 0.0) < beside["floor"]:
                goal = f"below {goal}"
            text += f"{beside['theirs']:>11,.{line['digits']}f}{better:>9}  {goal:18}"
        print(text.rstrip())


def show_sizes(found: dict[str, Figures]) -> None:
    """Print over how many spans each was measured."""
    print("spans: " + ", ".join(f"{name} {each['spans']:,.0f}" for name, each in found.items() if "spans" in each))
    copied = found.get("phoenix", {}).get("scored spans")
    if copied:
        print(f"phoenix's mean scores are over {copied:,.0f} spans: those that it took, copied up inside its SQLite")


def show_landed(ours: Figures) -> None:
    """Print the CPU of landing beside that of decoding alone."""
    alone, whole = ours["decode alone"], ours["cpu landed"]
    parts = ", ".join(f"{name.removeprefix(CPU)} {us:.1f}" for name, us in ours.items() if name.startswith(CPU))
    print(f"landing a span takes {whole:.1f} us of CPU ({parts}); decoding it alone {alone:.1f}")
    print(f"landed over decoded {alone / whole:.2f}, at least {LANDED_FLOOR} wanted ({LANDED_AIM})")
