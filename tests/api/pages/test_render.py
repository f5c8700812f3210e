"""The pages as documents: whole, safe, reachable by keyboard and screen reader, and saying what the report says."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages import account, drill, home, numbers, render, specs
from api.pages import render as pages
from api.pages import reports as report_pages
from api.pages.frame import Frame, Period
from queries.drill import bodies
from tests.api.pages.documents import (
    ERROR,
    HOSTILE,
    REPORTS,
    RESULT,
    Document,
    Element,
    full,
    hostile,
    report,
    tables,
    without_numbers,
)
from tests.api.pages.made import made
from warehouse.errors import InputError
from warehouse.keys import KeyEntry

ORIGIN = "http://127.0.0.1:8787"
PLACES = {
    *(
        "",
        "sql",
        "experiments",
        "v1",
        "runs",
        "sessions",
        "scores",
        "traces",
        "dashboards",
        "queries",
        "settings",
        "reports",
    ),
    *("sign-in", "sign-out"),
}
QUERY = "select run_id,\n       functoin_id\nfrom runs"


READER = Frame("default", rights=frozenset({"query", "admin"}), key="0123456789ab", signed_in=True)
STRANGE = Frame(
    HOSTILE, rights=frozenset({"query"}), key=HOSTILE, environment=HOSTILE, path="/runs",
    period=Period("", HOSTILE, HOSTILE), query={HOSTILE: HOSTILE, "environment": HOSTILE, "from": HOSTILE},
)  # fmt: skip


def _whole(card: str) -> str:
    """Return a part of a page as a page."""
    head = '<!doctype html>\n<html lang="en"><head><title>part</title></head>'
    return f"{head}<body><h1>part</h1><h2>cards</h2>{card}</body></html>"


def _drilled() -> dict[str, str]:
    """Return the pages of the drill-down and the first page, of bodies with every field that there is."""
    found: dict[str, str] = {}
    for name, text, nulls, frame in (
        ("", "a name", False, READER),
        (" of nulls", "a name", True, READER),
        (" of attacks", HOSTILE, False, STRANGE),
    ):

        def body(kind: Any, text: str = text, nulls: bool = nulls) -> Any:  # noqa: FBT001 - bound per turn
            return made(kind, text, nulls=nulls)

        asked: dict[str, str] = dict.fromkeys(("q", "function", "score", "user", "experiment", "variant", "key"), text)
        listed = {"name": text, "declared": False, "last_at": None, "variants": [{"variant": text, "runs": 3}]}
        known = {**body(bodies.ScorePage), "flags": ["mixed_kinds"], "lowest": 0.5, "highest": 1.0, "last_at": None}
        found |= {
            f"home{name}": home.home(body(bodies.Overview), ORIGIN, frame),
            f"experiments{name}": home.experiments([listed], frame),
            f"verdicts{name}": _whole(home.verdicts([listed], frame)),
            f"runs{name}": drill.runs(body(bodies.Runs), asked, frame),
            f"run{name}": drill.run(body(bodies.Run), {}, frame),
            f"run, more spans{name}": drill.run(body(bodies.Run), {"cursor": text}, frame),
            f"trace{name}": drill.trace(body(bodies.Trace), {}, frame),
            f"sessions{name}": drill.sessions(body(bodies.Sessions), asked, frame),
            f"session{name}": drill.session(body(bodies.Session), {}, frame),
            f"scores{name}": drill.scores({"scores": [known]}, frame),
            f"score{name}": drill.score(body(bodies.ScorePage), {"function": text}, frame),
            f"queries{name}": account.saved_queries(
                frame,
                [
                    {
                        "name": text,
                        "description": text,
                        "params": {text: {}},
                        "version": 2,
                        "created_at": made(str, name="at"),
                    }
                ],
            ),
            f"settings{name}": account.settings(
                frame,
                [(text, text, text)],
                {text: 3},
                [KeyEntry("0123", text, "w", ("query",), 1, 20000, None)],
                {"made": text, "problem": text},
            ),
        }
    empty = made(bodies.Overview) | {"arrived": [], "scores": [], "functions": [], "sessions": []}
    nothing: dict[str, Any] = {"runs": [], "sessions": [], "keys": None, "next": None}
    return found | {
        "home, empty": home.home(empty, ORIGIN),
        "home, nothing in this time": home.home(empty | {"arrived": made(bodies.Overview)["arrived"]}, ORIGIN),
        "runs, none": drill.runs(nothing, {}),
        "runs, none match": drill.runs(nothing, {"q": "x"}, READER),
        "sessions, none": drill.sessions(nothing, {}),
        "scores, none": drill.scores({"scores": []}),
        "queries, none": account.saved_queries(READER, []),
        "settings of a reader": account.settings(READER),
        "sign in": account.sign_in(Frame(closed=True), "/runs", closed=True),
        "sign in, wrong": account.sign_in(Frame(closed=True, theme="dark"), f"/{HOSTILE}", closed=True, problem="no"),
        "sign in, no key": account.sign_in(Frame(closed=True), "/", closed=False),
    }


def _reported() -> dict[str, str]:
    """Return the pages of reports, with everything that may be there, with little, and of attacks."""
    at = made(str, name="at")
    found = {
        "reports, none": report_pages.reports(READER, []),
        "reports of a reader": report_pages.reports(Frame(rights=frozenset({"query"})), []),
        "edition that waits": report_pages.edition(
            READER, {"id": "e", "report": "r", "status": "waiting", "files": {}}
        ),
    }
    for name, text, frame in (("", "a name", READER), (" of attacks", HOSTILE, STRANGE)):
        schedule = {"cron": text, "timezone": text}
        newest = {"id": "e1", "status": text, "known_at": at, "ended_at": at}
        own = {"name": text, "title": text, "description": text, "version": 2, "next_at": at, "schedule": schedule}
        whole = own | {"template": text, "params": {text: text}, "only_when_changed": True}
        whole |= {"deliver": [{"to": "webhook", "url": text}, {"to": "email", "addresses": [text]}]}
        changes = [{"name": text, "before": text, "after": text, "words": text}] * 2
        edition = {"id": "e1", "report": text, "title": text, "status": "done", "known_at": at, "scheduled_for": at}
        edition |= {"seconds": 1.5, "peak_mb": 300.0, "params": {text: text}, "changes": changes, "compared_with": "e0"}
        edition |= {"files": {"report.html": f"/v1/reports/{quote(text, safe='')}/editions/e1/report.html"}}
        failed = edition | {"status": "failed", "error": {"name": text, "message": text, "cell": 3, "source": text}}
        same: dict[str, Any] = edition | {"changes": [], "compared_with": "e0", "scheduled_for": None}
        tried = {"at": at, "to": text, "attempt": 1, "outcome": text, "detail": text}
        problem = InputError(text, hint=text)
        given = {"name": text, "cron": text, "timezone": text, "template": text}
        found |= {
            f"reports{name}": report_pages.reports(frame, [own | {"newest": newest}, own | {"newest": None}]),
            f"reports, refused{name}": report_pages.reports(frame, [own | {"newest": newest}], problem, given),
            f"kept report{name}": report_pages.report(frame, whole, [edition, failed, same]),
            f"kept report, new{name}": report_pages.report(frame, whole | {"schedule": None}, []),
            f"edition{name}": report_pages.edition(frame, edition, [tried]),
            f"edition that failed{name}": report_pages.edition(frame, failed),
            f"edition of no change{name}": report_pages.edition(frame, same),
        }
    return found


PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>a &lt; b</text></svg>'


def _drawn(body: dict[str, Any]) -> dict[str, str]:
    """Return a picture for every chart the page of a report shows."""
    return dict.fromkeys(render.charts_shown(body), PICTURE)


def _every_page() -> dict[str, str]:
    reports = [*(report(name) for name in REPORTS), full()]
    nulls = [without_numbers(body) for body in reports]
    attacks = [hostile(body) for body in reports]
    found = {
        **_drilled(),
        **_reported(),
        "cards": _whole("".join(home.card(body["experiment"], body) for body in reports)),
        "cards of nulls": _whole("".join(home.card("x", body) for body in nulls)),
        "cards of attacks": _whole("".join(home.card(HOSTILE, body) for body in attacks)),
        "card without a report": _whole(home.card("new", {})),
        "experiment of nothing": pages.experiment({"experiment": "new"}),
        "sql": pages.sql("", None, None, tables(7)),
        "sql result": pages.sql("from runs", RESULT, None, tables()),
        "sql of no rows": pages.sql("from runs", {**RESULT, "rows": [], "row_count": 0}, None, tables()),
        "sql error": pages.sql(QUERY, None, ERROR, tables()),
        "sql of attacks": pages.sql(HOSTILE, hostile(RESULT), hostile(ERROR), hostile(tables(3))),
        "error": pages.error(404, ERROR),
        "error of attacks": pages.error(404, hostile(ERROR)),
    }
    for name, plain, null, attack in zip([*REPORTS, "full"], reports, nulls, attacks, strict=True):
        found[f"experiment {name}"] = pages.experiment(plain, _drawn(plain))
        found[f"experiment {name} of nulls"] = pages.experiment(null, _drawn(null))
        found[f"experiment {name} of attacks"] = pages.experiment(attack, _drawn(attack))
        found[f"experiment {name} without pictures"] = pages.experiment(plain)
    return found


def _every_file() -> dict[str, str]:
    reports = {**{name: report(name) for name in REPORTS}, "full": full()}
    found = {name: pages.standalone(body, _drawn(body)) for name, body in reports.items()}
    found |= {f"{name} of attacks": pages.standalone(hostile(body)) for name, body in reports.items()}
    found |= {f"{name} of nulls": pages.standalone(without_numbers(body)) for name, body in reports.items()}
    return found


PAGES = _every_page()
FILES = _every_file()
every_page = pytest.mark.parametrize("html", PAGES.values(), ids=PAGES.keys())
every_file = pytest.mark.parametrize("html", FILES.values(), ids=FILES.keys())
every_document = pytest.mark.parametrize("html", [*PAGES.values(), *FILES.values()], ids=[*PAGES, *FILES])


@every_document
def test_a_page_is_one_well_formed_document(html: str) -> None:
    """Tags nest, ids are unique, there is one h1 and no heading level is left out."""
    document = Document(html)
    assert html.startswith("<!doctype html>")
    ids = [element.attributes["id"] for element in document.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    levels = [int(element.tag[1]) for element in document.elements if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@every_page
def test_a_page_keeps_a_strict_content_security_policy(html: str) -> None:
    """No inline script, style or handler; nothing is loaded but sheets and scripts of this server, from their files."""
    document = Document(html)
    assert {"style", "img", "object", "base"}.isdisjoint(e.tag for e in document.elements)
    for frame in document.all("iframe"):  # of an edition, whose answer has a policy of its own
        assert frame.attributes["sandbox"] is None  # no word in it: nothing is allowed
        assert re.fullmatch(r"/v1/reports/[^/]+/editions/e1/report\.html", frame.attributes["src"] or "")
    for element in document.elements:
        assert not [
            name for name in element.attributes if name.startswith(("on", "hx-on")) or name in {"style", "srcset"}
        ]
        assert "src" not in element.attributes or element.tag in ("script", "iframe")
    for script in document.all("script"):
        assert ("module", "") == (script.attributes["type"], script.words)
        assert re.fullmatch(r"/static/built/[\w-]+\.js", script.attributes["src"] or "")
    loaded = {(element.attributes["href"] or "").split("?")[0].split(",")[0] for element in document.all("link")}
    own = {address for address in loaded if re.fullmatch(r"/static/built/[\w-]+\.(css|js)", address)}
    assert loaded - own <= {"data:image/svg+xml", "/static/style.css"}


@every_file
def test_a_file_keeps_its_own_policy_and_leads_nowhere(html: str) -> None:
    """It names one style by its digest, has no script, handler, link or address, and the digest is the style's."""
    document = Document(html)
    assert {"script", "img", "iframe", "object", "base", "a", "form"}.isdisjoint(e.tag for e in document.elements)
    for element in document.elements:
        assert not [name for name in element.attributes if name.startswith("on") or name in {"style", "src", "srcset"}]
    assert [link.attributes["href"] for link in document.all("link")] == ["data:,"]
    [style] = document.all("style")
    digest = base64.b64encode(hashlib.sha256(style.words.encode()).digest()).decode()
    [policy] = [e.attributes["content"] for e in document.all("meta") if "http-equiv" in e.attributes]
    assert policy == render.STANDALONE_POLICY
    assert f"style-src 'sha256-{digest}'" in render.STANDALONE_POLICY
    assert "url(" not in style.words and "@import" not in style.words


