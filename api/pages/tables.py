"""The tables of a report, once for every form it is read in: HTML, Markdown and the terminal draw the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from api.pages import checks, words
from api.pages.body import Body, entries, inside, names
from api.pages.notes import Notes, notes_of
from api.pages.numbers import (
    DASH,
    Scale,
    chance,
    finite,
    moment,
    number,
    percent,
    percent_interval,
    plain,
    probability,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.pages.notes import Step


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table: a text, perhaps a second, lesser line, a tone, and why a number is missing."""

    text: str
    under: str = ""
    why: str = ""
    tone: str = ""
    """strong, good, bad, warn or code; empty is plain."""
    tag: str = ""
    link: str = ""
    """The address of what is behind it, on this server."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, whether it holds numbers, and what the head means."""

    head: str
    is_number: bool = True
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cells; `is_ours` marks this report's own reading among others."""

    cells: tuple[Cell, ...]
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what it shows, its columns, its rows. The first column names the row."""

    label: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def __bool__(self) -> bool:
        """Return whether there is a row."""
        return bool(self.rows)


@dataclass(frozen=True, slots=True)
class Segment:
    """The groups of one dimension and variant, with what holds for all of them."""

    title: str
    facts: tuple[str, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one report."""

    comparisons: Table
    variants: Table
    spreads: Table
    readings: Table
    guardrails: Table
    secondary: Table
    segments: tuple[Segment, ...]
    bounds: Table
    days: Table
    unit_candidates: Table
    assignment: Table
    disagreements: Table
    moved_units: Table
    weight_changes: Table
    audit: Table
    options: Table
    notes: Table


def tables(report: Body) -> Tables:
    """Return the tables of a report (DESIGN section 11); one without entries has no rows. Every number may be null."""
    context = _Context(
        report,
        notes_of(entries(report, "notes")),
        Scale(str(report.get("kind")) if report.get("kind") else None),
        f"{100 * (1 - checks.alpha(report)):g}%",
    )
    audit = inside(report, "audit")
    assignment = inside(audit, "assignment")
    return Tables(
        comparisons=_comparisons(context),
        variants=_variants(context),
        spreads=_spreads(context),
        readings=_readings(context),
        guardrails=_guardrails(context),
        secondary=_secondary(context),
        segments=tuple(_segment(context, at, entry) for at, entry in enumerate(entries(report, "segments"))),
        bounds=_bounds(context),
        days=_days(context),
        unit_candidates=_unit_candidates(inside(audit, "unit")),
        assignment=_assignment(assignment),
        disagreements=_disagreements(assignment),
        moved_units=_moved_units(assignment),
        weight_changes=_weight_changes(assignment),
        audit=_audit(audit),
        options=_options(report),
        notes=_notes(report),
    )


@dataclass(frozen=True, slots=True)
class _Context:
    report: Body
    why: Notes
    scale: Scale
    confidence: str

    def figure(self, text: str, *path: Step, under: str = "", tone: str = "") -> Cell:
        """Return a number's cell; a missing one says why."""
        return Cell(text, under, self.why(*path) if text == DASH else "", tone)


def _name(value: object, under: str = "", tag: str = "") -> Cell:
    return Cell(plain(value), under, tag=tag)


def _variant(own: _Context, value: object, under: str = "", tag: str = "") -> Cell:
    """Return a variant's cell, which leads to its runs."""
    asked = {"experiment": own.report.get("experiment"), "variant": value, "score": own.report.get("score")}
    known = {name: str(given) for name, given in asked.items() if given}
    return Cell(plain(value), under, tag=tag, link=f"/runs?{urlencode(known)}" if len(known) == len(asked) else "")


def _count(value: object) -> str:
    real = finite(value)
    return DASH if real is None else number(int(real)) if real == int(real) else number(real)


