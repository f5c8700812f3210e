"""Run simulated experiments and count who names a winner."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from queries.experiments.analysis import Analysis, analyse
from queries.experiments.declared import Declared, Definition
from queries.experiments.observations import DAY_US
from queries.experiments.options import Options
from tests.simulate.cases import CASES, FALSE_WINNERS, LOST_POWER
from tests.simulate.looks import Look, at_the_end, names, observed
from tests.simulate.methods import METHODS, NOBODY, named, named_by_its_test, named_by_report

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from tests.simulate.cases import Case
    from tests.simulate.traffic import Traffic

REPORT = "report"
END_ONLY = "its_test_once"
"""The report's own test, looked at once at the end with all of alpha: nothing is paid for earlier looks."""

CHUNK = 50
"""Trials of one seed, so that the figures do not depend on the number of processes."""

Hits = NDArray[np.bool_]
"""One item a trial: whether a winner was named (no effect), or the true one and no other (an effect)."""


def judge(case: Case, traffic: Traffic, day: float) -> Analysis:
    """Return what the shipped report says on a day."""
    variants = names(len(case.population.units))
    days = case.population.days
    options = Options(
        as_of=round(day * DAY_US),
        known_at=round(day * DAY_US),
        score="s",
        control=variants[0],
        weights=dict(zip(variants, map(float, case.population.units), strict=True)),
        maturity=None if case.maturity is None else round(case.maturity * DAY_US),
        planned_end=days * DAY_US if case.plan == "end" else None,
        planned_units=sum(case.population.units) if case.plan == "units" else None,
        estimand=case.estimand,
    )
    declared = Declared(options, variants, {}, Definition(), (), (), ())
    end = {"end": float(days), "units": float(traffic.arrived.max()), None: math.inf}[case.plan]
    frozen = at_the_end(traffic, end, case.maturity) if end <= day else None
    if frozen is None or frozen.as_of > day:
        return analyse(declared, observed(traffic, Look(day, day, case.maturity)))
    return analyse(declared, observed(traffic, frozen), ended=True)


def winners(case: Case, traffic: Traffic) -> dict[str, str]:
    """Return whom each method names in one experiment, looking every day, or once at the end.

    The report waits until runs of the planned end are mature. Other methods know no waiting: they count what is scored
    on the last planned day.
    """
    variants = names(len(case.population.units))
    days = case.population.days
    usual = {name: METHODS[name] for name in case.beside}
    found = dict.fromkeys((REPORT, END_ONLY, *usual, *(f"{name}_daily" for name in usual if days)), NOBODY)
    last = days + case.waiting
    for day in range(min(1, days), last + 1):
        if found[REPORT] == NOBODY or day == last:
            analysis = judge(case, traffic, day)
            found[REPORT] = found[REPORT] or named_by_report(analysis)
            if day == last:
                found[END_ONLY] = named_by_its_test(analysis)
        if day > days or not usual:
            continue
        scored = observed(traffic, Look(day, day, 0.0))
        for name, method in usual.items():
            if days and found[f"{name}_daily"] == NOBODY:
                found[f"{name}_daily"] = named(method, scored, variants)
            if day == days:
                found[name] = named(method, scored, variants)
    return found


def _chunk(name: str, effects: tuple[float, ...], seed: int, chunk: int, trials: int) -> dict[str, Hits]:
    case = CASES[name]
    generator = np.random.default_rng([seed, zlib.crc32(name.encode()), bool(effects), chunk])
    zero = np.zeros(len(case.population.units))
    true = names(len(zero))[int(np.argmax(effects))] if effects else None
    drawn = np.array(effects) if effects else zero
    found = [winners(case, case.population.draw(generator, drawn)) for _ in range(trials)]
    return {
        method: np.array([one[method] != NOBODY if true is None else one[method] == true for one in found])
        for method in found[0]
    }


def hits(
    name: str, effects: tuple[float, ...], seed: int, trials: int, pool: ProcessPoolExecutor | None
) -> dict[str, Hits]:
    """Return the hits of every method in `trials` experiments of a case."""
    chunks = [(at, min(CHUNK, trials - at * CHUNK)) for at in range(math.ceil(trials / CHUNK))]
    work = partial(_chunk, name, effects, seed)
    done = list(starmap(work, chunks) if pool is None else pool.map(work, *zip(*chunks, strict=True)))
    return {method: np.concatenate([one[method] for one in done]) for method in done[0]}


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of trials."""

    share: float
    error: float
    """Its Monte-Carlo error: one standard error."""


@dataclass(frozen=True, slots=True)
class Held:
    """The report against a bound."""

    value: float
    bound: float
    """The bound with two Monte-Carlo errors."""

    @property
    def passed(self) -> bool:
        """Return whether the bound is held."""
        return self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Result:
    """A case measured."""

    trials: int
    false: dict[str, Rate]
    """Shares of experiments without an effect in which a method names a winner."""
    size: Held
    power: dict[str, Rate]
    """Shares of experiments with an effect in which a method names the true winner, and only it."""
    best: str | None
    """The valid method with most power."""
    loss: Held | None
    """Power of that method minus the report's."""


def rate(found: Hits) -> Rate:
    """Return the share of hits."""
    share = float(found.mean())
    return Rate(share, math.sqrt(share * (1 - share) / len(found)))


def false_bound(trials: int) -> float:
    """Return how many false winners may be measured in so many trials."""
    return FALSE_WINNERS + 2 * math.sqrt(FALSE_WINNERS * (1 - FALSE_WINNERS) / trials)


def measure(name: str, seed: int, trials: int, pool: ProcessPoolExecutor | None = None) -> Result:
    """Measure a case: its false winners, and its power against the valid methods beside it."""
    case = CASES[name]
    empty = hits(name, (), seed, trials, pool)
    false = {method: rate(found) for method, found in empty.items()}
    bound = false_bound(trials)
    size = Held(false[REPORT].share, bound)
    if not case.effects:
        return Result(trials, false, size, {}, None, None)
    real = hits(name, case.effects, seed, trials, pool)
    power = {method: rate(found) for method, found in real.items()}
    valid = [m for m in power if m not in (REPORT, *case.no_match) and false[m].share <= bound]
    best = max(valid, key=lambda method: power[method].share, default=None)
    loss = None
    if best is not None:
        lost = real[best].astype(np.float64) - real[REPORT]
        loss = Held(float(lost.mean()), LOST_POWER + 2 * float(lost.std()) / math.sqrt(trials))
    return Result(trials, false, size, power, best, loss)