@every_page
def test_every_link_stays_on_this_server_and_is_encoded(html: str) -> None:
    """Addresses are absolute paths of visible ASCII, or places on the page itself."""
    document = Document(html)
    targets = [*document.links(), *(form.attributes["action"] or "" for form in document.all("form"))]
    for target in targets:
        assert re.fullmatch("#[!-~]+", target) or re.fullmatch(r"/(?!/)[!#-;=?-\[\]_a-z~]*", target), target
        assert urlsplit(target).path.partition("/")[2].partition("/")[0] in PLACES


def _named(element: Element) -> bool:
    return bool(element.attributes.get("aria-label") or element.attributes.get("aria-labelledby"))


@every_document
def test_a_page_can_be_used_without_seeing_it(html: str) -> None:
    """Header cells have a scope, controls a label, drawings a name or are hidden; references lead somewhere."""
    document = Document(html)
    ids = {element.attributes.get("id") for element in document.elements}
    assert all("scope" in cell.attributes for cell in document.all("th"))
    labels = {label.attributes.get("for") for label in document.all("label")}
    for control in (*document.all("input"), *document.all("select"), *document.all("textarea")):
        hidden = control.attributes.get("type") == "hidden"
        assert hidden or control.attributes.get("id") in labels - {None} or "label" in control.inside or _named(control)
    assert {area.attributes["id"] for area in document.all("textarea")} <= labels
    for drawing in document.all("svg"):
        named = drawing.attributes.get("role") == "img" and drawing.attributes.get("aria-label")
        hidden = drawing.attributes.get("aria-hidden") == "true" or "tfoot" in drawing.inside
        assert named or hidden
    for element in document.elements:
        for reference in ("aria-labelledby", "aria-describedby", "for"):
            assert element.attributes.get(reference) in {None, *ids}
        if element.attributes.get("tabindex") == "0" and "data-row" not in element.attributes:
            assert element.attributes.get("role") == "region" and element.attributes.get("aria-label")


