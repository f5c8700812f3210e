"""The experiment report of DESIGN section 11: rows in, a dictionary ready for JSON out."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from queries.experiments.analysis import Analysis, analyse
from queries.experiments.declared import Declared, Note, declared
from queries.experiments.observations import Observations, Question, Rows, observe
from queries.experiments.sentence import Words, sentence
from queries.stats.comparison import interval
from warehouse.clock import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from queries.experiments.contrasts import Comparison
    from queries.experiments.options import Options
    from queries.stats.aggregates import Estimate

_EPOCH = dt.date(1970, 1, 1)


def report(  # noqa: PLR0917 - the contract of its callers
    rows: Rows,
    name: str,
    request: Mapping[str, str],
    now_us: int,
    snapshot: str,
    check_where: Callable[[str], str],
) -> dict[str, Any]:
    """Return the report of an experiment.

    Args:
        rows: runs trusted SQL on the workspace's snapshot.
        name: the experiment.
        request: options as text; they outrank the declared ones.
        now_us: microseconds since 1970; the default of `as_of` and `known_at`.
        snapshot: what the rows were read from.
        check_where: returns a condition over a run when it is safe to run, or raises.

    Raises:
        NotFoundError: the experiment is neither declared nor seen.
        InputError: `bad_parameter`, naming the option, the value and the bound.
    """
    begun = declared(rows, name, request, now_us)
    options = begun.options
    where = None if options.where is None else check_where(options.where)

    def ask(score: str | None) -> Observations:
        return observe(rows, Question(name, score, options, where, changing_weights=len(begun.recorded) > 1))

    with np.errstate(all="ignore"):  # overflow of huge scores ends as null, in `_finite`
        seen = ask(options.score)
        guarded = [(guardrail, ask(guardrail.score)) for guardrail in begun.guardrails]
        analysis = analyse(begun, seen, guarded)
        made = _Body(name, begun, seen, analysis).json()
    statements = [*begun.statements, seen.statement, *(own.statement for _, own in guarded)]
    made["receipt"] = {"sql": [statement.receipt for statement in statements]}
    finished = _finite(made)
    canonical = json.dumps(finished, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    finished["receipt"]["hash"] = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    return {**finished, "snapshot": snapshot}


class _Body:
    """Writes the parts of the report; a number that does not exist is null and gets a note."""

    def __init__(self, name: str, begun: Declared, seen: Observations, analysis: Analysis) -> None:
        self._name = name
        self._begun = begun
        self._seen = seen
        self._analysis = analysis
        self._options: Options = begun.options
        if begun.options.maturity is None and seen.maturity is not None:
            self._options = begun.options.resolved("maturity", seen.maturity, "default")
        self._notes = list(begun.notes)

    def json(self) -> dict[str, Any]:
        """Return the report without receipt, hash and snapshot."""
        seen, analysis = self._seen, self._analysis
        body: dict[str, Any] = {
            "experiment": self._name,
            "score": self._options.score,
            "kind": seen.kind,
            "design": "paired" if seen.paired else "independent",
            "as_of": iso(self._options.as_of),
            "known_at": iso(self._options.known_at),
            "snapshot": None,
            "options": self._options.echo(),
            "verdict": {
                "kind": analysis.finding.kind,
                "variants": list(analysis.finding.variants),
                "reasons": list(analysis.finding.reasons),
                "flags": list(analysis.flags),
                "sentence": sentence(analysis.evidence, analysis.finding, self._words(), analysis.sensitivities),
            },
            "variants": [self._variant(at, variant) for at, variant in enumerate(self._begun.variants)],
            "comparisons": [self._comparison(at, c) for at, c in enumerate(analysis.comparisons)],
            "health": self._health(),
            "guardrails": self._guardrails(),
            "power": self._power(),
            "sensitivity": self._sensitivity(),
            "series": [
                {
                    "day": (_EPOCH + dt.timedelta(days=day.day)).isoformat(),
                    "variant": day.variant,
                    "scored_runs": day.scored,
                    "mean": day.total / day.scored + seen.low,
                }
                for day in seen.days
            ],
            "segments": [],
            "audit": self._audit(),
        }
        self._note("segments", "not_computed", "segments are not computed by this version")
        if self._options.secondary_scores:
            self._note("options.secondary_scores", "not_computed", "secondary scores are not tested by this version")
        if self._options.maturity is None:
            self._note(
                "options.maturity", "no_scores", "no delay of a score has been observed, so no run is mature yet"
            )
        body["notes"] = [{"path": n.path, "code": n.code, "message": n.message} for n in self._notes]
        return body

    def _note(self, path: str, code: str, message: str) -> None:
        self._notes.append(Note(path, code, message))

    def _words(self) -> Words:
        seen, analysis = self._seen, self._analysis
        return Words(
            options=self._options,
            score=self._options.score,
            boolean=seen.kind == "boolean",
            units=analysis.contrasts.units,
            runs=sum(int(own.runs.sum()) for own in seen.units.values()),
            scored_runs=sum(spread.moments.count for spread in seen.spreads.values()),
            detectable=analysis.power.detectable,
            units_needed=analysis.power.needed,
        )

    def _variant(self, at: int, variant: str) -> dict[str, Any]:
        options, path = self._options, f"variants[{at}]"
        units, spread = self._seen.units.get(variant), self._seen.spreads.get(variant)
        own = self._analysis.contrasts.arms[variant].estimate(options.estimand)
        variance = None if spread is None else spread.moments.variance
        quartiles = (None, None, None) if spread is None else spread.quartiles
        if own is None:
            self._note(path, "no_scores", "no mature run of this variant has the score")
        elif own.variance is None:
            for key in ("standard_error", "df", "ci"):
                self._note(f"{path}.{key}", "too_few_units", "one unit alone says nothing of how units differ")
        if own is not None and variance is None:
            self._note(f"{path}.sd", "too_few_runs", "one run alone does not vary")
        ci = self._variant_interval(path, own)
        weight = (options.weights or {}).get(variant)
        if weight is None:
            self._note(f"{path}.weight", "no_weights", "no weight of this variant is known")
        return {
            "variant": variant,
            "control": variant == options.control,
            "weight": weight,
            "units": 0 if units is None else len(units.unit),
            "runs": 0 if units is None else int(units.runs.sum()),
            "mature_runs": 0 if units is None else int(units.mature.sum()),
            "scored_runs": 0 if spread is None else spread.moments.count,
            **({"true_count": 0 if spread is None else spread.trues} if self._seen.kind == "boolean" else {}),
            "mean": None if own is None else own.mean + self._seen.low,
            "sd": None if variance is None else math.sqrt(variance),
            "min": None if spread is None else spread.low,
            "p25": quartiles[0],
            "p50": quartiles[1],
            "p75": quartiles[2],
            "max": None if spread is None else spread.high,
            "standard_error": None if own is None or own.variance is None else math.sqrt(own.variance),
            "df": None if own is None or own.variance is None else own.df,
            "ci": ci,
            "effective_units": None if own is None else own.effective_units,
            "largest_unit_share": None if own is None else own.largest_unit_share,
        }

    def _variant_interval(self, path: str, own: Estimate | None) -> list[float] | None:
        if own is None or own.variance is None:
            return None
        if own.variance == 0:
            self._note(f"{path}.ci", "no_variance", "the units do not vary")
            return None
        ends = interval(own.mean, own.variance, own.df, self._options.alpha)
        return [end + self._seen.low for end in ends]

    def _comparison(self, at: int, c: Comparison) -> dict[str, Any]:
        path, tested = f"comparisons[{at}]", c.tested
        if c.difference is None:
            self._note(path, "too_few_units", "a variant has fewer than 2 units with mature scored runs")
        elif tested is None:
            self._note(path, "no_variance", "the scores do not vary, so there is nothing to hold a difference against")
        else:
            if c.lift is None:
                self._note(f"{path}.lift", "mean_not_positive", "a mean's interval reaches 0, so a ratio says nothing")
            if c.sequence_ci is None:
                message = "the sequence starts at 10 effective units in each variant"
                self._note(f"{path}.sequence.ci", "too_few_units", message)
            if c.belief is None:
                self._note(
                    f"{path}.chance_to_beat", "no_prior", "the control's runs do not vary, so the prior has no width"
                )
                self._note(
                    f"{path}.expected_loss", "no_prior", "the control's runs do not vary, so the prior has no width"
                )
        return {
            "variant": c.variant,
            "control": c.control,
            "difference": None if c.difference is None else c.difference.value,
            "standard_error": None if c.difference is None else c.difference.standard_error,
            "df": None if tested is None else tested.df,
            "ci": _pair(c.ci),
            "p": c.p,
            "p_adjusted": c.p_adjusted,
            "method": None if c.difference is None else c.difference.method,
            "lift": None if c.lift is None else c.lift.value,
            "lift_ci": None if c.lift is None else _pair(c.lift.ci),
            "sequence": {"ci": _pair(c.sequence_ci), "alpha": self._options.alpha_sequence},
            "chance_to_beat": None if c.belief is None else c.belief.chance_to_beat,
            "expected_loss": None if c.belief is None else c.belief.expected_loss,
        }

    def _health(self) -> dict[str, Any]:
        ratio, missing = self._analysis.ratio, self._analysis.missing
        variants = self._begun.variants
        if ratio.p is None and self._seen.paired:
            self._note("health.srm.p", "paired", "every unit meets every variant, so there is no proportion to test")
        elif ratio.p is None and ratio.expected:
            self._note("health.srm.p", "too_few_units", "there are no units, or only one variant has a weight")
        if missing.p is None:
            message = "nothing differs, or there are too few units: there is no test"
            self._note("health.missingness.p", "not_testable", message)
        return {
            "srm": {
                "p": ratio.p,
                "observed": dict(ratio.observed),
                "expected": {variant: ratio.expected.get(variant) for variant in variants},
            },
            "contaminated_units": self._seen.contaminated_units,
            "missingness": {
                "p": missing.p,
                "scored_share": {variant: missing.scored_share.get(variant) for variant in variants},
            },
            "open_runs": self._analysis.open_runs,
        }

    def _guardrails(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for at, result in enumerate(self._analysis.guardrails):
            if result.ci is None:
                self._note(f"guardrails[{at}]", "too_few_units", "too few units have this score, or it does not vary")
            made.append(
                {
                    "score": result.guardrail.score,
                    "variant": result.variant,
                    "margin": result.guardrail.margin,
                    "ci": _pair(result.ci),
                    "passes": result.passes,
                }
            )
        return made

    def _power(self) -> dict[str, Any]:
        power = self._analysis.power
        if power.detectable is None:
            self._note("power", "too_few_units", "no comparison has a standard error yet")
        elif power.needed is None:
            self._note("power.units_needed", "no_margin", "declare a margin: the smallest difference that matters")
        return {"mde": power.detectable, "units_needed": power.needed}

    def _sensitivity(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for at, other in enumerate(self._analysis.sensitivities):
            if other.p is None:
                self._note(f"sensitivity[{at}]", "not_testable", "too few runs or units to test, or they do not vary")
            made.append(
                {
                    "what": other.what,
                    "variant": other.variant,
                    "difference": None if other.difference is None else other.difference.value,
                    "ci": _pair(other.ci),
                    "p": other.p,
                }
            )
        return made

    def _audit(self) -> dict[str, Any]:
        seen, analysis = self._seen, self._analysis
        return {
            "planned_end_reached": analysis.evidence.ended if self._options.planned else None,
            "mature_units": analysis.mature_units,
            "unknown_unit_runs": analysis.unknown_unit_runs,
            "conflicting_runs": seen.conflicting_runs,
            "boolean_scored_runs": seen.boolean_scores,
            "numeric_scored_runs": seen.numeric_scores,
            "functions": seen.functions,
            "default_value_share": {
                variant: spread.halves / spread.moments.count for variant, spread in seen.spreads.items()
            },
            "prior_sd": analysis.contrasts.prior_sd,
        }


def _pair(ends: Iterable[float] | None) -> list[float] | None:
    return None if ends is None else list(ends)


def _finite(body: dict[str, Any]) -> dict[str, Any]:
    """Return the report with numbers that left the range of doubles as null, each with a note."""
    lost: list[str] = []

    def cleaned(value: Any, path: str) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            lost.append(path)
            return None
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            return {key: cleaned(entry, f"{path}.{key}" if path else key) for key, entry in entries.items()}
        if isinstance(value, list):
            return [cleaned(entry, f"{path}[{at}]") for at, entry in enumerate(cast("list[Any]", value))]
        return value

    made: dict[str, Any] = cleaned(body, "")
    made["notes"] += [{"path": p, "code": "not_finite", "message": "too large for a number of JSON"} for p in lost]
    return made
