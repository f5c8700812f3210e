"""The SQL page in a browser, on the demo's data: each journey that its promise names."""

from __future__ import annotations

import ast
import html
import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from api import assets
from api.routes.html import POLICY
from tests.web.browsing import Visit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext

    from tests.support.server import Server

BY_STATUS = "SELECT status, count(*) AS n FROM runs GROUP BY ALL ORDER BY ALL"
LARGE = (
    "SELECT n, n * 2 AS b, n / 7 AS c, 'row ' || n AS d, n % 2 = 0 AS e, n % 100 AS f, "
    "to_timestamp(n) AS g, n::DECIMAL(12, 2) AS h, NULL AS i, md5(n::VARCHAR) AS j FROM range(100000) AS t(n)"
)


def texts(rows: list[list[Any]]) -> list[list[str]]:
    """Return rows of a JSON answer as the grid is to show them."""
    words = {None: "null", True: "true", False: "false"}
    return [[words[v] if v is None or isinstance(v, bool) else str(v) for v in row] for row in rows]


def test_columns_are_offered(visit: Visit) -> None:
    """Behind the alias of a table come its columns, with their types."""
    visit.write("SELECT r. FROM runs AS r")
    visit.page.locator(".cm-content").press("Home")
    for _ in "SELECT r.":
        visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("Control+Space")
    offered = visit.page.locator(".cm-tooltip-autocomplete")
    expect(offered).to_contain_text("function_id")
    expect(offered).to_contain_text("VARCHAR")
    visit.page.keyboard.type("durat")
    expect(offered.locator("li[aria-selected]")).to_contain_text("duration_ms")
    visit.page.wait_for_timeout(200)  # CodeMirror takes no choice in the first moments, lest a typist choose
    visit.page.keyboard.press("Tab")
    expect(visit.page.locator(".cm-content")).to_have_text("SELECT r.duration_ms FROM runs AS r")


def test_the_page_is_small(context: BrowserContext, demo: Server) -> None:
    """All that travels until the editor is ready, as it travels: under 300 kB."""
    visit = Visit(context.new_page(), demo.url)
    sizes: list[int] = []
    visit.page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    visit.open()
    expect(visit.page.locator("#tables summary", has_text="score_history")).to_be_visible()
    assert 300_000 > sum(sizes) > 150_000


def test_a_column_is_written_by_a_click(visit: Visit) -> None:
    """The tables beside the editor tell what columns mean, and write them where the cursor is."""
    visit.write("SELECT  FROM runs")
    visit.page.locator(".cm-content").press("Home")
    for _ in "SELECT ":
        visit.page.keyboard.press("ArrowRight")
    visit.page.locator("#tables summary").get_by_text("runs", exact=True).click()
    visit.page.get_by_role("button", name="duration_ms", exact=True).first.click()
    expect(visit.page.locator(".cm-content")).to_have_text("SELECT duration_ms FROM runs")


def test_a_misspelt_column_is_underlined_until_it_is_right(visit: Visit, demo: Server) -> None:
    """The squiggle is under the word, its text is the server's message and hint, and a list says the same."""
    wrong = "SELECT '🦔' AS hedgehog,\n       statuss\nFROM runs"
    visit.write(wrong)
    expect(visit.squiggle).to_have_text("statuss")
    [told] = demo.http.post("/v1/query/check", json={"sql": wrong}).json()["diagnostics"]
    visit.squiggle.hover()
    tip = visit.page.locator(".cm-tooltip-lint")
    expect(tip).to_contain_text(told["message"])
    expect(tip).to_contain_text(told["hint"])
    assert "status" in told["hint"]
    expect(visit.page.locator("#problems")).to_contain_text(told["hint"])
    visit.write(wrong.replace("statuss", "status"))
    expect(visit.squiggle).to_have_count(0)
    expect(visit.page.locator("#problems")).to_be_hidden()


def test_columns_are_counted_in_characters(visit: Visit) -> None:
    """The server counts an emoji as one character, a browser as two: the squiggle is under the word all the same."""
    visit.write("SELECT '🦔🦔🦔', statuss FROM runs")
    expect(visit.squiggle).to_have_text("statuss")