@pytest.mark.parametrize("html", [html for name, html in {**PAGES, **FILES}.items() if "attacks" in name])
def test_what_strangers_wrote_stays_text(html: str) -> None:
    """Markup in names, messages and queries is shown as it was written and never becomes an element."""
    document = Document(html)
    assert "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;" in document.words
    assert "{{ 7*7 }}" in document.words


@pytest.mark.parametrize("name", REPORTS)
def test_the_verdict_comes_first_and_in_words(name: str) -> None:
    """The sentence stands before any table of figures, with the verdict's name beside its colour."""
    body = report(name)
    words = Document(pages.experiment(body)).words
    sentence = body["verdict"]["sentence"].replace("`", "")
    assert words.index(sentence) < words.index("Effect")
    labels = {"winner": "Winner", "inconclusive": "Inconclusive", "keep_running": "Keep running"}
    assert labels[body["verdict"]["kind"]] in words
    for code in [*body["verdict"]["reasons"], *body["verdict"]["flags"]]:
        assert code in words


def test_the_usual_test_stands_beside_ours() -> None:
    """The page of an experiment without effect says that the per-run test crowns B and this report does not."""
    document = Document(pages.experiment(report("naive")))
    [at] = [at for at, cell in enumerate(document.elements) if cell.tag == "th" and "usual per-run" in cell.words]
    cells = [element.words.strip() for element in document.elements[at:] if element.tag == "td"][:5]
    assert cells == ["B", "+0.041", "+0.019 to +0.064", "0.0003", "crowns B"]