def _comparisons(own: _Context) -> Table:
    columns = (
        Column("Variant", is_number=False),
        Column("Difference"),
        Column(f"{own.confidence} CI"),
        Column("Lift", meaning="relative to the control"),
        Column("p adjusted", meaning="after Holm's correction for several variants"),
        Column("At any look", meaning="interval that holds at every look, however often you look"),
        Column("Chance", meaning="chance to beat the control; shown, never decides"),
        Column("Loss", meaning="expected loss if it were chosen and is worse; shown, never decides"),
    )
    compared, rows = entries(own.report, "comparisons"), list[Row]()
    scale = own.scale.fitted(row.get("ci") for row in compared)
    for at, row in enumerate(compared):
        place = (at, str(row.get("variant")))
        lift_ci = percent_interval(row.get("lift_ci"))

        def figure(text: str, *keys: str, under: str = "", tone: str = "", place: Step = place) -> Cell:
            return own.figure(text, "comparisons", place, *keys, under=under, tone=tone)

        cells = (
            _name(row.get("variant"), f"against {plain(row.get('control'))}"),
            figure(scale.difference(row.get("difference")), "difference", tone="strong"),
            figure(scale.difference_interval(row.get("ci")), "ci"),
            figure(percent(row.get("lift"), plus=True), "lift", under="" if lift_ci == DASH else lift_ci),
            figure(probability(row.get("p_adjusted")), "p_adjusted"),
            figure(scale.difference_interval(inside(row, "sequence").get("ci")), "sequence", "ci"),
            figure(chance(row.get("chance_to_beat")), "chance_to_beat"),
            figure(scale.spread(row.get("expected_loss")), "expected_loss"),
        )
        rows.append(Row(cells))
    return Table("Differences to the control", columns, tuple(rows))


def _variant_columns(own: _Context) -> list[tuple[Column, str, Callable[[object], str]]]:
    """Return the columns of the variants: head, key in the report, how its value is written."""
    everyone = entries(own.report, "variants")
    scale = own.scale.fitted(row.get("ci") for row in everyone)
    columns: list[tuple[Column, str, Callable[[object], str]]] = [
        (Column("Weight"), "weight", _count),
        (Column("Units"), "units", _count),
        (Column("Runs"), "runs", _count),
        (Column("Mature"), "mature_runs", _count),
        (Column("Scored"), "scored_runs", _count),
    ]
    if own.report.get("kind") == "boolean":
        columns.append((Column("True"), "true_count", _count))
    columns += [
        (Column("Mean"), "mean", scale.value),
        (Column(f"{own.confidence} CI"), "ci", scale.interval),
        (Column("SE", meaning="standard error, by leaving out one unit at a time"), "standard_error", scale.spread),
    ]
    effective = Column("Effective units", meaning="as many equal units would tell as much")
    largest = Column("Largest unit", meaning="share of the scored runs made by the largest unit")
    columns += [(effective, "effective_units", number), (largest, "largest_unit_share", percent)]
    if any("chance_best" in entry for entry in everyone):
        best = Column("Chance best", meaning="chance to be the best of all; shown, never decides")
        columns.append((best, "chance_best", chance))
    return columns


def _variants(own: _Context) -> Table:
    return _by_variant(own, "Figures of each variant", _variant_columns(own))


def _spreads(own: _Context) -> Table:
    """Return how the scores of the runs spread; of a boolean its mean says that already."""
    if own.report.get("kind") == "boolean":
        return Table("How the scores spread", (), ())
    heads = (("sd", "SD"), ("min", "Min"), ("p25", "25%"), ("p50", "Median"), ("p75", "75%"), ("max", "Max"))
    return _by_variant(own, "How the scores spread", [(Column(head), key, number) for key, head in heads])


def _by_variant(own: _Context, label: str, columns: Sequence[tuple[Column, str, Callable[[object], str]]]) -> Table:
    rows = list[Row]()
    for at, row in enumerate(entries(own.report, "variants")):
        place: Step = (at, str(row.get("variant")))
        cells = [_variant(own, row.get("variant"), tag="control" if row.get("control") is True else "")]
        cells += [
            own.figure(write(row.get(key)), "variants", place, key, tone="strong" if key == "mean" else "")
            for _, key, write in columns
        ]
        rows.append(Row(tuple(cells)))
    heads = (Column("Variant", is_number=False), *(column for column, _, _ in columns))
    return Table(label, heads, tuple(rows))


