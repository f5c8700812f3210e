"""The experiment report of DESIGN section 11: rows in, a dictionary ready for JSON out."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from queries.experiments.analysis import Analysis, analyse
from queries.experiments.audit import assignment_audit, unit_proposal
from queries.experiments.beside import Beside
from queries.experiments.cohort import Question, gather
from queries.experiments.contrasts import WITHOUT_DF
from queries.experiments.declared import Declared, Note, declared
from queries.experiments.ending import Horizon, horizon
from queries.experiments.history import history
from queries.experiments.metrics import QUERY, Metric, metric
from queries.experiments.observations import Observations, observe
from queries.experiments.receipt import content_hash
from queries.experiments.sentence import Words, sentence
from queries.experiments.slices import dimension, winsorised
from queries.experiments.statements import Asker, Rows, Statement
from queries.experiments.trust import trust
from queries.stats.comparison import interval
from warehouse.clock import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from queries.experiments.contrasts import Comparison
    from queries.experiments.options import Options
    from queries.experiments.secondary import SecondaryResult
    from queries.experiments.segments import Segmented, SegmentResult
    from queries.stats.aggregates import Estimate

_EPOCH = dt.date(1970, 1, 1)


def report(  # noqa: PLR0917 - the contract of its callers
    rows: Rows,
    name: str,
    request: Mapping[str, str],
    now_us: int,
    snapshot: str,
    check_where: Callable[[str], str],
    saved_query: Callable[[str], str],
) -> dict[str, Any]:
    """Return the report of an experiment.

    Args:
        rows: runs trusted SQL on the workspace's snapshot, as known at the request's `known_at`, in one session, for
            it makes temporary tables.
        name: the experiment.
        request: options as text; they outrank the declared ones.
        now_us: microseconds since 1970; the default of `as_of` and `known_at`.
        snapshot: what the rows were read from.
        check_where: returns a condition over a run when it is safe to run, or raises.
        saved_query: returns the text of a saved query by its name when it is safe to run and fit for a metric, or
            raises.

    Raises:
        NotFoundError: the experiment is neither declared nor seen, or no such query is saved.
        InputError: `bad_parameter`, naming the option, the value and the bound.
    """
    with Asker(rows) as ask, np.errstate(all="ignore"):  # overflow of huge scores ends as null, in `_finite`
        gathered = _gathered(ask, name, request, now_us, check_where, saved_query)
        ended = gathered.horizon.by is not None
        analysis = analyse(gathered.begun, gathered.seen, gathered.beside, ended=ended)
        made = _Body(name, gathered, analysis).json()
    made["receipt"] = {
        "sql": ask.receipt,
        "request": dict(sorted(request.items())),
        "now": iso(now_us),
        "queries": dict(sorted(gathered.queries.items())),
    }
    finished = _finite(made)
    finished["receipt"]["hash"] = content_hash(finished)
    return {**finished, "snapshot": snapshot}


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Everything a report asks of the rows."""

    begun: Declared
    horizon: Horizon
    seen: Observations
    beside: Beside
    unit: dict[str, Any] | None
    """A proposal where the unit is not known."""
    assignment: dict[str, Any] | None
    queries: Mapping[str, str]
    notes: tuple[Note, ...]