def _missing(document: Document) -> list[Element]:
    return [e for e in document.all("span") if "missing" in (e.attributes.get("class") or "").split()]


def test_a_missing_number_is_a_dash_that_says_why() -> None:
    """The note of a null's path, or of what is around it, is its title."""
    titles = {element.attributes.get("title") for element in _missing(Document(pages.experiment(report("empty"))))}
    assert {"fewer than 2 scored units in a variant", "no mature scored run", "no weights were declared"} <= titles


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_of_nulls_has_no_none_or_nan(name: str) -> None:
    """Nulls never reach the reader as Python words."""
    words = Document(pages.experiment(without_numbers(report(name)))).words
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", words)


def test_a_picture_stands_where_its_figures_are_and_has_a_name() -> None:
    """Each drawing is an image with a name, its own text escaped as it came; one that is missing leaves no hole."""
    body = full()
    document = Document(pages.experiment(body, _drawn(body)))
    charts = [e for e in document.all("svg") if e.attributes.get("xmlns")]
    assert [chart.attributes["aria-label"] for chart in charts] == [
        specs.DESCRIPTIONS[name] for name in ("effects", "series", "coverage", "segments")
    ]
    assert {chart.words for chart in charts} == {"a < b"}
    bare = Document(pages.experiment(body))
    assert [e for e in bare.all("svg") if e.attributes.get("xmlns")] == []
    assert bare.all("figure") == []


