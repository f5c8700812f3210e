"""A small history of deliveries, and what it comes to: a plain reading of DESIGN section 3 that knows nothing of SQL.

Rounds of requests over three tables and two days. Each round completes the rows of the one before (hiding sealed ones),
sends one request again as it was, and contradicts an assignment. A request is `{table: rows}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.rows import NOW, assignment, batch, run, score
from warehouse.engine import rows_of
from warehouse.log import ROWS_BITS, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.rows import Warehouse

DAY = 86_400_000_000
SECOND = 1_000_000
EACH = 4
"""Runs of a round."""
SEALED_ROUNDS, ROUNDS = 2, 4

Request = dict[str, list[dict[str, Any]]]


def begin(part: int) -> Request:
    """Return the request that begins the runs of a round: all of them new, on two days."""
    request: Request = {"runs": [], "score_history": [], "assignments": []}
    for number in range(EACH):
        id_, at = f"run-{part}-{number}", NOW + (number % 2) * DAY + part * SECOND
        request["runs"].append(run(id_, status="Running", started_at=at, app_id="app", _given=True))
        request["score_history"].append(score(f"score-{part}-{number}", float(part), ts=at, run_id=id_))
        request["assignments"].append(assignment(id_, "a", at))
    return request


def finish(part: int) -> Request:
    """Return the request that completes what `begin` sent, and contradicts its assignments in vain."""
    request: Request = {"runs": [], "score_history": [], "assignments": []}
    for number in range(EACH):
        id_, at = f"run-{part}-{number}", NOW + (number % 2) * DAY + (part + 100) * SECOND
        request["runs"].append(run(id_, status="Completed", ended_at=at, output=f'"{part}"', _given=True))
        request["score_history"].append(score(f"score-{part}-{number}", part + 0.5, ts=at, run_id=id_))
        request["assignments"].append(assignment(id_, "b", at))
    return request


def round_of(part: int) -> list[Request]:
    """Return the requests of a round, in order."""
    if part == 0:
        return [begin(0)]
    return [begin(part), finish(part - 1), begin(part - 1)]


def late() -> list[Request]:
    """Return the requests that a child appends on top of the history."""
    return [request for part in range(ROUNDS, ROUNDS + 2) for request in round_of(part)]


def last_position(requests: Sequence[Request]) -> int:
    """Return the log position of the last entry of these requests."""
    return sum(len(request) for request in requests)


def send(warehouse: Warehouse, request: Request) -> int:
    """Append a request as one and return its last position."""
    return warehouse.log.append(encode({table: batch(table, rows) for table, rows in request.items()})).result(10)


def history() -> list[Request]:
    """Return all requests of all rounds."""
    return [request for part in range(ROUNDS) for request in round_of(part)]


def load(warehouse: Warehouse) -> None:
    """Land the history: the first rounds sealed one by one, the others left in the log."""
    for part in range(ROUNDS):
        for request in round_of(part):
            send(warehouse, request)
        if part < SEALED_ROUNDS:
            warehouse.seal()


ASKED = {
    "runs": "SELECT id, status, epoch_us(started_at), epoch_us(ended_at), app_id, output FROM runs ORDER BY id",
    "scores": "SELECT id, value, epoch_us(ts) FROM scores ORDER BY id",
    "score_history": "SELECT id, version, value, superseded_at IS NULL FROM score_history ORDER BY version",
    "assignments": "SELECT run_id, variant FROM assignments ORDER BY run_id",
}
"""The questions whose answers `expected` computes."""


def answers(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """Ask all of `ASKED` of one snapshot."""
    cursor = warehouse.snapshots.engine().cursor(frozenset(ASKED))
    found = {name: rows_of(cursor, sql).to_pylist() for name, sql in ASKED.items()}
    warehouse.snapshots.release()
    return {name: [tuple(row.values()) for row in rows] for name, rows in found.items()}


def expected(requests: Sequence[Request]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the answers after these requests, each appended as one and in this order, from an empty log."""
    runs: dict[str, dict[str, Any]] = {}
    versions: dict[str, list[tuple[int, int, float]]] = {}
    variants: dict[str, tuple[int, str]] = {}
    position = 0
    for request in requests:
        for table, rows in request.items():
            position += 1
            for place, row in enumerate(rows):
                match table:
                    case "runs":
                        # The history never sends an older state after a newer one, but for identical resends: a
                        # `Running` after `Completed` changes no field that `Completed` set.
                        old = runs.setdefault(row["id"], {})
                        newer = row if old.get("status") != "Completed" else row | {"status": "Completed"}
                        old |= {name: value for name, value in newer.items() if value is not None}
                    case "score_history":
                        kept = versions.setdefault(row["id"], [])
                        if all((ts, value) != (row["ts"], row["value"]) for ts, _, value in kept):
                            kept.append((row["ts"], (position << ROWS_BITS) + place, row["value"]))
                    case _:
                        found = (row["ts"], row["variant"])
                        variants[row["run_id"]] = min(found, variants.get(row["run_id"], found))
    fields = ("id", "status", "started_at", "ended_at", "app_id", "output")
    newest = {id_: max(kept) for id_, kept in versions.items()}
    every = [
        (id_, version, value, (ts, version, value) == newest[id_])
        for id_, kept in versions.items()
        for ts, version, value in kept
    ]
    return {
        "runs": [tuple(runs[id_].get(name) for name in fields) for id_ in sorted(runs)],
        "scores": [(id_, newest[id_][2], newest[id_][0]) for id_ in sorted(versions)],
        "score_history": sorted(every, key=lambda row: row[1]),
        "assignments": [(run_id, variants[run_id][1]) for run_id in sorted(variants)],
    }
