"""Rows that records bring besides their own: runs joined to sessions, and assignments that scores imply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from ingest.columns import batch
from ingest.times import LATEST_US, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.columns import Checked, Pairs
    from ingest.records import Experiment


@dataclass(slots=True)
class Derived:
    """Collects derived rows; equal ones count once, at their earliest time (microseconds since 1970)."""

    session_runs: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    """(session key, session id, run) -> when."""

    assignments: dict[tuple[str, str, str, bool], int] = field(default_factory=dict[tuple[str, str, str, bool], int])
    """(run, experiment, variant, whether the sender gave the time) -> when."""

    def join_sessions(
        self, pairs: Pairs, run_ids: Sequence[str | None], times: pa.Array[Any], checked: Checked
    ) -> None:
        """Take the session pairs of faultless records, each joining the record's run at the record's time."""
        if not pairs.rows:
            return
        when = microseconds(times)
        for row, key, id_ in zip(pairs.rows, pairs.keys, pairs.ids, strict=True):
            run_id = run_ids[row]
            if run_id is not None and row not in checked.faults:
                found = (key, id_, run_id)
                self.session_runs[found] = min(when[row], self.session_runs.get(found, LATEST_US))

    def imply_assignments(
        self,
        experiments: Sequence[Experiment | None],
        run_ids: Sequence[str | None],
        times: pa.Array[Any],
        given: Sequence[bool],
        checked: Checked,
    ) -> None:
        """Take the experiments that faultless scores name."""
        if not any(experiments):
            return
        when = microseconds(times)
        for row, (experiment, run_id) in enumerate(zip(experiments, run_ids, strict=True)):
            if experiment is not None and run_id is not None and row not in checked.faults:
                found = (run_id, experiment.name, experiment.variant, given[row])
                self.assignments[found] = min(when[row], self.assignments.get(found, LATEST_US))

    def batches(self, received_at_us: int) -> Iterable[tuple[str, pa.RecordBatch]]:
        """Yield (file table, rows) of what there is."""
        if self.session_runs:
            keys, ids, run_ids = (_texts(part) for part in zip(*self.session_runs, strict=True))
            columns: dict[str, pa.Array[Any]] = {"session_key": keys, "session_id": ids, "run_id": run_ids}
            columns |= {"ts": pa.array(list(self.session_runs.values()), TIME), "_day_id": run_ids}
            yield "session_runs", batch("session_runs", columns, len(run_ids), received_at_us)
        if self.assignments:
            run_ids, names, variants, given = zip(*self.assignments, strict=True)
            columns = {"run_id": _texts(run_ids), "experiment": _texts(names), "variant": _texts(variants)}
            columns |= {"ts": pa.array(list(self.assignments.values()), TIME), "_given": pa.array(given, pa.bool_())}
            columns |= {"_implied": pa.repeat(pa.scalar(value=True), len(run_ids)), "_day_id": columns["run_id"]}
            yield "assignments", batch("assignments", columns, len(run_ids), received_at_us)


def microseconds(times: pa.Array[Any]) -> list[int]:
    """Return a column of times, none of them null, as numbers."""
    return cast("list[int]", times.cast(pa.int64()).to_pylist())


def _texts(values: Sequence[str]) -> pa.StringArray:
    return pa.array(values, pa.string())
