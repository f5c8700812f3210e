"""A page of a notebook needs nothing from elsewhere and runs nothing, whatever the notebook shows."""

from __future__ import annotations

import base64
import json
import struct
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reports.cleaning import cleaned
from api.reports.editions import Edition, Failure
from api.reports.facts import MIME, Change
from api.reports.rendering import chart, html, rendered
from tests.api.reports.notebooks import KNOWN_AT, code, markdown, notebook
from tests.support.browser import visit

if TYPE_CHECKING:
    from pathlib import Path

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="red"/></svg>'
SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.4.json",
    "data": {"values": [{"a": 1, "b": 2}, {"a": 2, "b": 5}]},
    "mark": "line",
    "encoding": {"x": {"field": "a", "type": "quantitative"}, "y": {"field": "b", "type": "quantitative"}},
}
AWAY = "http://elsewhere.invalid"
HOSTILE = (
    f"<script src='{AWAY}/s.js'></script><script>document.title = 'owned'</script>",
    f"<img src='{AWAY}/i.png' onerror=\"document.title = 'owned'\">",
    f"<img srcset='{AWAY}/i.png 2x'><picture><source srcset='{AWAY}/i.png'></picture>",
    f"<link rel=stylesheet href='{AWAY}/s.css'><style>@import '{AWAY}/t.css'; b {{ background: url({AWAY}) }}</style>",
    f"<div style=\"background: url('{AWAY}/b.png'); background-image: url({AWAY}/c.png)\">a</div>",
    f"<iframe src='{AWAY}/'></iframe><object data='{AWAY}/o'></object><embed src='{AWAY}/e'>",
    "<svg onload=\"document.title = 'owned'\"><script>document.title = 'owned'</script></svg>",
    f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{AWAY}/x'/><script>document.title='owned'</script></svg>",
    f"<svg xmlns='http://www.w3.org/2000/svg'><foreignObject><img src='{AWAY}/f.png'/></foreignObject></svg>",
    f"<math><mtext><table><mglyph><style><img src='{AWAY}/m' onerror=\"document.title='owned'\">",
    f"<form action='{AWAY}'><input autofocus onfocus=\"document.title = 'owned'\"><button>b</button></form>",
    "<a href=\"javascript:document.title='owned'\">a</a><a href=' java\nscript:alert(1)'>b</a>",
    f"<meta http-equiv=refresh content='0; url={AWAY}/'><base href='{AWAY}/'>",
    f"<video src='{AWAY}/v' poster='{AWAY}/p'></video><audio src='{AWAY}/a'></audio><body background='{AWAY}/g'>",
    "</div></section></body></html><script>document.title = 'owned'</script>",
    f'<img src="data:text/html,<script>alert(1)</script>"><img src="data:image/svg+xml,<svg href=\'{AWAY}\'>">',
    f"<noscript><p title=\"</noscript><img src={AWAY}/n onerror=document.title='owned'>\">",
    "<!--><script>document.title = 'owned'</script>--><![CDATA[<script>document.title = 'owned'</script>]]>",
    f"<table background='{AWAY}/t'><td background='{AWAY}/u' ping='{AWAY}/q'>cell</td></table>",
)


def edition(**fields: Any) -> Edition:
    """Return an edition that is done."""
    known: dict[str, Any] = {
        "id": "a", "report": "weekly", "workspace": "default", "version": 1, "status": "done", "scheduled_for": None,
        "started_at": KNOWN_AT, "ended_at": KNOWN_AT, "known_at": KNOWN_AT, "params": {}, "title": "Weekly winners",
    }  # fmt: skip
    return Edition(**(known | fields))


