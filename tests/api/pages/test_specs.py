"""Specifications of the charts: whole, drawn from data alone, and marks where the report's numbers are."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import render, specs
from tests.api.pages.documents import HOSTILE, REPORTS, full, hostile, report, without_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPRESSIONS = {"datum.value === 0 ? '0' : datum.label"}
"""Every expression the charts have; none is made of what somebody sent."""
ADDRESSES = {"url", "href", "signal", "expr", "loader", "params", "transform", "tooltip", "image"}


def reports() -> dict[str, dict[str, Any]]:
    plain = {**{name: report(name) for name in REPORTS}, "full": full()}
    return (
        plain
        | {f"{name} of nulls": without_numbers(body) for name, body in plain.items()}
        | {f"{name} of attacks": hostile(body) for name, body in plain.items()}
        | {"nothing": {"experiment": "new"}}
    )


def walked(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield everything inside a specification with its path, the rows of data left out."""
    if isinstance(value, dict):
        for key, entry in cast("dict[str, Any]", value).items():
            if path[-1:] == ("data",) and key == "values":
                continue
            yield (*path, key), entry
            yield from walked(entry, (*path, key))
    elif isinstance(value, list):
        for entry in cast("list[Any]", value):
            yield path, entry
            yield from walked(entry, path)


def rows(spec: specs.Spec, **marks: Any) -> list[dict[str, Any]]:
    """Return the data of the layers whose mark has these properties."""
    found: list[dict[str, Any]] = []
    for layer in spec["layer"]:
        if all(layer["mark"].get(key) == value for key, value in marks.items()):
            found += layer["data"]["values"]
    return found


@pytest.mark.parametrize("chart", specs.CHARTS)
@pytest.mark.parametrize(("name", "body"), reports().items(), ids=reports().keys())
def test_what_strangers_wrote_is_data_and_never_code(chart: str, name: str, body: dict[str, Any]) -> None:
    """No expression, address or field name holds a word of a report; sizes are given; the spec is plain JSON."""
    spec = specs.chart(chart, body)
    assert spec == json.loads(json.dumps(spec, allow_nan=False))
    for path, value in walked(spec):
        assert ADDRESSES.isdisjoint(path), path
        if path[-1] == "labelExpr":
            assert value in EXPRESSIONS
        elif isinstance(value, str) and path[-1] not in {"text", "subtitle", "title", "domain"}:
            assert re.fullmatch(r"[-\w#.,:/~+% ]*", value), (path, value)
    if name != "nothing" and "nulls" not in name and chart != "segments":
        assert json.dumps(spec).count('"width"') >= 1


@given(st.text())
def test_a_name_is_one_line_that_xml_can_carry(name: str) -> None:
    """Line breaks and characters outside of XML 1.0 (section 2.2) are gone; long names are cut."""
    line = specs.text(name)
    assert len(line) <= 121
    allowed = r"[\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*"
    assert re.fullmatch(allowed, line)


def test_the_forest_plot_has_a_row_for_each_comparison() -> None:
    """Points and intervals are the report's, in points for a boolean; the winner's mark is a diamond."""
    body = report("winner")
    spec = specs.chart("effects", body)
    points = {row["row"]: row["at"] for row in rows(spec, shape="circle") + rows(spec, shape="diamond")}
    bars = {row["row"]: [row["low"], row["high"]] for row in rows(spec, strokeCap="round")}
    for at, comparison in enumerate(body["comparisons"]):
        assert points[at] == pytest.approx(100 * comparison["difference"])
        assert bars[at] == pytest.approx([100 * end for end in comparison["ci"]])
    assert [row["row"] for row in rows(spec, shape="diamond")] == [1]
    words = [row["words"] for row in rows(spec, type="text")]
    assert {"concise", "empathetic", "+12.3 pts", "+7.2 to +17.4", "better →", "← worse"} <= set(words)


def test_where_lower_is_better_the_sides_change() -> None:
    """The words at the ends of the axis follow the direction of the score."""
    body = report("winner")
    body["options"]["higher_is_better"]["value"] = False
    words = [row["words"] for row in rows(specs.chart("effects", body), type="text")]
    assert {"worse →", "← better"} <= set(words)


def test_a_margin_is_a_band_around_zero() -> None:
    """The band reaches from minus to plus the margin, cut to the axis."""
    assert rows(specs.chart("effects", full()), type="rect") == [{"low": -2.0, "high": 2.0}]
    assert rows(specs.chart("effects", report("winner")), type="rect") == []


def test_a_sequence_that_leaves_the_axis_ends_in_an_arrow() -> None:
    """A sequence a thousand times wider squeezes nothing and says that it goes on."""
    body = report("winner")
    body["comparisons"] = [
        {"variant": "b", "control": "a", "difference": 0.0, "ci": [-0.01, 0.01], "sequence": {"ci": [-10.0, 10.0]}}
    ]
    spec = specs.chart("effects", body)
    [low] = rows(spec, shape="triangle", angle=-90)
    [high] = rows(spec, shape="triangle", angle=90)
    assert -3 < low["at"] < -1
    assert 1 < high["at"] < 3


size = st.floats(-1e200, 1e200) | st.floats(-10, 10) | st.none()


