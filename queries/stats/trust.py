"""How often tests would name a winner on this very traffic if there were none: the labels shuffled over the units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from queries.stats.aggregates import ROUNDING
from queries.stats.sequence import FIRST_EFFECTIVE_UNITS, UNPLANNED_UNITS, tuning
from queries.stats.shuffling import drawn, estimates, pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from queries.stats.aggregates import Floats, Units
    from queries.stats.jackknife import Estimand
    from queries.stats.shuffling import Places

SHUFFLES = 2_000
FEWEST_SHUFFLES = 100
"""With fewer the shares would be too coarse to show: nothing is said of so many units."""
SEED = 20_260_901

_CELLS = 20_000_000
"""Labels given out in all: 2,000 shuffles up to 10,000 units, fewer beyond, none beyond 200,000."""
_AT_ONCE = 1 << 17
"""Labels worked on at a time: what a processor holds near itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule in force: the sequence while the experiment runs, the fixed test at its end."""

    alpha: float
    """What it may spend: the sequence's share of alpha, or the end's."""
    sequence: bool
    planned_units: float | None
    """Units of the whole experiment, to which the sequence is tuned; None: a constant for each comparison."""
    fewest_effective: float
    """Effective units that every arm needs for a verdict."""
    fewest_units: int
    """Units that every arm needs for a verdict."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Shares of the shuffles in which a test told an arm from the control, in either direction."""

    shuffles: int
    seed: int
    units: int
    per_run_test: float
    """The usual Welch test over runs, not corrected for several arms."""
    fixed_test: float
    """The report's t over units (or pairs of them), corrected for several arms."""
    this_report: float
    """The rule in force."""


class _Differences(NamedTuple):
    """Differences to the control, one a row and shuffle; the standard error squared is 0 where nothing varies."""

    value: Floats
    variance: Floats
    df: Floats

    @property
    def errors(self) -> Floats:
        """Return how many standard errors each is away from 0; NaN where nothing varies."""
        return np.where(self.variance > 0, np.abs(self.value) / np.sqrt(self.variance), np.nan)

    @property
    def p(self) -> Floats:
        """Return the two-sided p of each (`queries.stats.comparison.p_value`)."""
        return 2 * special.stdtr(self.df, -self.errors)


class _Looks(NamedTuple):
    """What the tests look at in some shuffles; every array has a row for each arm but the control."""

    per_run: _Differences
    over_units: _Differences
    effective: Floats
    """Effective units of the arm that has fewer, or pairs."""
    units: Floats
    """Units of both arms, or pairs; one column."""


def shuffled(
    arms: Sequence[Units],
    squares: Sequence[Floats],
    *,
    control: int,
    alpha: float,
    rule: Rule,
    estimand: Estimand = "runs",
) -> Trust | None:
    """Return how often each test tells an arm from the control when the labels are dealt out to the units anew.

    Every unit keeps its runs and scores and every arm its number of units, so only chance sets the arms apart, and
    whatever is told from the control is a false winner or loser. The fixed test is `comparison.independent` with Holm's
    correction, also where the report decides by another test. Seeded; the order of the units does not matter.

    Args:
        arms: the units of each arm, the control among them.
        squares: of each arm, in the order of its units, the sum of their squared scores, shifted as the totals are.
        control: which arm is the control.
        alpha: of the test over runs and of the fixed test.
        rule: the rule in force.
        estimand: what a mean weighs the same.

    Returns:
        The shares; None with fewer than two arms, or two units in one, when nothing varies, or with too many units.
    """
    sizes = [len(arm.runs) for arm in arms]
    if len(arms) < 2 or min(sizes) < 2:  # noqa: PLR2004 - a variance needs two
        return None
    runs, totals = pooled(arms, "runs")
    if not totals.any():
        return None
    columns = np.stack([runs, totals, _centred(arms, squares), *pooled(arms, estimand)])
    columns = columns[:, np.lexsort(columns)]
    order = [control, *(at for at in range(len(arms)) if at != control)]
    sizes = [sizes[at] for at in order]
    units = np.array([[size + sizes[0]] for size in sizes[1:]], dtype=np.float64)

    def look(generator: np.random.Generator, count: int) -> _Looks:
        dealt = np.split(drawn(generator, count, sizes), np.cumsum(sizes)[:-1], axis=1)
        per_run = [_over_runs(columns[:3], places) for places in dealt]
        over_units = [estimates(columns[3][places], columns[4][places]) for places in dealt]
        effective = np.array([own[2] for own in over_units])
        return _Looks(
            per_run=_against_first(per_run),
            over_units=_against_first([(mean, variance, g - 1) for mean, variance, g in over_units]),
            effective=np.minimum(effective[1:], effective[0]),
            units=units,
        )

    return _told(look, len(runs), enough=min(sizes) >= rule.fewest_units, alpha=alpha, rule=rule)