def shown(*bundles: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with a cell for each of these outputs."""
    cells = [code("1") | {"outputs": [{"output_type": "display_data", "metadata": {}, "data": one}]} for one in bundles]
    return notebook(*cells)


def of(*cells: Any, **fields: Any) -> str:
    """Return the page of a notebook of these cells."""
    return html(notebook(*cells), edition(**fields)).decode()


class _Elements(HTMLParser):
    """Python's own reading of a page: every element and attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, "", "")] + [(tag, name, value or "") for name, value in attrs]


def elements(text: str) -> list[tuple[str, str, str]]:
    """Return (element, attribute, value) of a page; attribute and value are empty for the element itself."""
    parser = _Elements()
    parser.feed(text)
    parser.close()
    return parser.found


def assert_harmless(text: str) -> None:
    """Nothing runs, nothing is loaded: as an independent parser reads it."""
    for element, name, value in elements(text):
        assert element not in {"script", "iframe", "object", "embed", "link", "meta", "base", "form", "svg", "math"}
        assert not name.startswith("on") and name not in {"srcset", "background", "poster", "action", "srcdoc", "ping"}
        if name in {"src", "href"}:
            assert value.startswith(("data:image/", "http://", "https://", "mailto:")), value
            assert element == "a" or value.startswith("data:image/")
        if name == "style":
            assert "url" not in value and "@" not in value and "expression" not in value


@given(st.lists(st.sampled_from([*HOSTILE, "<", ">", '"', "'", "<b", "</b>", "&lt;script&gt;", "x", "<!--", "-->"])))
def test_no_html_survives_that_runs_or_loads(parts: list[str]) -> None:
    """In any order and broken in any way; cleaning what is clean changes nothing more that matters."""
    once = cleaned("".join(parts))
    assert_harmless(once)
    assert_harmless(cleaned(once))


def test_a_hostile_notebook_in_a_real_browser_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    """As outputs, as Markdown, as drawings, as text, in the title and the parameters."""
    bundles = [{"text/html": one, "text/plain": one} for one in HOSTILE]
    bundles += [{"image/svg+xml": one} for one in HOSTILE] + [{"text/markdown": f"# a\n\n{one}"} for one in HOSTILE]
    bundles += [{"application/vnd.vegalite.v6+json": SPEC | {"data": {"url": f"{AWAY}/d.json"}}, "text/plain": "spec"}]
    bundles += [{"application/javascript": "document.title = 'owned'", "text/plain": "js"}]
    book = shown(*bundles)
    book["cells"] += [{"id": f"m{at}", **markdown(f"text {one}")} for at, one in enumerate(HOSTILE)]
    book["cells"] += [{"id": f"i{at}", **markdown(f"![a]({AWAY}/{at}.png)")} for at in range(2)]
    page = html(book, edition(title=HOSTILE[0], params={HOSTILE[0]: HOSTILE[1]}))
    (tmp_path / "report.html").write_bytes(page)
    visited = visit((tmp_path / "report.html").as_uri())
    assert set() == visited.hosts
    assert [] == visited.console
    assert "<title>&lt;script" in visited.dom and "owned</title>" not in visited.dom


def test_what_notebooks_show_is_on_the_page() -> None:
    """Tables, drawings, pictures, text with colours, and of facts what is said beside them."""
    table = (
        "<style scoped>.x { color: red }</style><table border='1'><tr><th>a</th></tr><tr><td>1 &lt; 2</td></tr></table>"
    )
    for bundle, wanted in (
        ({"text/html": table, "text/plain": "no"}, "<td>1 &lt; 2</td>"),
        ({"text/html": f"<p>before</p>{SVG}"}, f"{base64.b64encode(SVG.encode()).decode()}"),
        ({"image/svg+xml": f"<?xml version='1.0'?>{SVG}"}, f"{base64.b64encode(SVG.encode()).decode()}"),
        ({"image/png": base64.encodebytes(PNG).decode()}, f"data:image/png;base64,{base64.b64encode(PNG).decode()}"),
        ({"text/html": "<script>plot()</script>", "text/plain": "<Plot>"}, "<pre>&lt;Plot&gt;</pre>"),
        ({MIME: [{"name": "a", "value": 1}], "text/plain": "a: 1"}, "<pre>a: 1</pre>"),
        ({"text/markdown": "**bold**"}, "<strong>bold</strong>"),
        ({"application/vnd.vegalite.v6+json": SPEC, "text/html": "no"}, 'alt="chart" src="data:image/svg+xml;base64,'),
        ({"application/vnd.vegalite.v9+json": SPEC, "text/plain": "a chart"}, "<pre>a chart</pre>"),
    ):
        page = html(shown(bundle), edition()).decode()
        assert wanted in page, wanted
        assert "color: red }" not in page
    red = {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m <b>\n"]}
    assert '<span class="ansi-red-fg">red</span> &lt;b&gt;' in of(code("1") | {"outputs": [red]})


def test_the_head_says_what_edition_it_is_and_what_went_wrong() -> None:
    """The failing cell is marked and its code is open; a cell that only sets parameters is left out."""
    fault = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mE\x1b[0m: v <x>"]}
    page = of(
        code("fine()"), code("broken()") | {"outputs": [fault]},
        params={"days": 7}, status="failed", error=Failure("E", "v <x>", 3, "broken()"), warnings=("no <Landlock>",),
        changes=(Change("m", 1.0, 2.0, "m went from 1 to 2 <b>"),),
    )  # fmt: skip
    for said in (
        "1 Sep 2026", "days = 7", "failed in cell 3", "E: v &lt;x&gt;", "m went from 1 to 2 &lt;b&gt;",
        "no &lt;Landlock",
        "<details open><summary>Code of the cell that failed</summary><pre>broken()</pre>",
    ):  # fmt: skip
        assert said in page, said
    assert "<pre>days = 7</pre>" not in page
    assert 1 == page.count('class="cell failed"')


def test_the_first_chart_is_a_png() -> None:
    """Of a specification, a picture or a drawing, whichever comes first; one that cannot be drawn is passed over."""
    spec, drawing = {"application/vnd.vegalite.v6+json": SPEC}, {"text/html": f"<h3>a</h3>{SVG}"}
    wrong: list[dict[str, Any]] = [
        {"application/vnd.vegalite.v6+json": SPEC | {"data": {"url": f"{AWAY}/d.json"}, "mark": 5}},
        {"image/png": "no base64!"},
        {"text/plain": "no chart"},
    ]
    assert PNG == chart(shown(*wrong, {"image/png": base64.b64encode(PNG).decode()}, spec))
    for bundle, least in ((spec, 400), (drawing, 80), ({"image/svg+xml": [SVG]}, 80)):
        made = chart(shown(*wrong, bundle))
        assert made is not None and made.startswith(b"\x89PNG\r\n")
        assert least <= struct.unpack(">I", made[16:20])[0]
    assert chart(shown(*wrong)) is None


def test_the_same_notebook_is_the_same_page_in_any_process(tmp_path: Path) -> None:
    """Byte for byte, and the process leaves nothing out."""
    book = shown({"application/vnd.vegalite.v6+json": SPEC}, {"text/html": "<b>a</b>"})
    (tmp_path / "one").mkdir()
    page, png = rendered(json.dumps(book).encode(), edition(), tmp_path / "one")
    assert (html(book, edition()), chart(book)) == (page, png)


@pytest.mark.parametrize("text", ["<b>" * 20_000, "<p>x</p>" * 200_000])
def test_html_that_is_too_deep_or_too_large_gives_way_to_its_text(tmp_path: Path, text: str) -> None:
    """The page is made in any case, in its process and its time."""
    (tmp_path / "one").mkdir()
    book = shown({"text/html": text, "text/plain": "as text"}, {"text/plain": "the next one"})
    page, _ = rendered(json.dumps(book).encode(), edition(), tmp_path / "one")
    assert b"the next one" in page or b"too large, or too strange" in page
    assert len(page) < 2 << 20
