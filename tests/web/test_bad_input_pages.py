"""Pages over what nobody would send on purpose, and over what somebody would: large, long, deep, hidden, hostile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest
from playwright.sync_api import expect

from tests.support.rows import NOW
from tests.support.server import Server, serving
from tests.web.browsing import Visit
from tests.web.built import needs_the_build
from tests.web.world import PAGES, addresses, make_an_edition, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext

NOW_MS = NOW // 1_000
OUTPUT_BYTES, STEPS, SPANS, SESSION_RUNS = 1_000_000, 5_000, 20_000, 100_000
TRACE = "ab" * 16
PAGE_BYTES = 200_000
HTML = {"accept": "text/html"}


def once(server: Server, records: list[dict[str, Any]]) -> None:
    """Send records that are all taken."""
    for start in range(0, len(records), 20_000):
        answer = server.ingest(records[start : start + 20_000])
        assert [] == answer["rejected"], answer["rejected"][:1]


def run(id_: str, **more: Any) -> dict[str, Any]:
    """Return a record of a finished run."""
    times = {"queued_at": NOW_MS, "started_at": NOW_MS, "ended_at": NOW_MS + 60_000}
    return {"type": "run", "id": id_, "status": "Completed", **times, **more}


def spans(count: int) -> bytes:
    """Return a trace of a root, of agents below it, and of calls below these, as OTLP."""
    made: list[dict[str, Any]] = []
    for n in range(count):
        start = (NOW_MS + n) * 1_000_000
        span = {"traceId": TRACE, "spanId": f"{n + 1:016x}", "name": f"call {n}", "kind": 1}
        span |= {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 5_000_000)}
        made.append(span | ({"parentSpanId": f"{n // 10 + 1:016x}"} if n else {}))
    return msgspec.json.encode({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": made}]}]})


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a run of 1 MB, one of 5,000 steps, a trace of 20,000 spans, and a session of 100,000 runs."""
    needs_the_build()
    with serving(tmp_path_factory.mktemp("large") / "data") as server:
        words = {"items": [{"n": n, "said": "x" * 80} for n in range(OUTPUT_BYTES // 100)]}
        once(server, [run("large", input="y" * OUTPUT_BYTES, output=words)])
        steps = [
            {"type": "step", "run_id": "long", "id": f"step {n}", "attempt": 0, "status": "Completed"}
            | {"started_at": NOW_MS + n, "ended_at": NOW_MS + n + 5}
            for n in range(STEPS + 500)
        ]
        once(server, [run("long"), *steps])
        headers = {"content-type": "application/json"}
        assert server.http.post("/v1/traces", content=spans(SPANS), headers=headers).is_success
        once(server, [run(f"r{n}", sessions={"k": "crowded"}, input=f"question {n}") for n in range(SESSION_RUNS)])
        yield server


UNKNOWN = (
    *("/runs/nobody", "/sessions/k/nobody", "/traces/" + "0" * 32, "/scores/nothing", "/experiments/none"),
    *("/dashboards/none", "/dashboards/none/edit", "/nowhere", "/static/built/none.js"),
)


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_is_not_there_is_a_page_that_says_so(context: BrowserContext, demo: Server, path: str) -> None:
    """Status 404, what was asked for in words, and ways on."""
    page = context.new_page()
    answer = page.goto(f"{demo.url}{path}")
    assert answer is not None and 404 == answer.status
    if path.startswith("/static/"):
        return
    named = path.split("/")[2] if path.count("/") == 2 else path.rsplit("/", 1)[-1]
    expect(page.locator("h1")).to_contain_text(named if "edit" not in named else "none")
    assert page.locator("main a[href]").count() >= 1
    assert page.get_by_role("navigation", name="Pages").is_visible()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/runs?last=2d", "must be one of"),
        ("/runs?from=yesterday", "from"),
        ("/runs?score_below=low&score=s", "score_below"),
        ("/runs?cursor=nonsense", "cursor"),
        ("/runs?order=best", "order"),
        ("/scores/resolved?to=%00", "to"),
    ],
)
def test_a_question_that_is_none_is_refused_in_words(demo: Server, path: str, words: str) -> None:
    """Status 400, as a page."""
    answer = demo.http.get(path, headers=HTML)
    assert 400 == answer.status_code
    assert words in answer.text and "<h1" in answer.text and 'aria-label="Pages"' in answer.text


def test_a_run_of_a_megabyte(context: BrowserContext, large: Server) -> None:
    """The page is small; all of it comes when it is asked for, as a tree that folds."""
    page_bytes = len(large.http.get("/runs/large", headers=HTML).content)
    assert PAGE_BYTES > page_bytes
    visit = Visit(context.new_page(), large.url)
    page = visit.page
    opened(page, f"{large.url}/runs/large")
    output = page.locator("details.payload", has_text="Output")
    output.get_by_role("link", name="Show all").click()
    tree = output.locator("pre[data-tree]")
    tree.wait_for()
    expect(tree.locator("summary").first).to_contain_text("1 field")
    tree.locator("details details > summary").first.click()
    expect(tree.locator("ul.json ul.json > li")).to_have_count(101)  # and a button for the next
    tree.get_by_role("button", name="more").click()
    expect(tree.locator("ul.json ul.json > li")).to_have_count(201)
    text = page.locator("details.payload", has_text="Input")
    text.get_by_role("link", name="Show all").click()
    expect(text.get_by_role("link", name="Show all")).to_have_count(0)
    assert OUTPUT_BYTES <= len(text.locator("pre").inner_text())
    assert [] == visit.trouble()


def test_a_run_of_thousands_of_steps(context: BrowserContext, large: Server) -> None:
    """It opens, says that it is not all, and can be walked."""
    visit = Visit(context.new_page(), large.url)
    opened(visit.page, f"{large.url}/runs/long")
    assert STEPS == visit.page.locator(".waterfall .bar").count()
    expect(visit.page.locator("main")).to_contain_text("The run has more attempts of steps: these are the first.")
    visit.page.locator(".bar").first.focus()
    visit.page.keyboard.press("ArrowDown")
    expect(visit.page.locator(".bar").nth(1)).to_be_focused()
    assert [] == visit.trouble()


def test_a_trace_of_twenty_thousand_spans(context: BrowserContext, large: Server) -> None:
    """Its first rows can be seen and walked, it says how many there are, and a link leads to the others."""
    visit = Visit(context.new_page(), large.url)
    page = visit.page
    opened(page, f"{large.url}/traces/{TRACE}")
    expect(page.locator("main")).to_contain_text(f"{SPANS:,} spans")
    bars = page.locator(".waterfall .bar")
    expect(bars.first).to_be_in_viewport()
    bars.first.focus()
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    expect(bars.nth(10)).to_be_focused()
    first = bars.first.get_attribute("id")
    page.locator("a[rel=next]").click()
    page.wait_for_url("**cursor=**")
    assert first != page.locator(".waterfall .bar").first.get_attribute("id")
    assert [] == visit.trouble()


def test_a_session_of_a_hundred_thousand_runs(context: BrowserContext, large: Server) -> None:
    """The first fifty, how many there are, and a way on that leads to others."""
    visit = Visit(context.new_page(), large.url)
    page = visit.page
    opened(page, f"{large.url}/sessions/k/crowded")
    expect(page.locator("main")).to_contain_text(f"{SESSION_RUNS:,} runs")
    assert 50 == page.locator(".timeline > li").count()
    first = page.locator(".timeline > li a").first.get_attribute("href")
    page.locator("a[rel=next]").click()
    page.wait_for_url("**cursor=**")
    assert 50 == page.locator(".timeline > li").count()
    assert first not in [a.get_attribute("href") for a in page.locator(".timeline > li a.strong").all()]
    assert [] == visit.trouble()


ATTACK = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script><svg/onload=window.hit=1>{{7*7}}`${1}`'
LINK = "javascript:window.hit=1"
HIDDEN = "abc\u202etxt.exe\u2066\u200f"
QUOTED = "' onmouseover='window.hit=1' x='\x07\x1b[31m"
"""What no name may have: more of it in what is said."""


def hostile(words: str) -> list[dict[str, Any]]:
    """Return records that have such words in every field that takes any."""
    said = words + QUOTED
    talk = {"messages": [{"role": said, "content": said}], said: said}
    return [
        {"type": "event", "id": words, "name": words, "ts": NOW_MS, "data": talk, "sessions": {words: words}},
        run(
            words,
            status="Failed",
            function_id=words,
            app_id=words,
            environment=words,
            release=words,
            user_id=words,
            input=talk,
            output=said,
            error={"name": said, "message": said, "stack": said},
            attributes={said: said},
            sessions={words: words},
            event_ids=[words],
        ),
        {"type": "step", "run_id": words, "id": words, "attempt": 0, "name": words, "step_type": words}
        | {"status": "Failed", "input": talk, "output": said, "error": said, "started_at": NOW_MS},
        {"type": "assignment", "run_id": words, "experiment": words, "variant": words, "unit": words, "ts": NOW_MS},
        {"type": "score", "run_id": words, "name": words, "label": words, "comment": said, "source": "human"},
        {"type": "score", "run_id": words, "name": words + "2", "value": 0.25, "comment": said}
        | {"experiment": {"name": words, "variant": words}},
        {"type": "score", "session": {words: words}, "name": words, "label": words, "comment": said},
        {"type": "metadata", "run_id": words, "kind": words, "values": {said: said}},
    ]


def hostile_trace(words: str) -> bytes:
    """Return a span that says such words everywhere."""
    told = {"gen_ai.request.model": words, "gen_ai.tool.name": words, "gen_ai.operation.name": "chat"}
    told |= {"upshot.run_id": words, "session.id": words, "input.value": words, "output.value": words}
    span = {"traceId": "cd" * 16, "spanId": "cd" * 8, "name": words, "kind": 1, "status": {"code": 2, "message": words}}
    span |= {"startTimeUnixNano": str(NOW * 1_000), "endTimeUnixNano": str(NOW * 1_000 + 10**9)}
    span |= {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]}
    return msgspec.json.encode({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]})


