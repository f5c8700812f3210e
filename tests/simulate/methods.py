"""Who names a winner: the report's rule, and the usual methods on the same data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from queries.experiments.contrasts import every_arm, mature_arm
from queries.stats.aggregates import Difference
from queries.stats.comparison import independent, p_value, per_run, satterthwaite

if TYPE_CHECKING:
    from queries.experiments.analysis import Analysis
    from queries.experiments.contrasts import Arm
    from queries.experiments.observations import Observations

ALPHA = 0.05
NOBODY = ""

Method = Callable[["Observations", str, str], float]
"""Observations, a variant and the control -> two-sided p, with the sign of the difference; 1 when nothing is known."""


def named_by_report(analysis: Analysis) -> str:
    """Return whom the verdict names as better: a variant, the control, several joined by a comma, or nobody."""
    named = analysis.finding.kind in ("winner", "winner_set", "winner_blocked")
    return ",".join(analysis.finding.variants) if named else NOBODY


def named_by_its_test(analysis: Analysis) -> str:
    """Return whom the report's own test would name with all of alpha, looked at once: what daily looks cost."""
    better = [c for c in analysis.comparisons if c.p_adjusted is not None and c.p_adjusted <= ALPHA]
    if not better:
        return NOBODY
    best = max(better, key=lambda c: c.improvement or 0.0)
    return best.variant if (best.improvement or 0.0) > 0 else best.control


def named(method: Method, seen: Observations, variants: tuple[str, ...]) -> str:
    """Return whom a usual method names: the best of those that differ from the control at 5 %, not corrected."""
    control = variants[0]
    if control not in seen.spreads:
        return NOBODY
    found = {v: p for v in variants[1:] if v in seen.spreads and abs(p := method(seen, v, control)) <= ALPHA}
    if not found:
        return NOBODY
    better = {v: p for v, p in found.items() if p > 0}
    return min(better, key=lambda v: better[v]) if better else control


def _signed(difference: Difference | None) -> float:
    p = None if difference is None else p_value(difference)
    return 1.0 if p is None or difference is None else float(np.copysign(p, difference.value))


def welch_over_runs(seen: Observations, variant: str, control: str) -> float:
    """Every run is taken for a unit: what most tools do with runs."""
    return _signed(per_run(seen.spreads[variant].moments, seen.spreads[control].moments))


def delta(seen: Observations, variant: str, control: str) -> float:
    """Ratio of sums with the delta variance and Welch's degrees of freedom: gbstats, tea-tasting, PostHog."""
    return _signed(_delta(mature_arm(seen.units[variant]), mature_arm(seen.units[control])))


def chance_to_win(seen: Observations, variant: str, control: str) -> float:
    """A flat-prior chance to win above 95 % or below 5 % on the delta variance: a two-sided z test at 10 %."""
    found = _delta(mature_arm(seen.units[variant]), mature_arm(seen.units[control]))
    if found is None or not found.testable:
        return 1.0
    chance = float(special.ndtr(found.value / found.standard_error))
    return float(np.copysign(min(chance, 1 - chance), found.value))


def unit_means(seen: Observations, variant: str, control: str) -> float:
    """Welch's t over the means of units: right, and asks another question when large units differ from small ones."""
    first, second = mature_arm(seen.units[variant]), mature_arm(seen.units[control])
    return _signed(independent(first.estimate("units"), second.estimate("units")))


def without_waiting(seen: Observations, variant: str, control: str) -> float:
    """The t test over units by leaving one out, on every score that is there, as all of these methods count."""
    first, second = every_arm(seen.units[variant]), every_arm(seen.units[control])
    return _signed(independent(first.estimate("runs"), second.estimate("runs")))


def pooled_z(seen: Observations, variant: str, control: str) -> float:
    """The score test of two shares, without any correction."""
    (a, n), (b, m) = ((seen.spreads[v].trues, seen.spreads[v].moments.count) for v in (variant, control))
    pooled = (a + b) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return _signed(Difference(a / n - b / m, variance, 1e9, n + m, min(n, m), "pooled_z"))


def fisher(seen: Observations, variant: str, control: str) -> float:
    """Fisher's exact test."""
    (a, n), (b, m) = ((seen.spreads[v].trues, seen.spreads[v].moments.count) for v in (variant, control))
    return float(np.copysign(stats.fisher_exact(np.array([[a, n - a], [b, m - b]])).pvalue, a / n - b / m))


def _delta(first: Arm, second: Arm) -> Difference | None:
    """Return the difference of ratios; variance K/(K-1) * sum (s_i - R n_i)^2 / N^2, df from the number of units."""
    arms = first.units, second.units
    counts = [len(own.runs) for own in arms]
    if min(counts) < 2:
        return None
    ratios = [float(own.totals.sum() / own.runs.sum()) for own in arms]
    variances = [
        float(((own.totals - ratio * own.runs) ** 2).sum() / own.runs.sum() ** 2) * count / (count - 1)
        for own, ratio, count in zip(arms, ratios, counts, strict=True)
    ]
    df = satterthwaite(variances[0], counts[0] - 1, variances[1], counts[1] - 1)
    return Difference(ratios[0] - ratios[1], sum(variances), df, sum(counts), min(counts), "delta")


METHODS: dict[str, Method] = {
    f.__name__: f for f in (welch_over_runs, delta, chance_to_win, unit_means, without_waiting, pooled_z, fisher)
}
