"""What the workspace says of an experiment before any score is read: its options, variants, weights and score."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from queries.experiments.metrics import QUERY, RUN, run_metric
from queries.experiments.options import Options, merged, named
from warehouse.errors import InputError, NotFoundError, did_you_mean, shown
from warehouse.options import Guardrail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from queries.experiments.statements import Asker

Weights = dict[str, float]

_RANDOM_STRATEGIES = frozenset({None, "bucket", "weighted"})
"""Ways to choose a variant that keep to weights, equal ones when none are recorded."""

_DECLARATION = (
    "SELECT control, unit, primary_score, options, declared_at IS NOT NULL AS declared FROM experiments WHERE name = ?"
)
_NAMES = "SELECT name FROM experiments ORDER BY name"
_CHOICES = """
SELECT variant, weights::VARCHAR AS weights, strategy, count(*) AS runs, max(ts) AS last_at FROM assignments
WHERE experiment = ? AND received_at <= make_timestamptz(?) AND ts <= make_timestamptz(?)
GROUP BY ALL ORDER BY last_at, variant, weights, strategy"""
_DEFINITION = "SELECT kind, higher_is_better, min AS low, max AS high FROM score_definitions WHERE name = ?"
_SCORE_NAMES = """
SELECT name, count(*) AS n FROM scores
WHERE value IS NOT NULL AND step_id IS NULL AND span_id IS NULL
  AND run_id IN (SELECT run_id FROM assignments WHERE experiment = ?)
  AND received_at <= make_timestamptz(?) AND ts <= make_timestamptz(?)
GROUP BY name ORDER BY n DESC, name"""
_SCORE_KNOWN = "SELECT 1 WHERE EXISTS (FROM scores WHERE name = ?) OR EXISTS (FROM score_definitions WHERE name = ?)"


@dataclass(frozen=True, slots=True)
class Note:
    """Why a number is missing, or how it was chosen."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What was declared of a score; null where nothing was."""

    kind: str | None = None
    higher_is_better: bool | None = None
    low: float | None = None
    high: float | None = None


def outside(low: float | None, high: float | None, lowest: float | None, highest: float | None) -> bool:
    """Return whether values from `lowest` to `highest` leave a declared range; None: no bound, or no value."""
    if lowest is None or highest is None:
        return False
    return (low is not None and lowest < low) or (high is not None and highest > high)


@dataclass(frozen=True, slots=True)
class Secondary:
    """A score that is shown and tested, and does not decide."""

    score: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """An experiment as a report begins with it."""

    options: Options
    """All decided but the observed maturity."""
    variants: tuple[str, ...]
    """The control first, the others by name."""
    recorded: Mapping[str, Weights]
    """Each choice of weights that assignments recorded, by its text."""
    definition: Definition
    """What was declared of the deciding score."""
    secondary: tuple[Secondary, ...]
    guardrails: tuple[Guardrail, ...]
    """With their directions decided."""
    notes: tuple[Note, ...]


def declared(ask: Asker, name: str, request: Mapping[str, str], now_us: int) -> Declared:
    """Return the experiment with its options decided: request, declaration, assignments, default.

    Raises:
        NotFoundError: the experiment is neither declared nor seen.
        InputError: `bad_parameter`, naming the option, the value and the bound.
    """
    notes: list[Note] = []
    options = merged(request, _declaration(ask, name), now_us)
    choices = ask(_CHOICES, name, options.known_at, options.as_of)
    options = _with_score(ask, name, options, notes)
    definition = _definition(ask, options.score)
    options = _with_direction(options, definition)
    recorded = _recorded(choices)
    _check_weights(options, {choice["variant"] for choice in choices})
    options = _with_weights(options, choices, recorded, notes)
    seen = {choice["variant"] for choice in choices} | set(options.weights or ())
    options = _with_control(options, seen, notes)
    others = sorted(seen - {options.control})
    return Declared(
        options=options,
        variants=tuple(others) if options.control is None else (options.control, *others),
        recorded=recorded if options.origin("weights") == "assignments" else {},
        definition=definition,
        secondary=tuple(Secondary(score, _higher_is_better(ask, score)) for score in options.secondary_scores),
        guardrails=tuple(_directed(ask, guardrail) for guardrail in options.guardrails),
        notes=tuple(notes),
    )


def _declaration(ask: Asker, name: str) -> dict[str, object]:
    """Return the declared options of an experiment; none when it was only seen."""
    found = ask(_DECLARATION, name)
    if not found:
        hint = did_you_mean(name, [row["name"] for row in ask(_NAMES)])
        raise NotFoundError(f"no experiment {shown(name)} is declared or seen", hint=hint)
    (row,) = found
    if not row["declared"]:
        return {}
    own = {key: row[key] for key in ("control", "unit", "primary_score") if row[key] is not None}
    return {**json_object(row["options"]), **own}