def _readings(own: _Context) -> Table:
    columns = (
        Column("Way to count", is_number=False),
        Column("Variant", is_number=False),
        Column("Difference"),
        Column(f"{own.confidence} CI"),
        Column("p"),
        Column("It says", is_number=False),
    )
    scale = own.scale.fitted(row.get("ci") for row in entries(own.report, "comparisons"))
    rows = [
        Row(
            (
                Cell(reading.what),
                Cell(reading.variant),
                own.figure(scale.difference(reading.difference), *reading.place, "difference"),
                own.figure(scale.difference_interval(reading.ci), *reading.place, "ci"),
                own.figure(probability(reading.p), *reading.place, "p"),
                Cell(reading.says, tone="warn" if reading.differs else ""),
            ),
            is_ours=reading.is_ours,
        )
        for reading in checks.readings(own.report)
    ]
    others = [row for row in rows if not row.is_ours]
    return Table("This report and other ways to count", columns, tuple(rows) if others else ())


def _passes(own: _Context, at: int, passes: object) -> Cell:
    if passes is True:
        return Cell("yes", tone="good")
    return Cell("no", tone="bad") if passes is False else own.figure(DASH, "guardrails", at, "passes")


def _guardrails(own: _Context) -> Table:
    columns = (
        Column("Score", is_number=False),
        Column("Variant", is_number=False),
        Column("Margin", meaning="the loss that is still accepted"),
        Column("CI of the difference"),
        Column("Held", is_number=False),
    )
    rows = [
        Row(
            (
                Cell(plain(row.get("score")), tone="code"),
                _name(row.get("variant")),
                own.figure(number(row.get("margin")), "guardrails", at, "margin"),
                own.figure(
                    Scale(None).fitted([row.get("ci")]).difference_interval(row.get("ci")), "guardrails", at, "ci"
                ),
                _passes(own, at, row.get("passes")),
            )
        )
        for at, row in enumerate(entries(own.report, "guardrails"))
    ]
    return Table("Guardrails", columns, tuple(rows))


def _direction(row: Body, level: float) -> tuple[str, str]:
    """Return what a secondary score says after correction, and its tone."""
    p, difference = finite(row.get("p_adjusted")), finite(row.get("difference"))
    if p is None or difference is None:
        return DASH, ""
    if p >= level or difference == 0:
        return "no difference found", ""
    better = (difference > 0) == (row.get("higher_is_better") is not False)
    return ("better", "good") if better else ("worse", "bad")


def _secondary(own: _Context) -> Table:
    columns = (
        Column("Score", is_number=False),
        Column("Variant", is_number=False),
        Column("Units"),
        Column("Scored"),
        Column("Mean"),
        Column("Control"),
        Column("Difference"),
        Column(f"{own.confidence} CI"),
        Column("p adjusted", meaning="after Benjamini and Hochberg's correction over all secondary scores"),
        Column("It says", is_number=False),
    )
    rows = list[Row]()
    for at, row in enumerate(entries(own.report, "secondary")):
        scale = Scale(str(row.get("kind")) if row.get("kind") else None).fitted([row.get("ci")])

        def figure(text: str, key: str, tone: str = "", at: int = at) -> Cell:
            return own.figure(text, "secondary", at, key, tone=tone)

        said, tone = _direction(row, checks.alpha(own.report))
        cells = (
            Cell(plain(row.get("score")), tone="code"),
            _name(row.get("variant")),
            figure(_count(row.get("units")), "units"),
            figure(_count(row.get("scored_runs")), "scored_runs"),
            figure(scale.value(row.get("mean")), "mean"),
            figure(scale.value(row.get("control_mean")), "control_mean"),
            figure(scale.difference(row.get("difference")), "difference", "strong"),
            figure(scale.difference_interval(row.get("ci")), "ci"),
            figure(probability(row.get("p_adjusted")), "p_adjusted"),
            figure(said, "p_adjusted", tone),
        )
        rows.append(Row(cells))
    return Table("Secondary scores", columns, tuple(rows))