def test_ctrl_enter_runs(visit: Visit, demo: Server) -> None:
    """The rows are those of the API, the footer its facts, the address the query."""
    visit.ask(BY_STATUS)
    answer = demo.http.post("/v1/query", json={"sql": BY_STATUS}).json()
    assert texts(answer["rows"]) == visit.cells()
    facts = visit.page.locator("#facts")
    expect(facts).to_contain_text(f"{answer['row_count']} rows")
    expect(facts).to_contain_text(f"snapshot {answer['snapshot']}")
    expect(facts).to_contain_text(" ms")
    expect(facts).not_to_contain_text("truncated")
    assert "q=SELECT" in visit.page.url


def test_a_cut_result_says_so(visit: Visit) -> None:
    """More rows than were asked for: the footer says truncated."""
    visit.page.select_option("#limit", "1000")
    visit.ask("SELECT * FROM range(1001)")
    expect(visit.page.locator("#facts")).to_contain_text("1,000 rows")
    expect(visit.page.locator("#facts")).to_contain_text("truncated: there are more")


def test_a_refusal_is_shown_with_its_place(visit: Visit) -> None:
    """Message, code and place; the cursor is put there."""
    visit.ask("SELECT 1;\nDROP TABLE runs")
    expect(visit.page.locator("#error")).to_contain_text("line")
    expect(visit.page.locator("#error code")).not_to_be_empty()
    visit.ask("SELECT 1 AS one")
    expect(visit.page.locator("#error")).to_be_hidden()
    assert [["1"]] == visit.cells()


def test_a_hundred_thousand_rows_scroll(visit: Visit, demo: Server) -> None:
    """The first rows and the last are those of the API, and only what is seen is in the document."""
    visit.page.select_option("#limit", "100000")
    visit.ask(LARGE)
    expect(visit.page.locator("#facts")).to_contain_text("100,000 rows")
    answer = demo.http.post("/v1/query", json={"sql": LARGE, "limit": 100_000}).json()["rows"]
    assert ["0", "row 0", "null"] == [visit.cells()[0][at] for at in (0, 3, 8)]
    grid = visit.page.locator("regular-table")
    grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    expect(grid.locator("tbody tr").last).to_contain_text("row 99999")
    assert [str(answer[-1][at]) for at in (0, 1, 3, 6, 9)] == [visit.cells()[-1][at] for at in (0, 1, 3, 6, 9)]
    assert 60 > grid.locator("tbody tr").count()
    grid.focus()
    visit.page.keyboard.press("End")
    expect(visit.page.locator("#cell")).to_contain_text("row 100,000")


VALUES = (
    "true",
    "1::TINYINT",
    "(-32768)::SMALLINT",
    "9007199254740993",
    "(-170141183460469231731687303715884105727)::HUGEINT",
    "18446744073709551615::UBIGINT",
    "0.1::DOUBLE",
    "'nan'::DOUBLE IS NULL",
    "TIMESTAMPTZ '2026-09-01 12:34:56.789+02'",
    "TIMESTAMPTZ '2026-09-01 12:34:56.789012+00'",
    "TIMESTAMP '1969-12-31 23:59:59.5'",
    "DATE '2026-02-28'",
    "TIME '01:02:03.000004'",
    "INTERVAL '1 month -2 days 3 hours 4.5 seconds'",
    "INTERVAL '-90 minutes'",
    "'grün 🦔'",
    "''",
    "NULL",
    "'\\x00\\xFF'::BLOB",
    "[1, NULL, 3]",
    "['a', NULL]",
    "{'a': 1, 'b': [DATE '2026-01-01']}",
    "MAP {'k': 1.5::DOUBLE}",
    "[[1], []]",
    "'a'::ENUM('a', 'b')",
)


