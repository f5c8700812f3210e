"""The options of a report: merged from their origins, echoed as used."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from queries.stats.sequence import RUNNING_SHARE
from warehouse.clock import iso
from warehouse.errors import InputError, shown
from warehouse.options import READERS, duration_text, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warehouse.options import Estimand, Guardrail

Origin = Literal["request", "declared", "assignments", "default"]


@dataclass(frozen=True, slots=True)
class Options:
    """Every option of a report as used. Times and durations are microseconds."""

    as_of: int
    known_at: int
    score: str | None = None
    control: str | None = None
    unit: str = "assignment"
    higher_is_better: bool = True
    alpha: float = 0.05
    margin: float | None = None
    weights: Mapping[str, float] | None = None
    since: int | None = None
    environment: str | None = None
    where: str | None = None
    maturity: int | None = None
    planned_units: int | None = None
    planned_end: int | None = None
    estimand: Estimand = "runs"
    primary_score: str | None = None
    secondary_scores: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    segments: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict[str, Origin])

    def origin(self, name: str) -> Origin:
        """Return where an option came from."""
        return self.origins.get(name, "default")

    def resolved(self, name: str, value: Any, origin: Origin) -> Options:
        """Return the options with one more decided."""
        return replace(self, **{name: value, "origins": {**self.origins, name: origin}})

    @property
    def planned(self) -> bool:
        """Return whether an end was declared, at which the fixed test decides."""
        return self.planned_end is not None or self.planned_units is not None

    @property
    def alpha_sequence(self) -> float:
        """Return the alpha of looks before the planned end; without an end all of it, for ever."""
        return self.alpha * RUNNING_SHARE if self.planned else self.alpha

    @property
    def alpha_end(self) -> float | None:
        """Return the alpha of the test at the planned end; null when none is planned."""
        return self.alpha * (1 - RUNNING_SHARE) if self.planned else None

    def echo(self) -> dict[str, dict[str, Any]]:
        """Return every option with its origin, as the report says it."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "origins"}
        for name in ("as_of", "known_at", "since", "planned_end"):
            values[name] = None if values[name] is None else iso(values[name])
        values["maturity"] = None if self.maturity is None else duration_text(self.maturity)
        values["secondary_scores"] = list(self.secondary_scores)
        values["segments"] = list(self.segments)
        values["guardrails"] = [
            {"score": g.score, "margin": g.margin, "higher_is_better": g.higher_is_better} for g in self.guardrails
        ]
        echoed = {name: {"value": value, "origin": self.origin(name)} for name, value in values.items()}
        for name in ("alpha_sequence", "alpha_end"):
            echoed[name] = {"value": getattr(self, name), "origin": self.origin("alpha")}
        return echoed


def merged(request: Mapping[str, object], declared: Mapping[str, object], now_us: int) -> Options:
    """Return the options of a request, then of the declared experiment, then the defaults.

    Raises:
        InputError: `bad_parameter`, naming the option, the value and the bound.
    """
    for name in request:
        if name not in READERS:
            raise InputError(f"{shown(name)} is not an option of a report", hint=_near(name, READERS))
    values: dict[str, Any] = {"as_of": now_us, "known_at": now_us}
    origins: dict[str, Origin] = {}
    sources: tuple[tuple[Origin, Mapping[str, object]], ...] = (("request", request), ("declared", declared))
    for name, parse in READERS.items():
        for origin, source in sources:
            given = source.get(name)
            if given is not None and given != "":
                values[name], origins[name] = parse(name, given), origin
                break
    return Options(**values, origins=origins)


def named(name: str, value: str, known: Iterable[str], what: str) -> InputError:
    """Return the error for a value that names nothing, with the nearest name as hint."""
    return InputError(f"{name} is {shown(value)}, which is no {what}", hint=_near(value, known))


def _near(value: str, known: Iterable[str]) -> str | None:
    names = {name.casefold(): name for name in known}
    near = [names[found] for found in difflib.get_close_matches(value.casefold(), names, n=1)]
    return f"did you mean {near[0]!r}?" if near else None


def known_at_of(request: Mapping[str, str]) -> int | None:
    """Return the request's `known_at` (microseconds since 1970), by which a snapshot is chosen; None for now.

    Raises:
        InputError: `bad_parameter`, it is no time.
    """
    return moment("known_at", request["known_at"]) if "known_at" in request else None
