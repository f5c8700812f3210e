"""The report of an experiment: what is said, the same moment in every form, nothing of it as markup."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import upshot
from tests.client.conftest import RUNS
from upshot._report import ReportData, harmless

if TYPE_CHECKING:
    from tests.support.server import Server


@pytest.fixture
def report(client: upshot.Client) -> upshot.Report:
    """A report with a planned end that has come."""
    return client.experiments.report("prompt", score="solved", planned_units=RUNS, maturity="1h")


def test_it_says_what_the_server_says(report: upshot.Report, server: Server) -> None:
    """Verdict, winner and numbers are those of the route's own JSON of the same moment."""
    body = report.to_dict()
    params = {
        "score": "solved",
        "planned_units": RUNS,
        "maturity": "1h",
        "as_of": body["as_of"],
        "known_at": body["known_at"],
    }
    told = server.http.get("/v1/experiments/prompt/report", params=params).json()
    how = {"options", "receipt"}  # they say that the moment was asked for
    assert {name: told[name] for name in told.keys() - how} == {name: body[name] for name in body.keys() - how}
    assert ("prompt", "solved") == (report.experiment, report.score)
    assert told["verdict"] == {
        "kind": report.verdict.kind,
        "sentence": report.verdict.sentence,
        **{name: list(getattr(report.verdict, name)) for name in ("variants", "reasons", "flags")},
    }
    assert report.verdict.sentence == str(report.verdict)
    # By the traffic: of the plain runs a third is solved, of the terse ones far more.
    assert ("winner", "terse") == (report.verdict.kind, report.winner)
    [plain, terse] = report.table()
    assert ("plain", True, 150, None, None) == tuple(
        plain[name] for name in ("variant", "control", "units", "difference", "p_adjusted")
    )
    solved = [n % 3 == 0 or n % 5 < 3 for n in range(1, RUNS, 2)]
    assert terse["mean"] == pytest.approx(sum(solved) / len(solved))
    assert terse["difference"] == pytest.approx(terse["mean"] - plain["mean"])
    assert terse["difference_low"] < terse["difference"] < terse["difference_high"]


def test_the_table_as_frames(report: upshot.Report) -> None:
    """The same rows in pandas and polars; another name is refused."""
    rows = report.table()
    assert rows == report.table("polars").to_dicts()
    frame = report.table("pandas")
    assert [*rows[0]] == [*frame.columns]
    assert [row["mean"] for row in rows] == frame["mean"].tolist()
    with pytest.raises(upshot.ArgumentError, match="frame is 'numpy', must be pandas or polars"):
        report.table("numpy")  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_charts_in_every_form(report: upshot.Report, server: Server) -> None:
    """Shapes, pixels and a specification, of the report's own moment; twins draw the same."""
    svg = report.chart()
    assert "{http://www.w3.org/2000/svg}svg" == ET.fromstring(svg).tag  # noqa: S314 - ours
    assert report.chart("series", format="png").startswith(b"\x89PNG\r\n")
    spec = report.chart("effects", format="vega")
    assert "vega-lite" in spec["$schema"]
    with pytest.raises(upshot.ArgumentError, match="format is 'gif', must be svg, png or vega"):
        report.chart(format="gif")  # pyright: ignore[reportArgumentType, reportCallIssue]
    with pytest.raises(upshot.Error, match="chart is 'pie'"):
        report.chart("pie")  # pyright: ignore[reportArgumentType, reportCallIssue]

    async def drawn() -> tuple[str, str, str]:
        async with upshot.AsyncClient(server.url) as client:
            body = report.to_dict()
            twin = await client.experiments.report(
                "prompt", score="solved", planned_units=RUNS, maturity="1h",
                as_of=body["as_of"], known_at=body["known_at"],
            )  # fmt: skip
            before = twin._repr_html_()
            return before, await twin.chart(), twin._repr_html_()

    before, chart, after = asyncio.run(drawn())
    assert svg == chart
    assert "<svg" not in before
    assert report._repr_html_() == after