@pytest.mark.parametrize("at", range(0, len(VALUES), 5))
def test_values_read_as_the_api_tells_them(visit: Visit, demo: Server, at: int) -> None:
    """The grid reads Arrow; the oracle is the JSON of the same question, made by another program."""
    values = VALUES[at : at + 5]
    sql = "SELECT " + ", ".join(f"{value} AS v{n}" for n, value in enumerate(values))
    [told] = demo.ask(sql)
    visit.ask(sql)
    [shown] = visit.cells()
    for value, one, text in zip(values, told, shown, strict=True):
        if isinstance(one, list | dict):
            assert one == visit.page.evaluate("text => JSON.parse(text)", text), value
        else:
            assert texts([[one]]) == [[text]], value


def test_decimals_keep_their_digits(visit: Visit) -> None:
    """JSON tells 1.50 as 1.5; the grid has all that the type has."""
    visit.ask(
        "SELECT 1.50::DECIMAL(5, 2) AS a, -0.007::DECIMAL(38, 3) AS b, 12345678901234567890.5::DECIMAL(38, 1) AS c"
    )
    assert [["1.50", "-0.007", "12345678901234567890.5"]] == visit.cells()


def test_what_callers_wrote_is_text(visit: Visit) -> None:
    """Markup in values, names of columns and errors is shown; marks that turn or hide text are shown by number."""
    visit.ask("""SELECT '<img src=x onerror="window.hit = 1"><script>window.hit = 1</script>' AS "<b onclick=x>n</b>",
        'abc' || chr(8238) || 'txt' AS turned""")
    assert "<script>" in visit.cells()[0][0]
    assert "abc\u2039202e\u203atxt" == visit.cells()[0][1]
    expect(visit.page.locator("regular-table thead")).to_contain_text("<b onclick=x>n</b>")
    visit.page.locator("regular-table tbody td").first.click()
    expect(visit.page.locator("#cell pre")).to_contain_text("<img src=x")
    visit.page.click("#as-chart")
    visit.page.locator("#drawn svg").wait_for()
    visit.page.click("#as-table")
    visit.ask('SELECT "<img src=x onerror=window.hit=1>" FROM runs')
    expect(visit.page.locator("#error")).to_contain_text("<img src=x")
    assert visit.page.evaluate("window.hit === undefined")


SHAPES = (
    ("SELECT started_at::DATE AS day, count(*) AS runs FROM runs WHERE started_at IS NOT NULL GROUP BY ALL", "line"),
    ("SELECT status, count(*) AS runs FROM runs GROUP BY ALL", "bar"),
    (
        "SELECT duration_ms, queue_ms FROM (SELECT duration_ms, duration_ms * 2 AS queue_ms FROM runs) LIMIT 500",
        "point",
    ),
    ("SELECT duration_ms FROM runs", "histogram"),
)


@pytest.mark.parametrize(("sql", "mark"), SHAPES)
def test_a_chart_is_guessed_from_the_columns(visit: Visit, sql: str, mark: str) -> None:
    """Time and number: a line; text and number: bars; two numbers: scatter; one: a histogram. Vega comes then only."""
    visit.ask(sql)
    before = len(visit.asked)
    visit.page.click("#as-chart")
    visit.page.locator(f"#drawn[data-drawn={mark}] svg").wait_for()
    assert 1 <= len([asked for asked in visit.asked[before:] if "/static/built/part-" in asked])
    drawn = visit.page.locator("#drawn svg .role-mark path")
    assert drawn.count() >= 1
    assert visit.page.locator("#drawn svg").bounding_box()["width"] > 600  # pyright: ignore[reportOptionalSubscript]
    visit.page.wait_for_url("**view=chart**")


def test_the_axes_can_be_chosen(visit: Visit) -> None:
    """What was chosen is in the address; names that Vega would read as paths are names."""
    visit.ask("""SELECT status AS "a.b[0]", function_id AS f, count(*) AS n FROM runs GROUP BY ALL""")
    visit.page.click("#as-chart")
    visit.page.get_by_label("x", exact=True).select_option("f")
    visit.page.get_by_label("Colour").select_option("a.b[0]")
    expect(visit.page.locator("#drawn svg .role-legend-title")).to_have_text("a.b[0]")
    visit.page.wait_for_url("**color=a.b*")