def flipped(arms: tuple[Units, Units], squares: tuple[Floats, Floats], *, alpha: float, rule: Rule) -> Trust | None:
    """Return the same for two arms that the same units are in, in one order: a unit's labels stay, or are swapped.

    The fixed test is `comparison.paired`. None with fewer than two units, too many, or when no unit's means differ.
    """
    first, second = arms
    count = len(first.runs)
    differences = first.means - second.means
    if count < 2 or not differences.any():  # noqa: PLR2004 - a variance needs two
        return None
    runs, totals = (values.reshape(2, count) for values in pooled(arms, "runs"))
    columns = np.stack([runs, totals, _centred(arms, squares).reshape(2, count)])
    order = np.lexsort(columns.reshape(-1, count))
    columns, differences = columns[:, :, order], differences[order]
    turned = np.vstack([columns[:, 1] - columns[:, 0], -2 * differences]).T
    whole = columns.sum(axis=(1, 2))[:, None]
    spread = float((differences**2).sum())

    def look(generator: np.random.Generator, shuffles: int) -> _Looks:
        swapped = generator.integers(0, 2, (shuffles, count), np.int8).astype(np.float64) @ turned
        one = columns[:, 0].sum(axis=1)[:, None] + swapped[:, :3].T
        mean = (differences.sum() + swapped[:, 3]) / count
        variance = (spread / count - mean**2) / (count - 1)
        variance[variance <= ROUNDING * spread / count**2] = 0.0
        paired = _Differences(mean[None], variance[None], np.full((1, shuffles), count - 1.0))
        same = np.full((1, 1), float(count))
        return _Looks(_against_first([_welch(*one), _welch(*(whole - one))]), paired, same, same)

    return _told(look, count, enough=count >= rule.fewest_units, alpha=alpha, rule=rule)


def _centred(arms: Sequence[Units], squares: Sequence[Floats]) -> Floats:
    """Return every unit's sum of squared scores, the scores being taken from their mean over all arms."""
    runs, totals, raw = (
        np.concatenate(parts) for parts in ([arm.runs for arm in arms], [arm.totals for arm in arms], list(squares))
    )
    mean = totals.sum() / runs.sum()
    return np.maximum(raw - 2 * mean * totals + mean * mean * runs, 0.0)


def _over_runs(columns: Floats, places: Places) -> tuple[Floats, Floats, Floats]:
    runs, totals, squares = (column[places].sum(axis=1) for column in columns)
    return _welch(runs, totals, squares)


def _welch(runs: Floats, totals: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, squared standard error and degrees of freedom over single runs."""
    mean = totals / runs
    return mean, np.maximum(squares / runs - mean**2, 0.0) / (runs - 1), runs - 1


def _against_first(arms: Sequence[tuple[Floats, Floats, Floats]]) -> _Differences:
    """Return the others minus the first; degrees of freedom as `queries.stats.comparison.satterthwaite`."""
    mean, variance, df = (np.array(parts) for parts in zip(*arms, strict=True))
    whole = variance[1:] + variance[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = (variance[1:] / whole) ** 2 / df[1:] + (variance[0] / whole) ** 2 / df[0]
        return _Differences(mean[1:] - mean[0], whole, 1 / shared)


def _told(
    look: Callable[[np.random.Generator, int], _Looks], units: int, *, enough: bool, alpha: float, rule: Rule
) -> Trust | None:
    """Return the shares of the shuffles in which each test tells an arm from the control."""
    shuffles = min(SHUFFLES, _CELLS // units)
    if shuffles < FEWEST_SHUFFLES:
        return None
    generator, told, step = np.random.default_rng(SEED), np.zeros(3), max(1, _AT_ONCE // units)
    for start in range(0, shuffles, step):
        seen = look(generator, min(step, shuffles - start))
        with np.errstate(divide="ignore", invalid="ignore"):
            over_units = seen.over_units.p
            naive = (seen.per_run.p <= alpha).any(axis=0)
            decides = _sequence_p(seen, units, rule) if rule.sequence else over_units
        allowed = enough & (seen.effective >= rule.fewest_effective).all(axis=0)
        told += [naive.sum(), _any(over_units, alpha).sum(), (_any(decides, rule.alpha) & allowed).sum()]
    return Trust(shuffles, SEED, units, *(float(share) for share in told / shuffles))


def _any(p: Floats, alpha: float) -> NDArray[np.bool_]:
    """Return whether Holm's correction leaves any p at `alpha`: the smallest, times the number of those there are."""
    tested = ~np.isnan(p)
    return np.where(tested, p, np.inf).min(axis=0) * np.maximum(tested.sum(axis=0), 1) <= alpha


def _sequence_p(seen: _Looks, units: int, rule: Rule) -> Floats:
    """Return `queries.stats.sequence.sequence_p` of each difference; NaN before the sequence starts."""
    share = np.full_like(seen.units, UNPLANNED_UNITS, dtype=np.float64)
    planned = share if rule.planned_units is None else seen.units * (rule.planned_units / units)
    n = seen.units * np.array([[tuning(float(size), rule.alpha)] for size in planned[:, 0]])
    p = np.exp(0.5 * np.log(n + 1) - seen.over_units.errors**2 * n / (2 * (n + 1)))
    return np.where(seen.effective >= FIRST_EFFECTIVE_UNITS, p, np.nan)
