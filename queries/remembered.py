"""Answers a worker gave, for whoever asks the same while the data is the same: dashboards with many viewers."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from queries.guard.names import folded
from queries.tree import every_node

if TYPE_CHECKING:
    from queries.guard import GuardedQuery
    from queries.messages import Answer, Ask

MOST = 64
"""Answers that are kept."""
LARGEST = 1 << 20
"""Bytes of an answer that is kept."""

CHANGING = frozenset(
    {
        *("age", "current_date", "current_localtime", "current_localtimestamp", "get_current_time", "now", "today"),
        *("get_current_timestamp", "transaction_timestamp", "random", "reservoir_quantile"),
        *("gen_random_uuid", "uuid", "uuidv4", "uuidv7"),
    }
)
"""Functions whose value is another one next time; `age` of one time counts from today."""

_WORDS = frozenset(["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"])
"""Bare words that DuckDB turns into calls where no column has the name."""


def repeatable(query: GuardedQuery) -> bool:
    """Tell whether a statement has the same answer as long as the data is the same: no clock, no chance, no sample."""
    if query.functions & CHANGING:
        return False
    return not any(
        node.get("sample") or (node.get("class") == "COLUMN_REF" and folded(str(node["column_names"][-1])) in _WORDS)
        for node in every_node(query.statement)
    )


class Remembered:
    """The last answers over one snapshot; another snapshot forgets them all."""

    def __init__(self) -> None:
        self._snapshot = ""
        self._answers: OrderedDict[bytes, tuple[Answer, bytes]] = OrderedDict()

    def get(self, ask: Ask, snapshot: str) -> tuple[Answer, bytes] | None:
        """Return the answer to the very same question over the same snapshot."""
        if snapshot != self._snapshot:
            self._answers.clear()
            self._snapshot = snapshot
        same = ask.letters()
        if same not in self._answers:
            return None
        self._answers.move_to_end(same)
        return self._answers[same]

    def keep(self, ask: Ask, snapshot: str, answer: Answer, body: bytes) -> None:
        """Remember an answer that will be the same over the same snapshot, if it is small."""
        if snapshot == self._snapshot and not answer.file and len(body) <= LARGEST:
            self._answers[ask.letters()] = (answer, body)
            if len(self._answers) > MOST:
                self._answers.popitem(last=False)