def test_the_sample_ratio_is_drawn_when_it_is_off() -> None:
    """Units that arrived as expected need no picture; a ratio that is off is shown beside its check."""
    fine, off = report("winner"), report("winner")
    off["health"]["srm"]["p"] = 0.0004
    assert "sample_ratio" not in render.charts_shown(fine)
    assert "sample_ratio" in render.charts_shown(off)


def test_one_day_is_no_course() -> None:
    """A single day stands in the table of days; a line needs two."""
    body = report("winner")
    body["series"] = [row for row in body["series"] if row["day"] == "2026-10-01"]
    assert "series" not in render.charts_shown(body)
    assert "2026-10-01" in Document(pages.experiment(body)).words


def test_a_paired_design_is_not_called_uncontaminated() -> None:
    """Where every unit meets every variant the checks say so."""
    words = Document(pages.experiment(report("winner") | {"design": "paired"})).words
    assert "Every unit meets every variant: the comparison is within units." in words
    assert "No unit met more than one variant." not in words


def test_a_variant_leads_to_its_runs() -> None:
    """From the figures of a variant to the very runs behind them: those of the experiment, with the score."""
    body = report("winner")
    leads = [urlsplit(link) for link in Document(pages.experiment(body)).links() if link.startswith("/runs?")]
    asked = [{name: values[0] for name, values in parse_qs(link.query).items()} for link in leads]
    wanted = [
        {"experiment": body["experiment"], "variant": row["variant"], "score": body["score"]}
        for row in body["variants"]
    ]
    assert wanted == asked[: len(wanted)]


def test_the_page_and_the_file_have_the_same_body() -> None:
    """One template: without the links of the server, page and file say the same words."""
    body = full()
    page, file = Document(pages.experiment(body)), Document(pages.standalone(body))

    def said(document: Document) -> str:
        [main] = document.all("main")
        return " ".join(main.words.split())

    links = " ".join(link.words for link in page.all("a") if "main" in link.inside and "table" not in link.inside)
    assert links == "as a file Markdown JSON the runs in SQL"
    assert said(page).replace(f"{links} ", "") == said(file)


def test_the_page_says_how_far_tests_can_be_trusted_here() -> None:
    """The shares of label shuffles stand in one sentence."""
    assert (
        "On this traffic, the usual per-run test would name a false winner in 35.2% of 2,000 label shuffles; "
        "this report in 4.8%." in Document(pages.experiment(full())).words
    )


def test_every_part_of_a_full_report_is_on_the_page_in_its_order() -> None:
    """Verdict first, then the plot, then what supports it, then how it was computed."""
    document = Document(pages.experiment(full(), _drawn(full())))
    headings = [e.attributes.get("id") for e in document.all("h2") if "main" in e.inside]
    assert headings == [
        *("verdict", "effect", "series", "variants", "coverage", "health", "guardrails", "secondary", "power"),
        *("segments", "trust", "unit", "how"),
    ]


def test_cards_lead_to_their_experiment_and_counts_to_their_rows() -> None:
    """A card leads to the experiment's page whatever its name is; counts lead to the table's first rows."""
    cards = Document(_whole("".join(home.card(report(name)["experiment"], report(name)) for name in REPORTS)))
    paths = [urlsplit(link).path for link in cards.links()]
    named = [unquote(path.removeprefix("/experiments/")) for path in paths if path.startswith("/experiments/")]
    assert named == ["support-prompt", "reply-tone", "team/router v2 <beta>", "support-prompt"]
    arrived = [{"name": table["name"], "rows": 5, "newest_at": None} for table in tables()]
    document = Document(home.home(made(bodies.Overview) | {"arrived": arrived}, ORIGIN))
    queries = [parse_qs(urlsplit(link).query).get("q", [""])[0] for link in document.links()]
    assert {f"from {table['name']}\nlimit 20" for table in tables()} <= set(queries)


def test_every_experiment_has_a_place_that_asks_for_its_card() -> None:
    """The address that a part is asked from holds the name, whatever it is."""
    strange = "a/b c?<&"
    document = Document(_whole(home.verdicts([{"name": strange}], Frame())))
    [place] = [element for element in document.all("div") if "hx-get" in element.attributes]
    assert f"/verdicts/{strange}" == unquote(place.attributes["hx-get"] or "")


def test_an_empty_server_shows_three_commands_to_copy() -> None:
    """Without data the page gives a file, an OpenTelemetry and an HTTP command for this very server."""
    empty = made(bodies.Overview) | {"arrived": []}
    commands = [pre.words for pre in Document(home.home(empty, ORIGIN)).all("pre")]
    assert [command.split()[0] for command in commands] == ["upshot", "export", "curl"]
    assert all(ORIGIN in command for command in commands)
    with_key = [pre.words for pre in Document(home.home(empty, ORIGIN, READER)).all("pre")]
    assert all("UPSHOT_API_KEY" in command and ORIGIN in command for command in with_key)