def _gathered(  # noqa: PLR0917 - as `report`
    ask: Asker,
    name: str,
    request: Mapping[str, str],
    now_us: int,
    check_where: Callable[[str], str],
    saved_query: Callable[[str], str],
) -> _Gathered:
    begun = declared(ask, name, request, now_us)
    options = begun.options
    others = [own.score for own in (*begun.secondary, *begun.guardrails)]
    named = {score.removeprefix(QUERY) for score in (options.score, *others) if score and score.startswith(QUERY)}
    queries = {query: saved_query(query) for query in sorted(named)}

    def of(score: str | None, as_of: int) -> Metric:
        return metric(score, as_of, queries)

    where = None if options.where is None else check_where(options.where)
    question = Question(name, options, where, options.as_of, changing_weights=len(begun.recorded) > 1)
    cut = horizon(ask, question, lambda as_of: of(options.score, as_of))
    cohort = gather(ask, replace(question, until=cut.until))
    deciding = of(options.score, cut.as_of)
    seen, measured = observe(ask, cohort, deciding, cut.as_of, cut.maturity)
    seen = replace(seen, conflicting_runs=_conflicts(ask, name, deciding))
    dimensions = tuple(dimension(ask, cohort, measured, at, by) for at, by in enumerate(options.segments))
    capped = winsorised(ask, cohort, measured) if seen.kind == "numeric" else None
    before = history(ask, cohort, deciding, options.unit)

    def other(score: str) -> Observations:
        return observe(ask, cohort, of(score, cut.as_of), cut.as_of, cut.maturity, decides=False)[0]

    beside = Beside(
        guardrails=tuple((own, other(own.score)) for own in begun.guardrails),
        secondary=tuple((own, other(own.score)) for own in begun.secondary),
        dimensions=dimensions,
        winsorised=capped,
        history=before,
    )
    unknown = options.unit != "run" and not cohort.known.all()
    proposed = unit_proposal(ask, _assigned(name), name) if unknown else None
    audit = assignment_audit(ask, _assigned(name))
    return _Gathered(begun, cut, seen, beside, proposed, audit.figures, queries, audit.notes)


def _assigned(experiment: str) -> Statement:
    """Return the assignments of the runs that count, as they were recorded."""
    return Statement(
        """SELECT m.variant, c.run_id, m.unit, m.known, a.weights::VARCHAR AS weights, a.strategy, a.ts
FROM cohort c JOIN member m USING (member) JOIN assignments a ON a.run_id = c.run_id AND a.experiment = ?""",
        (experiment,),
    )


def _conflicts(ask: Asker, experiment: str, own: Metric) -> int:
    """Return how many runs have a score that says another variant than their assignment."""
    if not own.is_score:
        return 0
    found = ask.table(
        lambda put: (
            f"""SELECT count(DISTINCT c.run_id) AS runs FROM ({own.query(put)}
) s JOIN cohort c ON c.run_id = s.run_id JOIN member m USING (member)
WHERE s.experiment = {put(experiment)} AND s.variant <> m.variant"""
        )
    )
    return found["runs"][0].as_py()


