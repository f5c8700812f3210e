"""What the experiment page says about a report's soundness: health checks, and the usual test beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.pages import words
from api.pages.body import Body, entries, inside, names
from api.pages.numbers import DASH, finite, interval, number, percent, probability

if TYPE_CHECKING:
    from api.pages.words import Tone

_SRM_INVALID, _SRM_WARNING = 0.001, 0.01
"""Sample-ratio p below which a report is invalid, or warned about (reference: Fabijan et al. 2019)."""

NAIVE = "runs_as_units"
DEFAULT_ALPHA = 0.05


def option(report: Body, name: str) -> Any:
    """Return the value of an option as used, or None."""
    options = inside(report, "options")
    return inside(options, name).get("value") if isinstance(options.get(name), dict) else options.get(name)


def alpha(report: Body) -> float:
    """Return the alpha of the report's intervals."""
    return finite(option(report, "alpha")) or DEFAULT_ALPHA


@dataclass(frozen=True, slots=True)
class Check:
    """One health check: a heading, its tone, the figure, what it means, and figures per variant if there are any."""

    title: str
    tone: Tone
    figure: str
    meaning: str
    path: tuple[str, ...]
    table: tuple[tuple[str, ...], ...] = ()
    """Header row, then one row per variant."""


def _tone_of_srm(p: float | None) -> Tone:
    if p is None:
        return "neutral"
    if p < _SRM_INVALID:
        return "bad"
    return "warn" if p < _SRM_WARNING else "good"


def _p(value: object) -> str:
    """Return a p-value with its letter; a missing one is a dash alone, so that the page can say why."""
    text = probability(value)
    return text if text == DASH else f"p {text}"


def _sample_ratio(srm: Body, *, paired: bool) -> Check:
    tone = _tone_of_srm(finite(srm.get("p")))
    meaning = {
        "good": "Units arrived in the expected proportions.",
        "warn": "Units arrived a little off the expected proportions.",
        "bad": "Units did not arrive in the expected proportions: the variants may not be comparable.",
        "neutral": "Every unit meets every variant, so there is no ratio to test." if paired else "Not tested.",
    }[tone]
    observed, expected = inside(srm, "observed"), inside(srm, "expected")
    rows = [(variant, number(count), number(expected.get(variant))) for variant, count in observed.items()]
    if all(wanted == DASH for _, _, wanted in rows):
        rows = [row[:2] for row in rows]
    table = (("Variant", "Units", "Expected")[: len(rows[0])], *rows) if rows else ()
    return Check("Sample ratio", tone, _p(srm.get("p")), meaning, ("health", "srm", "p"), table)


def _missingness(missing: Body, reasons: list[str], flags: list[str]) -> Check:
    p = finite(missing.get("p"))
    share, shares = finite(missing.get("scored_share")), inside(missing, "scored_share")
    if "differential_missingness" in reasons:
        tone, meaning = "bad", "Scores are missing unequally between variants, enough to turn the result around."
    elif "missing_scores" in flags:
        tone, meaning = "warn", "Some mature runs were never scored."
    elif p is None and not shares:
        tone, meaning = "neutral", "Not tested."
    else:
        tone, meaning = "good", "Mature runs are scored about equally in every variant."
    figure = _p(p) if share is None else f"{percent(share)} scored"
    rows = [(variant, percent(value)) for variant, value in shares.items()]
    table = (("Variant", "Scored"), *rows) if rows else ()
    return Check("Missing scores", tone, figure, meaning, ("health", "missingness", "p"), table)


def _contamination(count: float | None, reasons: list[str], *, paired: bool) -> Check:
    if paired:
        tone, meaning = "good", "Every unit meets every variant: the comparison is within units."
    elif "contaminated" in reasons:
        tone, meaning = "bad", "Too many units met more than one variant."
    elif count:
        tone, meaning = "warn", "Units that met more than one variant; they are left out."
    elif count is None:
        tone, meaning = "neutral", "Not counted."
    else:
        tone, meaning = "good", "No unit met more than one variant."
    figure = number(None if count is None else int(count))
    return Check("Contaminated units", tone, figure, meaning, ("health", "contaminated_units"))