def _definition(ask: Asker, score: str | None) -> Definition:
    """Return what was declared of a score."""
    found = ask(_DEFINITION, score)
    return Definition(**found[0]) if found else Definition()


def _higher_is_better(ask: Asker, score: str) -> bool:
    """Return the direction of a score: as declared, else what a run's own properties have, else higher."""
    stated = _definition(ask, score).higher_is_better
    return not score.startswith(RUN) if stated is None else stated


def json_object(text: str | None) -> dict[str, object]:
    """Return a JSON column as an object; empty when it holds none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}


def _with_score(ask: Asker, name: str, options: Options, notes: list[Note]) -> Options:
    for score in (options.score, *options.secondary_scores, *(guardrail.score for guardrail in options.guardrails)):
        if score is not None and score.startswith(RUN):
            run_metric(score)
    if options.score is not None:
        if options.score.startswith((RUN, QUERY)):
            return options
        if options.score != options.primary_score and not ask(_SCORE_KNOWN, options.score, options.score):
            known = [row["name"] for row in ask(_SCORE_NAMES, name, options.known_at, options.as_of)]
            raise named("score", options.score, known, "score seen or declared")
        return options
    if options.primary_score is not None:
        return options.resolved("score", options.primary_score, options.origin("primary_score"))
    known = [row["name"] for row in ask(_SCORE_NAMES, name, options.known_at, options.as_of)]
    if not known:
        notes.append(
            Note("score", "no_scores", "no run of the experiment has a score, and no primary score is declared")
        )
        return options
    if len(known) > 1:
        notes.append(Note("score", "chosen", "no primary score is declared; this one has the most scored runs"))
    return options.resolved("score", known[0], "default")


def _with_direction(options: Options, definition: Definition) -> Options:
    """Decide the direction: an experiment's own speaks of its primary score, a definition of any."""
    own = options.origin("higher_is_better")
    if own == "request" or (own == "declared" and options.score == (options.primary_score or options.score)):
        return options
    if definition.higher_is_better is not None:
        return options.resolved("higher_is_better", definition.higher_is_better, "declared")
    return options.resolved("higher_is_better", not (options.score or "").startswith(RUN), "default")


def _directed(ask: Asker, guardrail: Guardrail) -> Guardrail:
    if guardrail.higher_is_better is not None:
        return guardrail
    return Guardrail(guardrail.score, guardrail.margin, _higher_is_better(ask, guardrail.score))


def _recorded(choices: list[dict[str, Any]]) -> dict[str, Weights]:
    """Return each choice of weights the assignments recorded, by its text, the newest last."""
    found: dict[str, Weights] = {}
    for choice in choices:
        text = choice["weights"]
        weights = {
            variant: float(weight)
            for variant, weight in json_object(text).items()
            if isinstance(weight, int | float)
            and not isinstance(weight, bool)
            and math.isfinite(weight)
            and weight >= 0
        }
        if text is not None and sum(weights.values()) > 0:
            found.pop(text, None)
            found[text] = weights
    return found


def _with_weights(
    options: Options, choices: list[dict[str, Any]], recorded: Mapping[str, Weights], notes: list[Note]
) -> Options:
    if options.weights is not None:
        return options
    if recorded:
        return options.resolved("weights", list(recorded.values())[-1], "assignments")
    strategies = {choice["strategy"] for choice in choices}
    if not strategies <= _RANDOM_STRATEGIES:
        message = "variants were chosen by hand or by the caller's own rule, so no proportions are expected"
        notes.append(Note("health.srm.p", "no_weights", message))
        return options
    variants = sorted({choice["variant"] for choice in choices})
    return options.resolved("weights", dict.fromkeys(variants, 1.0), "default") if variants else options


def _check_weights(options: Options, seen: set[str]) -> None:
    """Refuse weights of a request that leave a variant out; that more are named is how an empty one is found."""
    weights = options.weights or {}
    left_out = sorted(seen - weights.keys())
    if options.origin("weights") != "request" or not left_out:
        return
    unknown = [variant for variant in weights if variant not in seen]
    if unknown:
        raise named("weights", unknown[0], left_out, "variant of the experiment")
    raise InputError(
        f"weights names no {shown(left_out[0])}, a variant that has runs; give every variant a weight, 0 for none"
    )


def _with_control(options: Options, seen: set[str], notes: list[Note]) -> Options:
    if options.control is not None:
        if options.origin("control") == "request" and seen and options.control not in seen:
            raise named("control", options.control, sorted(seen), "variant of the experiment")
        return options
    if not seen:
        return options
    control = "control" if "control" in seen else min(seen)
    notes.append(Note("options.control", "chosen", f"no control is declared; {shown(control)} stands in"))
    return options.resolved("control", control, "default")