def _segment(own: _Context, at: int, entry: Body) -> Segment:
    columns = (
        Column("Segment", is_number=False),
        Column("Units"),
        Column("Scored"),
        Column("Mean"),
        Column("Control"),
        Column("Difference"),
        Column(f"{own.confidence} CI"),
        Column("p adjusted", meaning="after Benjamini and Hochberg's correction over all segments"),
    )
    groups, rows = entries(entry, "groups"), list[Row]()
    scale = own.scale.fitted(row.get("ci") for row in groups)
    for place, row in enumerate(groups):

        def figure(text: str, key: str, tone: str = "", place: int = place) -> Cell:
            return own.figure(text, "segments", at, "groups", place, key, tone=tone)

        segment = row.get("segment")
        cells = (
            Cell("(none)" if segment is None else str(segment)),
            figure(_count(row.get("units")), "units"),
            figure(_count(row.get("scored_runs")), "scored_runs"),
            figure(scale.value(row.get("mean")), "mean"),
            figure(scale.value(row.get("control_mean")), "control_mean"),
            figure(scale.difference(row.get("difference")), "difference", "strong"),
            figure(scale.difference_interval(row.get("ci")), "ci"),
            figure(probability(row.get("p_adjusted")), "p_adjusted"),
        )
        rows.append(Row(cells))
    title = f"{plain(entry.get('by'))}: {plain(entry.get('variant'))} against {plain(entry.get('control'))}"
    p = finite(inside(entry, "heterogeneity").get("p"))
    facts = [
        "Whether the segments differ from one another was not tested."
        if p is None
        else f"The segments {'differ' if p < checks.alpha(own.report) else 'do not differ more than chance explains'} "
        f"(heterogeneity p {probability(p)})."
    ]
    if entry.get("sign_flip") is True:
        facts.append("The difference changes its sign between segments.")
    if left_out := finite(entry.get("left_out_segments")):
        facts.append(f"{number(int(left_out))} smaller segments are left out.")
    return Segment(title, tuple(facts), Table(title, columns, tuple(rows)))


def _bounds(own: _Context) -> Table:
    columns = (
        Column("Variant", is_number=False),
        Column("Lowest", meaning="all missing scores of the variant bad, all of the control good"),
        Column("Highest", meaning="the other way round"),
    )
    rows = [
        Row(
            (
                _name(row.get("variant")),
                own.figure(own.scale.difference(row.get("low")), "health", "bounds", at, "low"),
                own.figure(own.scale.difference(row.get("high")), "health", "bounds", at, "high"),
            )
        )
        for at, row in enumerate(entries(inside(own.report, "health"), "bounds"))
    ]
    return Table("Worst case of the missing scores", columns, tuple(rows))


def _days(own: _Context) -> Table:
    columns = (
        Column("Day", is_number=False),
        Column("Variant", is_number=False),
        Column("Scored runs"),
        Column("Mean"),
    )
    rows = [
        Row(
            (
                _name(row.get("day")),
                _name(row.get("variant")),
                Cell(_count(row.get("scored_runs"))),
                Cell(own.scale.value(row.get("mean"))),
            )
        )
        for row in entries(own.report, "series")
    ]
    return Table("Daily figures", columns, tuple(rows))


def _unit_candidates(unit: Body) -> Table:
    columns = (
        Column("Unit", is_number=False),
        Column("Runs that have it"),
        Column("Agreement", meaning="share of the runs whose recorded variant is the one that its hash gives"),
    )
    rows = [
        Row(
            (
                Cell(
                    plain(row.get("unit")),
                    tone="code",
                    tag="proposed" if row.get("unit") == unit.get("proposed") else "",
                ),
                Cell(_count(row.get("runs"))),
                Cell(percent(row.get("agreement"))),
            )
        )
        for row in entries(unit, "candidates")
    ]
    return Table("Candidates for the unit", columns, tuple(rows))


def _assignment(found: Body) -> Table:
    kept = (
        ("checked", "Assignments checked"),
        ("agreed", "Agree with the hash of their unit"),
        ("disagreeing_runs", "Disagree"),
        ("null_keys", "Runs without a key"),
        ("moved_unit_count", "Units that moved between variants"),
    )
    rows = [Row((Cell(head), Cell(_count(found.get(key))))) for key, head in kept if found.get(key) is not None]
    return Table("Assignment audit", (Column("What", is_number=False), Column("Count")), tuple(rows))


def _disagreements(found: Body) -> Table:
    columns = tuple(Column(head, is_number=False) for head in ("Run", "Unit", "Variant", "Expected"))
    rows = [
        Row(tuple(Cell(plain(row.get(key)), tone="code") for key in ("run_id", "unit", "variant", "expected")))
        for row in entries(found, "disagreements")
    ]
    return Table("Assignments that the hash gives otherwise", columns, tuple(rows))