def _open_runs(count: float | None) -> Check:
    meaning = "Runs too recent for their outcome; they enter the figures once they are mature."
    tone = "neutral" if count is None else "info" if count else "good"
    figure = number(None if count is None else int(count))
    return Check("Open runs", tone, figure, meaning if count else "No outcome is awaited.", ("health", "open_runs"))


def health(report: Body) -> list[Check]:
    """Return the health checks of a report, in the order in which they can spoil it."""
    found, verdict = inside(report, "health"), inside(report, "verdict")
    reasons, flags, paired = names(verdict, "reasons"), names(verdict, "flags"), report.get("design") == "paired"
    return [
        _sample_ratio(inside(found, "srm"), paired=paired),
        _missingness(inside(found, "missingness"), reasons, flags),
        _contamination(finite(found.get("contaminated_units")), reasons, paired=paired),
        _open_runs(finite(found.get("open_runs"))),
    ]


@dataclass(frozen=True, slots=True)
class Reading:
    """How one way to count reads one comparison, and what it would announce."""

    what: str
    variant: str
    difference: float | None
    ci: tuple[float, float] | None
    p: float | None
    says: str
    is_ours: bool
    differs: bool
    """It would name a winner that the report does not name."""
    place: tuple[str, int]
    """Where it stands in the report: the list and the place in it."""


def _announced(entry: Body, variant: str, level: float, *, higher_is_better: bool) -> tuple[str, bool]:
    """Return what a plain p < alpha test announces, and whether it crowns the variant."""
    p, difference = finite(entry.get("p")), finite(entry.get("difference"))
    if p is None:
        return "nothing: it could not be computed", False
    if p >= level or difference == 0:
        return "names no winner", False
    if difference is None:
        return "finds a difference", False
    crowns = (difference > 0) == higher_is_better
    return (f"crowns {variant}" if crowns else f"calls {variant} worse"), crowns


def _ours(report: Body, comparison: Body, variant: str) -> tuple[str, bool]:
    verdict = inside(report, "verdict")
    named = names(verdict, "variants")
    if verdict.get("kind") in {"winner", "winner_set"}:
        if variant in named:
            return f"{variant} wins", True
        control = comparison.get("control")
        return (f"{control} wins" if control in named else "names no winner"), False
    return words.verdict(verdict.get("kind")).label.lower(), False


def readings(report: Body) -> list[Reading]:
    """Return, per comparison, this report's reading followed by the sensitivities; the usual test comes right after.

    A sensitivity without a variant belongs to the comparison at its place among those of its kind.
    """
    level, higher = alpha(report), option(report, "higher_is_better") is not False
    sensitivities = entries(report, "sensitivity")
    kinds = sorted(dict.fromkeys(str(entry.get("what")) for entry in sensitivities), key=lambda kind: kind != NAIVE)
    found: list[Reading] = []
    where = {id(entry): at for at, entry in enumerate(sensitivities)}
    for place, comparison in enumerate(entries(report, "comparisons")):
        variant = str(comparison.get("variant"))
        says, crowned = _ours(report, comparison, variant)
        found.append(
            _reading(
                "This report", variant, comparison, says, is_ours=True, differs=False, place=("comparisons", place)
            )
        )
        for kind in kinds:
            alike = [entry for entry in sensitivities if str(entry.get("what")) == kind]
            own = [entry for entry in alike if entry.get("variant") == variant] or [
                entry for at, entry in enumerate(alike) if at == place and entry.get("variant") is None
            ]
            for entry in own:
                said, crowns = _announced(entry, variant, level, higher_is_better=higher)
                differs = crowns and not crowned
                what = words.sensitivity(kind)
                found.append(
                    _reading(
                        what,
                        variant,
                        entry,
                        said,
                        is_ours=False,
                        differs=differs,
                        place=("sensitivity", where[id(entry)]),
                    )
                )
    return found


def _reading(
    what: str, variant: str, entry: Body, says: str, *, is_ours: bool, differs: bool, place: tuple[str, int]
) -> Reading:
    return Reading(
        what,
        variant,
        finite(entry.get("difference")),
        interval(entry.get("ci")),
        finite(entry.get("p_adjusted") if entry.get("p_adjusted") is not None else entry.get("p")),
        says,
        is_ours,
        differs,
        place,
    )