class _Body:
    """Writes the parts of the report; a number that does not exist is null and gets a note."""

    def __init__(self, name: str, gathered: _Gathered, analysis: Analysis) -> None:
        self._name = name
        self._gathered = gathered
        self._begun = gathered.begun
        self._seen = gathered.seen
        self._analysis = analysis
        self._options: Options = self._begun.options
        if self._options.maturity is None and self._seen.maturity is not None:
            self._options = self._options.resolved("maturity", self._seen.maturity, "default")
        self._notes = [*self._begun.notes, *gathered.notes]

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
            "decided": self._decided(),
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
            "secondary": [self._secondary(at, own) for at, own in enumerate(analysis.secondary)],
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
            "segments": [self._segmented(at, own) for at, own in enumerate(analysis.segments)],
            "trust": self._trust(),
            "audit": self._audit(),
        }
        if self._options.maturity is None:
            self._note(
                "options.maturity", "no_scores", "no delay of a score has been observed, so no run is mature yet"
            )
        body["notes"] = [{"path": n.path, "code": n.code, "message": n.message} for n in self._notes]
        return body

    def _decided(self) -> dict[str, Any]:
        cut = self._gathered.horizon
        if cut.by is not None:
            message = "the planned end is reached: figures are those of that moment, and later runs are not counted"
            self._note("decided", cut.by, message)
        return {"at": None if cut.by is None else iso(cut.as_of), "by": cut.by}

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
            "chance_best": self._chance_best(path, variant),
        }

    def _chance_best(self, path: str, variant: str) -> float | None:
        chance = self._analysis.chances_best.get(variant)
        if chance is None:
            message = "it needs the standard errors of two independent variants"
            self._note(f"{path}.chance_best", "not_computed", message)
        return chance

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
            if c.ci is None:
                self._note(f"{path}.ci", "too_few_units", "so few units that no interval of this confidence exists")
            if tested.method in WITHOUT_DF:
                self._note(f"{path}.df", tested.method, "this test has no degrees of freedom")
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
            "df": None if tested is None or tested.method in WITHOUT_DF else tested.df,
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
            "bounds": [self._bounds(at, v, ends) for at, (v, ends) in enumerate(missing.bounds.items())],
        }

    def _bounds(self, at: int, variant: str, ends: tuple[float, float] | None) -> dict[str, Any]:
        if ends is None:
            message = "nothing bounds a missing score: declare min and max of the score"
            self._note(f"health.bounds[{at}]", "no_range", message)
        return {"variant": variant, "low": ends and ends[0], "high": ends and ends[1]}

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

    def _secondary(self, at: int, result: SecondaryResult) -> dict[str, Any]:
        c, difference, tested = result.comparison, result.comparison.difference, result.comparison.tested
        if tested is None:
            self._note(f"secondary[{at}]", "not_testable", "too few units have this score, or it does not vary")
        return {
            "score": result.own.score,
            "kind": result.kind,
            "higher_is_better": result.own.higher_is_better,
            "variant": c.variant,
            "control": c.control,
            "units": 0 if result.estimate is None else result.estimate.units,
            "scored_runs": 0 if result.estimate is None else result.estimate.runs,
            "mean": None if result.estimate is None else result.estimate.mean + result.shift,
            "control_mean": None if result.control is None else result.control.mean + result.shift,
            "difference": None if difference is None else difference.value,
            "standard_error": None if difference is None else difference.standard_error,
            "df": None if tested is None or tested.method in WITHOUT_DF else tested.df,
            "ci": _pair(c.ci),
            "p": c.p,
            "p_adjusted": result.p_adjusted,
            "method": None if difference is None else difference.method,
        }

    def _segmented(self, at: int, own: Segmented) -> dict[str, Any]:
        if own.differ is None:
            message = "fewer than two segments can be compared"
            self._note(f"segments[{at}].heterogeneity", "not_testable", message)
        return {
            "by": own.by,
            "variant": own.variant,
            "control": self._options.control,
            "heterogeneity": {
                "q": own.differ and own.differ.statistic,
                "df": own.differ and own.differ.df,
                "p": own.differ and own.differ.p,
            },
            "sign_flip": own.sign_flip,
            "groups": [self._segment(f"segments[{at}].groups[{n}]", group) for n, group in enumerate(own.groups)],
            "left_out_segments": own.left_out,
        }

    def _segment(self, path: str, group: SegmentResult) -> dict[str, Any]:
        c, low = group.comparison, self._seen.low
        if c.tested is None:
            self._note(path, "not_testable", "too few units in this segment, or they do not vary")
        return {
            "segment": group.name,
            "units": sum(e.units for e in (group.estimate, group.control) if e is not None),
            "scored_runs": sum(e.runs for e in (group.estimate, group.control) if e is not None),
            "mean": None if group.estimate is None else group.estimate.mean + low,
            "control_mean": None if group.control is None else group.control.mean + low,
            "difference": None if c.difference is None else c.difference.value,
            "standard_error": None if c.difference is None else c.difference.standard_error,
            "ci": _pair(c.ci),
            "p": c.p,
            "p_adjusted": group.p_adjusted,
        }

    def _trust(self) -> dict[str, Any]:
        ended = self._gathered.horizon.by is not None
        found = trust(self._analysis.contrasts, self._seen, ended=ended)
        if found is None:
            message = (
                "labels were not shuffled: there are too few units, too many, too many variants, or nothing varies"
            )
            self._note("trust", "not_computed", message)
        names = ("shuffles", "seed", "units", "per_run_test", "fixed_test", "this_report")
        return {name: None if found is None else getattr(found, name) for name in names}

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
            if other.difference is None and other.p is not None:
                for key in ("difference", "ci"):
                    self._note(f"sensitivity[{at}].{key}", other.what, "this test compares ranks, not means")
            elif other.p is None:
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
            "unit": self._gathered.unit,
            "assignment": self._gathered.assignment,
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