def _moved_units(found: Body) -> Table:
    rows = [
        Row((Cell(plain(row.get("unit")), tone="code"), Cell(", ".join(names(row, "variants")))))
        for row in entries(found, "moved_units")
    ]
    columns = (Column("Unit", is_number=False), Column("Variants", is_number=False))
    return Table("Units that moved between variants", columns, tuple(rows))


def _weight_changes(found: Body) -> Table:
    rows = [
        Row((Cell(moment(row.get("at"))), Cell(plain(row.get("weights")), tone="code")))
        for row in entries(found, "weight_changes")
    ]
    return Table("Weights", (Column("Since", is_number=False), Column("Weights", is_number=False)), tuple(rows))


def _audit(audit: Body) -> Table:
    rows = [
        Row((Cell(words.spelled(name)), Cell(plain(value))))
        for name, value in audit.items()
        if name not in {"unit", "assignment"}
    ]
    return Table(
        "Counts beside the verdict", tuple(Column(head, is_number=False) for head in ("What", "Figure")), tuple(rows)
    )


def _options(report: Body) -> Table:
    def row(name: str, option: Any) -> Row:
        known = cast("Body", option) if isinstance(option, dict) else {"value": option}
        origin = known.get("origin")
        return Row(
            (
                Cell(name, tone="code"),
                Cell(plain(known.get("value")), tone="code"),
                Cell(words.origin(origin) if origin else ""),
            )
        )

    columns = tuple(Column(head, is_number=False) for head in ("Option", "Value", "From"))
    return Table("Options as used", columns, tuple(row(*pair) for pair in inside(report, "options").items()))


def _notes(report: Body) -> Table:
    rows = [
        Row((Cell(plain(note.get("path")), tone="code"), Cell(plain(note.get("message")))))
        for note in entries(report, "notes")
    ]
    columns = (Column("Figure", is_number=False), Column("Why it is missing", is_number=False))
    return Table("Notes", columns, tuple(rows))


def methods(report: Body) -> list[str]:
    """Return the names of the test methods that decided, each once."""
    found = dict.fromkeys(row.get("method") for row in entries(report, "comparisons") if row.get("method"))
    return [words.method(name) for name in found]


def power(report: Body) -> str:
    """Return what the report could have found, as a sentence; empty when that is not known."""
    found = inside(report, "power")
    scale = Scale(str(report.get("kind")) if report.get("kind") else None)
    if not finite(found.get("mde")):
        return ""
    told = (
        f"With the units so far, a true difference of {scale.spread(found.get('mde'))} would be found in 4 of 5 "
        "experiments like this one."
    )
    needed = finite(found.get("units_needed"))
    return told if needed is None else f"{told} About {number(int(needed))} more units are needed."


def trust(report: Body) -> str:
    """Return how often tests would name a false winner on this traffic, as a sentence; empty when not computed."""
    found = inside(report, "trust")
    usual, ours, fixed = (finite(found.get(key)) for key in ("per_run_test", "this_report", "fixed_test"))
    if usual is None or ours is None:
        return ""
    shuffles = finite(found.get("shuffles"))
    told = (
        f"On this traffic, the usual per-run test would name a false winner in {percent(usual)} of "
        f"{'' if shuffles is None else number(int(shuffles)) + ' '}label shuffles; this report in {percent(ours)}."
    )
    if fixed is None:
        return told
    return f"{told} Its test over units, looked at once, would in {percent(fixed)}."


def decided(report: Body) -> str:
    """Return when the data was frozen and by what, as a sentence; empty while running."""
    found = inside(report, "decided")
    if not found.get("at"):
        return ""
    return f"Decided at {moment(found.get('at'))} by {words.decided(found.get('by'))}; later runs are not counted."


def statements(report: Body) -> Sequence[str]:
    """Return the SQL that was run, as it was run."""
    return [plain(sql) for sql in _list(inside(report, "receipt").get("sql"))]


def saved_queries(report: Body) -> list[tuple[str, str]]:
    """Return the saved queries the report reads: name and SQL."""
    return [(name, plain(sql)) for name, sql in inside(inside(report, "receipt"), "queries").items()]


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
