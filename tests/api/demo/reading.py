"""The demo's records as an analyst without our code would read them: folded by hand, tested with numpy and scipy."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Iterable

Record = dict[str, Any]
ByUnit = dict[str, list[float]]
"""Values of an arm's runs by unit."""

HOLM_ALPHA, RUNNER_UP_ALPHA = 0.04, 0.05


def moment(value: str | float) -> dt.datetime:
    """Return a time of a record: ISO 8601 or epoch milliseconds."""
    if isinstance(value, str):
        return dt.datetime.fromisoformat(value)
    return dt.datetime.fromtimestamp(value / 1000, dt.UTC)


def times(record: Record) -> list[dt.datetime]:
    """Return every time a record carries."""
    return [
        moment(record[name]) for name in ("ts", "queued_at", "started_at", "ended_at", "created_at") if name in record
    ]


def started(records: Iterable[Record]) -> dict[str, dt.datetime]:
    """Return when each run started."""
    return {r["id"]: moment(r["started_at"]) for r in records if r["type"] == "run" and "started_at" in r}


def arms(records: list[Record], experiment: str, score: str, before: dt.datetime) -> dict[str, ByUnit]:
    """Return the newest run-level values of `score`, by variant and unit, of runs started before `before`."""
    begun = started(records)
    newest: dict[str, tuple[dt.datetime, float]] = {}
    for r in records:
        if r["type"] == "score" and r["name"] == score and "run_id" in r and "step_id" not in r:
            found = (moment(r["ts"]), float(r["value"]))
            newest[r["run_id"]] = max(newest.get(r["run_id"], found), found, key=lambda pair: pair[0])
    values: dict[str, ByUnit] = defaultdict(lambda: defaultdict(list))
    assigned = {r["run_id"]: r for r in records if r["type"] == "assignment" and r["experiment"] == experiment}
    for run_id, assignment in assigned.items():
        if run_id in newest and begun[run_id] < before:
            values[assignment["variant"]][assignment["unit"]].append(newest[run_id][1])
    return values


@dataclass(frozen=True)
class Arm:
    """Mean of an arm's runs, its variance over units by leaving each out in turn, and its effective units."""

    mean: float
    variance: float
    effective_units: float


@dataclass(frozen=True)
class Comparison:
    """A variant beside another: difference of means, its standard error, degrees of freedom and two-sided p."""

    difference: float
    error: float
    freedom: float
    p: float


def arm(units: ByUnit) -> Arm:
    """Leave each unit out, literally; no closed form."""
    mean = fmean(chain.from_iterable(units.values()))
    left_out = [fmean(chain.from_iterable(units[other] for other in units if other != unit)) for unit in units]
    variance = (len(units) - 1) / len(units) * sum((without - mean) ** 2 for without in left_out)
    counts = [len(values) for values in units.values()]
    return Arm(mean, variance, sum(counts) ** 2 / sum(count**2 for count in counts))


def compare(control: Arm, variant: Arm) -> Comparison:
    """Welch's t over units, with effective units in Satterthwaite's degrees of freedom."""
    total = control.variance + variant.variance
    error = math.sqrt(total)
    freedom = total**2 / sum(a.variance**2 / (a.effective_units - 1) for a in (control, variant))
    difference = variant.mean - control.mean
    p = float(2 * stats.t.sf(abs(difference) / error, freedom))
    return Comparison(difference, error, freedom, p)


def per_run(control: ByUnit, variant: ByUnit) -> tuple[float, float]:
    """Return difference and p of the usual test that takes every run for a sample of its own."""
    one, other = (np.array([value for values in units.values() for value in values]) for units in (control, variant))
    return float(other.mean() - one.mean()), float(stats.ttest_ind(other, one, equal_var=False).pvalue)


def winner(by_variant: dict[str, ByUnit], control: str) -> str | None:
    """Return the variant that beats the control (Holm) and every other variant at the planned end, if one does."""
    known = {variant: arm(units) for variant, units in by_variant.items()}
    against = {variant: compare(known[control], known[variant]) for variant in known if variant != control}
    ordered = sorted(against, key=lambda variant: against[variant].p)
    rejected: list[str] = []
    for rank, variant in enumerate(ordered):
        if against[variant].p * (len(ordered) - rank) > HOLM_ALPHA:
            break
        rejected.append(variant)
    best = max(known, key=lambda variant: known[variant].mean)
    others = [compare(known[other], known[best]).p for other in known if other not in (best, control)]
    return best if best in rejected and all(p <= RUNNER_UP_ALPHA for p in others) else None