def test_the_last_choice_is_drawn(visit: Visit) -> None:
    """A browser lets those that wait for one script go on in any order: an older chart is not drawn over a newer."""
    visit.ask("SELECT status, function_id, app_id, count(*) AS n FROM runs GROUP BY ALL")
    visit.page.route("**/static/built/part-*.js", lambda _: None)  # held back until it is unrouted
    visit.page.click("#as-chart")
    for name in ("app_id", "status", "function_id", "status", "app_id", "function_id"):
        visit.page.get_by_label("Colour").select_option(name)
    visit.page.unroute("**/static/built/part-*.js")
    expect(visit.page.locator("#drawn svg .role-legend-title")).to_have_text("function_id")
    assert 1 == visit.page.locator("#drawn svg").count()


def test_a_shared_link_opened_anew_gives_the_same(visit: Visit, demo: Server, browser: Browser) -> None:
    """Query, parameters, limit, chart: another browser with the copied link shows them all."""
    visit.write("SELECT status, count(*) AS n FROM runs WHERE status <> $not GROUP BY ALL ORDER BY ALL")
    visit.page.get_by_label("$not").fill("Failed")
    visit.page.select_option("#limit", "1000")
    visit.run()
    rows = visit.cells()
    assert "Failed" not in {row[0] for row in rows}
    visit.page.click("#as-chart")
    visit.page.locator("#drawn svg").wait_for()
    visit.page.get_by_label("Chart", exact=True).select_option("point")
    visit.choose("Copy as", "Link")
    link: str = visit.page.evaluate("navigator.clipboard.readText()")
    other = Visit(browser.new_context().new_page(), demo.url)
    other.page.goto(link)
    other.page.locator("#drawn[data-drawn=point] svg").wait_for()
    other.page.click("#as-table")
    other.page.locator("regular-table tbody td").first.wait_for()
    assert rows == other.cells()
    assert ("Failed", "1000") == (
        other.page.get_by_label("$not").input_value(),
        other.page.locator("#limit").input_value(),
    )
    assert [] == other.trouble()
    other.page.context.close()


def test_back_goes_to_the_query_before(visit: Visit) -> None:
    """Each run is a step of the browser's history."""
    visit.ask("SELECT 1 AS one")
    visit.ask("SELECT 2 AS two")
    visit.page.go_back()
    expect(visit.page.locator(".cm-content")).to_have_text("SELECT 1 AS one")
    expect(visit.page.locator("regular-table thead")).to_contain_text("one")


def test_a_saved_query_is_found_and_opened(visit: Visit, demo: Server) -> None:
    """Saved with its parameter's type and value, listed, opened by its name."""
    visit.write("SELECT count(*) AS n FROM runs WHERE started_at >= $since")
    visit.page.get_by_label("$since").fill("2020-01-01")
    visit.page.get_by_label("Type of since").select_option("timestamp")
    visit.page.click("#save-open")
    visit.page.get_by_label("Name").fill("not a name")
    visit.page.get_by_label("Name").fill("runs-since")
    visit.page.get_by_label("Description").fill("How many runs there are.")
    visit.page.get_by_role("button", name="Save", exact=True).click()
    expect(visit.page.locator("#status")).to_contain_text("Saved as runs-since, version 1")
    saved = demo.http.get("/v1/queries/runs-since").json()
    assert "timestamp" == saved["params"]["since"]["type"]
    visit.page.locator("#status a").wait_for()
    [[counted]] = demo.http.get("/v1/queries/runs-since/result").json()["rows"]
    visit.open(saved="runs-since")
    visit.page.locator("regular-table tbody td").first.wait_for()
    assert [[str(counted)]] == visit.cells()
    visit.write("")
    visit.choose("Saved", "runs-since")
    expect(visit.page.locator(".cm-content")).to_contain_text("$since")


def test_history_keeps_what_was_asked(visit: Visit) -> None:
    """The newest first, also after the page was opened anew; forgotten when told."""
    visit.ask("SELECT 41 AS before")
    visit.ask("SELECT 42 AS answer")
    visit.open()
    visit.choose("History", "SELECT 42 AS answer")
    expect(visit.page.locator(".cm-content")).to_have_text("SELECT 42 AS answer")
    visit.choose("History", "Forget all")
    expect(visit.page.locator("#history")).to_contain_text("are kept here")