def test_the_box_keeps_the_query_to_the_byte() -> None:
    """What was typed stands in the box again: leading lines, tabs, quotes and markup."""
    typed = "\n\n\tselect '</textarea>' as \"a&amp;b\""
    area = Document(pages.sql(typed, None, None, [])).all("textarea")[0]
    assert area.words == "\n" + typed  # the parser keeps the first line break, which browsers drop


def test_a_caret_stands_under_the_error() -> None:
    """The excerpt shows the line and, right below it, a caret in the column of the error."""
    excerpt = next(e for e in Document(pages.sql(QUERY, None, ERROR, [])).all("pre") if "excerpt" in str(e.attributes))
    lines = excerpt.words.strip("\n").split("\n")
    assert lines[1].index("functoin_id") == lines[2].index("^")
    assert lines[2].strip() == "^"


def test_result_cells_show_numbers_in_full() -> None:
    """A result is data: no rounding, no grouping; nulls are named, long cells fold."""
    document = Document(pages.sql("from runs", RESULT, None, []))
    cells = [cell.words.strip() for cell in document.all("td")]
    assert cells[:6] == ["control", "1191", "0.5776658270361041", "null", "concise", "null"]
    [long] = [element for element in document.all("summary") if "td" in element.inside]
    assert long.words.endswith("…")
    assert "truncated" in document.words


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_survives_its_address(name: str) -> None:
    """Names of experiments and queries come back from their links unchanged."""
    assert unquote(urlsplit(render.experiment_path(name)).path.removeprefix("/experiments/")) == name
    assert "/" not in render.experiment_path(name).removeprefix("/experiments/")
    assert parse_qs(urlsplit(render.sql_path(name)).query, keep_blank_values=True)["q"] == [name]
    split = urlsplit(render.report_path(name, name))
    assert unquote(split.path) == f"/v1/experiments/{name}/report"
    assert parse_qs(split.query, keep_blank_values=True)["score"] == [name]


def test_the_style_sheet_loads_nothing_and_has_a_versioned_address() -> None:
    """No import, no address in the sheet; its own address changes with its content."""
    sheet = render.sheet().decode()
    assert "url(" not in sheet and "@import" not in sheet and "//" not in sheet
    assert re.search(r'href="/static/style.css\?v=[0-9a-f]{12}"', PAGES["error"])


def test_every_class_of_the_pages_is_styled_or_structural() -> None:
    """A class that the sheet does not know is a slip of the pen."""
    sheet = render.sheet().decode() + (pages.STATIC / "islands.css").read_text("utf-8")
    known = set(re.findall(r"\.([a-z][a-z-]*)", sheet))
    used = {
        name
        for html in PAGES.values()
        for element in Document(html).elements
        for name in (element.attributes.get("class") or "").split()
    }
    assert used - known == set()


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(scheme: int) -> None:
    """Every pair of text and ground reaches 4.5 to 1 in both colour schemes (WCAG 2.2, criterion 1.4.3)."""
    sheet = (pages.STATIC / "style.css").read_text("utf-8")
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", sheet)
    colours = {name: pair[scheme] for name, *pair in found}
    pairs = [
        (text, ground)
        for text in ("text", "muted", "accent", "warn", "bad", "good")
        for ground in ("page", "panel", "sunken")
    ]
    pairs += [(tone, f"{tone}-soft") for tone in ("good", "info", "neutral", "warn", "bad")]
    pairs += [("on-accent", "accent"), ("text", "neutral-soft")]
    for text, ground in pairs:
        dark, light = sorted((_luminance(colours[text]), _luminance(colours[ground])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_a_name_in_backticks_is_set_as_code() -> None:
    """Backticks of the sentence become code; an odd one stays what it is."""
    lead = Document(pages.experiment({"experiment": "x", "verdict": {"sentence": "`a<b` beats `c`"}}))
    assert [e.words for e in lead.all("code") if "p" in e.inside][:2] == ["a<b", "c"]
    odd = Document(pages.experiment({"experiment": "x", "verdict": {"sentence": "a ` b"}}))
    assert "a ` b" in odd.words


def test_dash_is_an_en_dash() -> None:
    """Nulls are shown as an en dash."""
    assert numbers.DASH == "\u2013"