@pytest.fixture(
    scope="module",
    params=[ATTACK, pytest.param(LINK, marks=pytest.mark.long), HIDDEN],
    ids=["markup", "a script's address", "hidden marks"],
)
def attacked(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    """A server whose every field says the same hostile words, and these."""
    needs_the_build()
    words: str = request.param
    with serving(tmp_path_factory.mktemp("attacked") / "data") as server:
        once(server, hostile(words))
        headers = {"content-type": "application/json"}
        assert server.http.post("/v1/traces", content=hostile_trace(words), headers=headers).is_success
        name = quote(words, safe="")
        tile = {"show": "table", "title": words, "sql": "SELECT id, function_id FROM runs"}
        for path, body in (
            (f"scores/{name}", {"kind": "label", "description": words, "owner": words}),
            (f"experiments/{name}", {"control": words}),
            ("queries/hostile", {"sql": f"SELECT 1 -- {words}", "description": words}),
            ("dashboards/hostile", {"title": words, "description": words, "tiles": [tile]}),
        ):
            answer = server.http.put(f"/v1/{path}", json=body)
            assert answer.is_success, answer.text
        make_an_edition(server, words)
        yield server, words


def test_hostile_words_are_only_words(context: BrowserContext, attacked: tuple[Server, str]) -> None:
    """On every page: nothing runs, nothing is injected, no link leads to a script, hidden marks are shown by number."""
    server, words = attacked
    visit = Visit(context.new_page(), server.url)
    page = visit.page
    page.on("dialog", lambda dialog: visit.said.append(dialog.message))
    found = addresses(server)
    found["hostile run"] = f"/runs/{quote(words, safe='')}"
    found["hostile session"] = f"/sessions/{quote(words, safe='')}/{quote(words, safe='')}"
    found["hostile score"] = f"/scores/{quote(words, safe='')}"
    found["hostile report"] = f"/experiments/{quote(words, safe='')}"
    found["asked for"] = f"/runs?q={quote(words)}&environment={quote(words)}&from={quote(words)}"
    found["hostile dashboard"] = "/dashboards/hostile"
    found["its form"] = "/dashboards/hostile/edit"
    assert set(PAGES) <= set(found)
    for name, path in found.items():
        page.goto(f"{server.url}{path}")
        page.wait_for_selector("body[data-ready]")
        expect(page.locator("[hx-trigger=load], .htmx-request")).to_have_count(0, timeout=30_000)
        page.evaluate("() => document.querySelectorAll('main details').forEach((one) => one.open = true)")
        page.evaluate(
            "() => document.querySelectorAll('main *').forEach((one) => one.dispatchEvent(new Event('mouseover')))"
        )
        injected: list[str] = page.evaluate(_INJECTED)
        assert (name, []) == (name, injected)
        text = page.locator("body").inner_text()
        marks = [text[max(n - 40, 0) : n + 10] for n, mark in enumerate(text) if mark in "\u202e\u2066\u200f\x07\x1b"]
        assert (name, []) == (name, marks)
        if name.startswith("hostile"):
            assert ("⟨U+202E⟩" if words == HIDDEN else words[:20]) in text
    refused = [said for said in visit.trouble() if "status of 40" not in said]
    assert [] == refused


_INJECTED = """() => [
    ...(window.hit === undefined ? [] : ["a script ran"]),
    ...[...document.querySelectorAll("img, script:not([src]), [onerror], [onload], [onclick], object, base")],
    ...[...document.querySelectorAll("iframe")].filter((one) => one.getAttribute("sandbox") !== "" ||
        !/^\\/v1\\/reports\\/notebook\\/editions\\/[\\w-]+\\/report.html$/.test(one.getAttribute("src"))),
    ...[...document.querySelectorAll("a[href], form[action]")].filter((one) =>
        !["http:", "https:"].includes(new URL(one.getAttribute("href") ?? one.action, location.href).protocol)),
].map((one) => one.outerHTML?.slice(0, 200) ?? one)"""