@given(st.lists(st.tuples(size, size, size, size, size), max_size=5), st.sampled_from(["boolean", "numeric", None]))
def test_no_number_breaks_a_chart(figures: list[tuple[float | None, ...]], kind: str | None) -> None:
    """Whatever the numbers are, every mark lies on its axis and the specification is JSON."""
    body: dict[str, Any] = {
        "experiment": "x",
        "kind": kind,
        "comparisons": [
            {"variant": str(at), "control": "c", "difference": a, "ci": [b, c], "sequence": {"ci": [d, e]}}
            for at, (a, b, c, d, e) in enumerate(figures)
        ],
        "series": [{"day": "2026-10-01", "variant": str(at), "mean": a} for at, (a, *_) in enumerate(figures)],
    }
    for chart in specs.CHARTS:
        json.dumps(specs.chart(chart, body), allow_nan=False)
    spec = specs.effects(body)
    if spec is not None:
        low, high = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
        assert low < high
        assert all(low <= row["at"] <= high for row in rows(spec, type="point") if "at" in row)


def test_lines_are_the_daily_means_and_the_control_is_black() -> None:
    """Each mean is a point of its variant's line; the control comes first and has the first colour."""
    body = report("winner")
    spec = specs.chart("series", body)
    assert len(rows(spec, type="line")) == len([day for day in body["series"] if day["mean"] is not None])
    assert rows(spec, type="line")[0] == {"t": 1790812800000, "mean": pytest.approx(50.849), "variant": "control"}
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert (scale["domain"][0], scale["range"][0]) == ("control", specs.INK)


def test_too_many_variants_rows_and_days_are_said_to_be_left_out() -> None:
    """Eight lines, forty rows and four hundred days are drawn; the subtitle gives the whole number."""
    body: dict[str, Any] = {
        "experiment": "many",
        "comparisons": [
            {"variant": f"v{at}", "control": "c", "difference": at, "ci": [at, at + 1]} for at in range(199)
        ],
        "series": [
            {"day": f"{year}-06-01", "variant": f"v{at}", "mean": at} for at in range(12) for year in (2020, 2026)
        ],
    }
    effects, series = specs.chart("effects", body), specs.chart("series", body)
    assert "first 40 of 199 comparisons" in effects["title"]["subtitle"][0]
    assert len(rows(effects, strokeCap="round")) == 40
    assert "8 of 12 variants" in series["title"]["subtitle"][0]
    assert "the last 400 days" in series["title"]["subtitle"][0]
    assert len(rows(series, type="line")) == 8


def test_coverage_adds_up_to_all_runs() -> None:
    """The parts of a bar touch one another and end at 100 %."""
    body = report("winner")
    bars = rows(specs.chart("coverage", body), type="bar")
    for at, variant in enumerate(body["variants"]):
        own = [bar for bar in bars if bar["row"] == at]
        assert [bar["part"] for bar in own] == ["scored", "mature, not scored", "too recent to count"]
        assert own[0]["high"] == pytest.approx(100 * variant["scored_runs"] / variant["runs"])
        assert [bar["low"] for bar in own] == [0.0, own[0]["high"], own[1]["high"]]
        assert own[2]["high"] == 100.0


def test_a_chart_without_figures_says_so() -> None:
    """Asked for by name it is a picture with a sentence; on the page there is none."""
    for chart in specs.CHARTS:
        spec = specs.chart(chart, {"experiment": "new"})
        assert spec["data"]["values"][0]["words"]
    assert render.charts_shown({"experiment": "new"}) == {}


def test_every_chart_has_a_name_for_those_who_do_not_see_it() -> None:
    """Descriptions and charts have the same names."""
    assert list(specs.CHARTS) == list(specs.DESCRIPTIONS)


def test_hostile_names_reach_the_data() -> None:
    """The names of a report under attack are in the picture's data as they were sent."""
    words = [row["words"] for row in rows(specs.chart("effects", hostile(report("winner"))), type="text")]
    assert specs.text("concise" + HOSTILE) in words


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_marks_are_seen_and_told_apart_without_colour() -> None:
    """On white, lines reach 3 to 1 (WCAG 2.2, criterion 1.4.11), text 4.5; no two lines have the same dashes."""
    assert all(_contrast(colour, specs.GROUND) >= 3 for colour, _ in specs.COURSES)
    assert all(
        _contrast(colour, specs.GROUND) >= 4.5 for colour in (specs.INK, specs.MUTED, specs.NEUTRAL, specs.NAMED)
    )
    assert len({tuple(dash) for _, dash in specs.COURSES}) == len(specs.COURSES)
    parts = [specs.DEEP, specs.MIDDLE, specs.PALE]
    assert all(_contrast(*pair) >= 1.6 for pair in pairwise(parts))


def test_a_dark_page_knows_every_colour() -> None:
    """The style sheet turns each colour of the charts into its pair."""
    sheet = (render.STATIC / "style.css").read_text("utf-8")
    known = set(re.findall(r'\.chart \[(?:fill|stroke)="(#[0-9a-f]{6})"\]', sheet))
    used = {specs.INK, specs.MUTED, specs.LINE, specs.FAINT, specs.NEUTRAL, specs.NAMED, specs.GROUND}
    used |= {specs.DEEP, specs.MIDDLE, specs.PALE, *(colour for colour, _ in specs.COURSES)}
    assert used == known