def test_copies_run_elsewhere(visit: Visit, demo: Server) -> None:
    """curl, Python and SQL, pasted where they belong, give the rows of the page."""
    visit.write("SELECT 'it''s \"q\" $x \\ 🦔' AS t, count(*) AS n FROM runs WHERE status = $s")
    visit.page.get_by_label("$s").fill("Completed")
    visit.run()
    [row] = visit.cells()
    copied: dict[str, str] = {}
    for kind in ("curl", "Python", "SQL"):
        visit.choose("Copy as", kind)
        expect(visit.page.locator("#status")).to_have_text(f"{kind} copied.")
        copied[kind] = visit.page.evaluate("navigator.clipboard.readText()")
    shell = subprocess.run(["sh", "-c", copied["curl"]], capture_output=True, text=True, check=True)
    python = subprocess.run([sys.executable, "-c", copied["Python"]], capture_output=True, text=True, check=True)
    answers = [msgspec.json.decode(shell.stdout)["rows"], demo.ask(copied["SQL"])]
    assert [[row], [row]] == [texts(rows) for rows in answers]
    assert [row] == texts([ast.literal_eval(python.stdout.splitlines()[1])])


def _parquet(source: Any) -> pa.Table:
    return pq.read_table(source)


def _stream(source: Any) -> pa.Table:
    return pa.ipc.open_stream(source).read_all()


READERS: tuple[tuple[str, Callable[[Any], pa.Table]], ...] = (
    ("CSV", arrow_csv.read_csv),
    ("Parquet", _parquet),
    ("Arrow", _stream),
)


def test_results_are_downloaded(visit: Visit, tmp_path: Path) -> None:
    """CSV, Parquet and Arrow hold the rows of the page, read by pyarrow."""
    visit.ask(BY_STATUS)
    rows = visit.cells()
    for kind, read in READERS:
        with visit.page.expect_download() as found:
            visit.choose("Download", kind)
        found.value.save_as(tmp_path / kind)
        table = read(io.BytesIO((tmp_path / kind).read_bytes()))
        assert rows == texts([list(row.values()) for row in table.to_pylist()])


def test_stop_ends_the_question_on_the_server_too(visit: Visit, demo: Server) -> None:
    """The worker is free again at once: the next answer comes long before the stopped one could have ended."""
    slow = "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"
    visit.write(slow)
    visit.page.locator(".cm-content").press("Control+Enter")
    visit.page.locator("#stop").wait_for()
    visit.page.wait_for_timeout(300)
    visit.page.click("#stop")
    expect(visit.page.locator("#status")).to_have_text("Stopped.")
    visit.ask("SELECT 1 AS one")
    log = demo.data / "logs" / "requests.ndjson"
    assert any('"verdict":"aborted"' in line for line in log.read_text().splitlines())


def test_both_themes_can_be_read(browser: Browser, demo: Server) -> None:
    """Text against its ground has a contrast of 4.5 at the least (WCAG 2.2, 1.4.3), also in the editor and the grid."""
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        visit = Visit(context.new_page(), demo.url)
        visit.open(q="SELECT 'text' AS t, 1 AS n, NULL AS missing -- remark")
        visit.page.locator("regular-table tbody td").first.wait_for()
        assert [] == [(scheme, *found) for found in visit.page.evaluate(_CONTRASTS)]
        visit.page.click("#as-chart")
        visit.page.locator("#drawn svg").wait_for()
        assert [] == visit.trouble()
        context.close()


_CONTRASTS = """() => {
    const channels = (colour) => { const c = document.createElement("canvas").getContext("2d"); c.fillStyle = colour;
        c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
    const ground = (node) => { for (let at = node; at; at = at.parentElement ?? at.getRootNode().host) {
        const colour = channels(getComputedStyle(at).backgroundColor); if (colour[3] === 255) return colour; }
        return channels(matchMedia("(prefers-color-scheme: dark)").matches ? "#0e1014" : "#ffffff"); };
    const poor = [];
    const roots = [document, document.querySelector("#editor").shadowRoot];
    for (const node of roots.flatMap((root) => [...root.querySelectorAll("*")])) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        const [a, b] = [light(channels(getComputedStyle(node).color)), light(ground(node))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) poor.push([node.tagName, node.className, node.textContent.slice(0, 20), ratio.toFixed(2)]);
    }
    return poor;
}"""