def test_a_notebook_shows_the_sentence_first(report: upshot.Report) -> None:
    """HTML with the table and the chart inline, Markdown and text; nothing that runs or is fetched."""
    shown = report._repr_mimebundle_()
    facts = "application/vnd.upshot.facts+json"
    assert {"text/html", "text/markdown", "text/plain", facts} == shown.keys()
    assert shown["text/html"].startswith(f"<div><p><strong>{report.verdict.sentence}</strong></p><table>")
    assert 1 == shown["text/html"].count("<svg") == shown["text/html"].count("</svg>")
    assert report.verdict.sentence in shown["text/plain"]
    assert "| plain (control) | 150 | 150 |" in shown["text/markdown"]
    for word in ("<script", "<iframe", "javascript:", " src=", " href="):
        assert word not in shown["text/html"]


def test_it_stands_without_its_picture(report: upshot.Report, client: upshot.Client) -> None:
    """A server that is gone leaves the verdict and the numbers."""
    client.close()
    report._transport = upshot.Client("http://127.0.0.1:1", retries=0)._transport
    assert report.verdict.sentence in report._repr_html_()
    assert "<svg" not in report._repr_html_()


class Tags(HTMLParser):
    """The tags and attributes of a page, and the text outside them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        self.found |= {tag, *(name for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        """See `HTMLParser`."""
        self.text += data


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["<script>x</script>", "<img src=x onerror=y>", ""]))
def test_names_are_text(variant: str, sentence: str, markup: str) -> None:
    """Whatever a variant, an experiment or a sentence holds, the page has no element or attribute of theirs."""
    body: dict[str, Any] = {
        "experiment": markup + variant,
        "score": markup,
        "as_of": "2026",
        "known_at": "2026",
        "verdict": {"kind": "winner", "sentence": sentence + markup, "variants": [], "reasons": [], "flags": [markup]},
        "variants": [{"variant": variant + markup, "control": True, "mean": None, "ci": None}],
        "comparisons": [{"variant": variant + markup, "difference": 1.5, "ci": [1, 2]}],
    }
    shown = ReportData(body, {})
    tags = Tags(shown._html(None))
    assert {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"} == tags.found
    text = "".join(tags.text.split())
    assert "".join((sentence + markup).replace("\r", "\n").split()) in text or "\0" in sentence
    assert "<" not in shown._repr_markdown_().replace("\\<", "")


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<g onload='alert(1)'/>",
        "<foreignObject><p/></foreignObject>",
        "<image href='http://elsewhere/x.png'/>",
        "<a xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='javascript:alert(1)'><text>x</text></a>",
        "<rect style='fill:url(http://elsewhere/x)'/>",
        "<use href='#a'/>",
        "<animate attributeName='href'/>",
        "<style>@import 'http://elsewhere'</style>",
        "<rect",
    ],
)
def test_a_picture_that_is_more_than_a_picture_is_left_out(inside: str) -> None:
    """Not shapes and text only: it is not put into a page."""
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'><g><path d='M0,0'/></g>{inside}</svg>"
    assert harmless(svg) is None
    assert harmless(svg.replace(inside, "<rect clip-path='url(#a)'/>")) is not None


def test_options_that_are_wrong_are_the_servers_to_tell(client: upshot.Client) -> None:
    """An unknown name gets its nearest; a value its bound."""
    with pytest.raises(upshot.Error, match="alhpa") as raised:
        client.experiments.report("prompt", alhpa=0.1)  # pyright: ignore[reportCallIssue]
    assert "alpha" in str(raised.value)
    with pytest.raises(upshot.Error, match="alpha is '7'"):
        client.experiments.report("prompt", alpha=7)
    with pytest.raises(upshot.NotFoundError, match="no experiment 'promt'") as missing:
        client.experiments.report("promt")
    assert "prompt" in (missing.value.hint or "prompt")
    assert json.dumps(client.experiments.get("prompt").to_dict())