def test_everything_that_can_be_used_has_a_name(visit: Visit) -> None:
    """Buttons, fields and menus: what a screen reader would say."""
    visit.write("SELECT status, count(*) AS n FROM runs WHERE status <> $s GROUP BY ALL")
    visit.page.get_by_label("$s").fill("Failed")
    visit.run()
    visit.page.click("#as-chart")
    visit.page.locator("#drawn svg").wait_for()
    nameless: list[str] = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, summary, [role=img], [tabindex='0']")]
            .filter((one) => one.checkVisibility())
            .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length))
            .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert [] == nameless
    expect(visit.page.get_by_label("Bars: n by status")).to_be_visible()


def test_keys_lead_to_the_editor_and_explain_themselves(visit: Visit) -> None:
    """`/` goes to the editor from anywhere, `?` lists the keys; in the editor both are only typed."""
    visit.page.locator("h2#schema").click()
    visit.page.keyboard.press("?")
    expect(visit.page.locator("dialog.keys")).to_be_visible()
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("SELECT 1 / 2 -- ?")
    expect(visit.page.locator(".cm-content")).to_have_text("SELECT 1 / 2 -- ?")


def test_a_narrow_screen_needs_no_scrolling_aside(browser: Browser, demo: Server) -> None:
    """At the width of a telephone the page is no wider than the screen."""
    context: BrowserContext = browser.new_context(viewport={"width": 390, "height": 800})
    visit = Visit(context.new_page(), demo.url)
    visit.open(q=BY_STATUS)
    visit.page.locator("regular-table tbody td").first.wait_for()
    assert 390 >= visit.page.evaluate("document.documentElement.scrollWidth")
    assert [] == visit.trouble()
    context.close()


def test_without_scripts_there_is_the_plain_form(browser: Browser, demo: Server) -> None:
    """The editor's page says where, and the form there asks as before."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{demo.url}/sql")
    page.get_by_role("link", name="The same without it").click()
    page.get_by_label("SQL").fill("SELECT 6 * 7 AS answer")
    page.get_by_role("button", name="Run").click()
    expect(page.locator("main td")).to_have_text("42")
    context.close()


POINTS = {
    "data": {"values": [{"a": 1, "b": 2}, {"a": 3, "b": 5}]},
    "mark": "point",
    "width": "container",
    "encoding": {"x": {"field": "a", "type": "quantitative"}, "y": {"field": "b", "type": "quantitative"}},
}


def figure(name: str, spec: dict[str, Any]) -> str:
    """Return the HTML of a chart as templates write it."""
    return (
        f"<figure class=drawn aria-label={name} data-spec='{html.escape(msgspec.json.encode(spec).decode())}'></figure>"
    )


def test_a_page_can_hold_charts_of_its_own(context: BrowserContext, demo: Server) -> None:
    """A figure with a specification is drawn once it is to be seen, under the pages' policy; nothing is loaded."""
    visit = Visit(context.new_page(), demo.url)
    script = f'<!doctype html><script type=module src="{assets.ISLANDS["shell"].address}"></script>'
    loads = POINTS | {"data": {"url": "/v1/tables"}}
    body = script + figure("seen", POINTS) + figure("loads", loads) + "<br>" * 200 + figure("far", POINTS)
    headers = {"content-type": "text/html", **POLICY}
    visit.page.route("**/figures", lambda route: route.fulfill(body=body, headers=headers))
    visit.page.goto(f"{demo.url}/figures")
    expect(visit.page.locator("figure[aria-label=seen] .role-mark path")).to_have_count(2)
    assert 0 == visit.page.locator("figure[aria-label=far] .chart").count()
    assert not [asked for asked in visit.asked if asked.endswith("/v1/tables")]
    visit.page.locator("figure[aria-label=far]").scroll_into_view_if_needed()
    expect(visit.page.locator("figure[aria-label=far] .role-mark path")).to_have_count(2)
