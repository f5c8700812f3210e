"""A report in every form, from a real server, and what a hostile sender makes of each of them."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from api.accept import by_preference
from api.pages import render, specs
from api.routes.forms import MEDIA_TYPES, form_of
from tests.api.pages.documents import Document
from tests.api.pages.test_markdown import OURS, read
from tests.support.browser import printed, visit
from tests.support.command import upshot
from tests.support.server import Server, serving
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ATTACK = (
    "\"><script>document.title='stolen'</script><img src=x onerror=alert(1)>|`*[a](javascript:alert(1)){{7*7}}</svg>"
)
QUOTELESS = ATTACK.replace("'", "")
EXPERIMENT, SCORE = f"e{QUOTELESS}", f"s{QUOTELESS}"[:120]
PATH = f"/v1/experiments/{quote(EXPERIMENT, safe='')}/report"
DAY = "2026-09-{:02}T10:00:00Z"


def records() -> Iterator[dict[str, Any]]:
    """Yield runs of 60 units in two variants, with markup in every text that a sender may write."""
    for at in range(240):
        unit, variant, run = f"unit {at % 60}{ATTACK}", f"{'ab'[at % 2]}{ATTACK}", f"run-{at}"
        when = DAY.format(1 + at % 20)
        yield {
            "type": "run",
            "id": run,
            "function_id": f"f{ATTACK}",
            "release": f"r{at % 3}{ATTACK}",
            "environment": f"env{ATTACK}",
            "status": "Completed",
            "started_at": when,
            "ended_at": when,
            "attributes": {"plan": f"p{at % 2}{ATTACK}"},
        }
        yield {
            "type": "assignment",
            "run_id": run,
            "experiment": EXPERIMENT,
            "variant": variant,
            "unit": unit,
            "weights": {f"a{ATTACK}": 1, f"b{ATTACK}": 1},
            "strategy": f"weighted{ATTACK}",
            "ts": when,
        }
        value = (at * 7919 % 1000) / 1000 + 0.4 * (at % 2)
        yield {"type": "score", "name": SCORE, "value": value, "run_id": run, "ts": when, "comment": ATTACK}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that holds an experiment made of markup."""
    with serving(tmp_path_factory.mktemp("forms") / "data") as running:
        assert running.ingest(records())["rejected"] == []
        body = {
            "control": f"a{ATTACK}",
            "primary_score": SCORE,
            "maturity": "1h",
            "guardrails": [{"score": SCORE, "margin": 0.1}],
            "secondary_scores": [SCORE],
        }
        answer = running.http.put(f"/v1/experiments/{quote(EXPERIMENT, safe='')}", json=body)
        assert answer.is_success, answer.text
        # Sealed, so that the snapshot stays the same while the forms of one report are compared.
        done = upshot("export", "--parquet", tmp_path_factory.mktemp("out") / "all", "--data", running.data)
        assert done.returncode == 0, done.stderr
        yield running


def of_one_minute(check: Callable[[], None]) -> None:
    """Run a check of answers that are the same within a minute; again when a minute ended meanwhile."""
    while True:
        minute = time.time() // 60
        try:
            check()
        except AssertionError:
            if time.time() // 60 == minute:
                raise
        else:
            return


def form(server: Server, **options: str) -> bytes:
    answer = server.http.get(PATH, params=options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPES[options.get("format", "json")]
    return answer.content


def harmless(document: Document, *, ours: int = 0) -> None:
    """Nothing in a page can run but as many scripts of ours, each a file of this server's."""
    assert {"img", "iframe", "object", "foreignobject"}.isdisjoint(e.tag.lower() for e in document.elements)
    scripts = document.all("script")
    for script in scripts:
        assert script.attributes.keys() == {"type", "src"} and not script.words
        assert re.fullmatch(r"/static/built/[\w.-]+\.js", script.attributes["src"] or "")
    assert len(scripts) == ours
    for element in document.elements:
        if element.tag != "script":
            assert {"src", "srcset", "style"}.isdisjoint(element.attributes)
        assert not [name for name in element.attributes if name.startswith("on")]
        assert not (element.attributes.get("href") or "").lower().startswith("javascript:")


def test_markup_stays_text_in_every_form(server: Server) -> None:
    """Page, file, Markdown and every chart hold the names as text and nothing that could run."""
    page = server.http.get(f"/experiments/{quote(EXPERIMENT, safe='')}", headers={"accept": "text/html"})
    islands = int("shell" in render.ISLANDS)
    for html, ours in ((page.text, islands), (form(server, format="html").decode(), 0)):
        document = Document(html)
        harmless(document, ours=ours)
        assert EXPERIMENT in document.words
        assert f"b{ATTACK}" in document.words
    marked = read(form(server, format="md").decode())
    assert {element.tag for element in marked.elements} <= OURS
    for chart in specs.CHARTS:
        tree = ET.fromstring(form(server, format="svg", chart=chart))  # noqa: S314 - our own picture
        tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
        assert tags <= {"svg", "g", "rect", "path", "line", "text"}
        assert form(server, format="png", chart=chart).startswith(b"\x89PNG")


def test_the_file_opens_alone_and_prints(server: Server, tmp_path: Path) -> None:
    """From the disk it asks no host for anything, its policy refuses nothing of its own, no name takes the title."""
    file = tmp_path / "report.html"
    file.write_bytes(form(server, format="html"))
    seen = visit(file.as_uri())
    assert ([], set()) == (seen.console, seen.hosts)
    assert "<svg" in seen.dom
    assert "stolen</title>" not in seen.dom
    assert 2 <= printed(file.as_uri(), tmp_path / "report.pdf") <= 20


def test_the_browser_would_have_told(tmp_path: Path) -> None:
    """What the tests around this one look for is found in a page that has it."""
    file = tmp_path / "bad.html"
    file.write_text("<img src=http://127.0.0.1:9/x.png><script>console.error('loud')</script>")
    seen = visit(file.as_uri())
    assert {"127.0.0.1"} == seen.hosts
    assert ["loud" in message for message in seen.console] == [True]


def test_the_page_shows_charts_and_breaks_no_policy(server: Server) -> None:
    """In a browser the page has its pictures, and its console is silent."""
    seen = visit(f"{server.url}/experiments/{quote(EXPERIMENT, safe='')}")
    assert seen.console == []
    assert seen.hosts == {"127.0.0.1"}
    assert specs.DESCRIPTIONS["effects"] in seen.dom
    assert "stolen</title>" not in seen.dom


def test_format_and_accept_choose_and_are_no_options_of_the_report(server: Server) -> None:
    """The form leaves no trace in the report: hash and options are the same, whatever is asked for."""
    fixed = {"as_of": "2026-10-01T00:00:00Z", "known_at": server.http.get(PATH).json()["known_at"]}
    plain: dict[str, Any] = {}

    def check() -> None:
        plain.update(server.http.get(PATH, params=fixed).json())
        assert plain == server.http.get(PATH, params=fixed | {"format": "json"}).json()
        assert plain["receipt"]["hash"] in form(server, format="html", **fixed).decode()

    of_one_minute(check)
    assert {"format", "chart"}.isdisjoint(plain["options"])
    for accept, name in (
        ("text/html", "html"),
        ("text/markdown", "md"),
        ("image/svg+xml", "svg"),
        ("image/png", "png"),
        ("*/*", "json"),
    ):
        answer = server.http.get(PATH, headers={"accept": accept})
        assert (MEDIA_TYPES[name], "Accept") == (answer.headers["content-type"], answer.headers["vary"])
    spec = server.http.get(PATH, params={"format": "vega", "chart": "coverage", **fixed}).json()
    assert spec == specs.chart("coverage", plain)


def test_the_same_report_is_the_same_bytes_in_every_form(server: Server) -> None:
    """Same options, `as_of` and `known_at`: the same file, Markdown and pictures."""
    fixed = {"as_of": "2026-10-01T00:00:00Z", "known_at": server.http.get(PATH).json()["known_at"]}
    for name in MEDIA_TYPES:

        def check(name: str = name) -> None:
            assert form(server, format=name, **fixed) == form(server, format=name, **fixed), name

        of_one_minute(check)


@pytest.mark.parametrize(
    ("accept", "given", "chart", "expected"),
    [
        ("", None, None, ("json", "effects")),
        ("*/*", None, None, ("json", "effects")),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, None, ("html", "effects")),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", None, None, ("svg", "effects")),
        ("application/json;q=0.1, image/png;q=0.9", None, "series", ("png", "series")),
        ("text/html", "json", None, ("json", "effects")),
        ("text/html", "vega", "sample_ratio", ("vega", "sample_ratio")),
    ],
)
def test_a_format_outranks_accept(accept: str, given: str | None, chart: str | None, expected: tuple[str, str]) -> None:
    """The headers are those of Chromium for a page and for an image, and of other clients."""
    assert expected == form_of(accept, given, chart)


@pytest.mark.parametrize(
    ("accept", "given", "chart", "message"),
    [
        ("", "pgn", None, "format is 'pgn', must be one of json, html, md, svg, png, vega"),
        ("", "svg", "efects", "chart is 'efects', must be one of effects, series"),
        ("", "json", "effects", "format=json has no chart to choose"),
        ("application/pdf", None, None, "Accept is 'application/pdf', and reports are one of application/json"),
    ],
)
def test_what_is_not_known_is_named_with_what_is(
    accept: str, given: str | None, chart: str | None, message: str
) -> None:
    """Each refusal is `bad_parameter` and names the known ones."""
    with pytest.raises(InputError) as caught:
        form_of(accept, given, chart)
    assert caught.value.code == "bad_parameter"
    assert message in caught.value.message


def test_media_types_go_by_quality() -> None:
    """RFC 9110, section 12.5.1: the highest q first, q=0 never, a broken q never."""
    assert by_preference("a/b;q=0.2, c/d, e/f;q=0, g/h;q=x, i/j;q=0.5") == ["c/d", "i/j", "a/b"]


def test_a_drawing_process_that_dies_costs_a_page_its_pictures_at_the_most(server: Server) -> None:
    """Killed between two requests it is replaced: page and picture are whole again."""
    form(server, format="png")
    children = subprocess.run(
        ["pgrep", "-P", str(server.process.pid), "-f", "api.drawing.worker"], capture_output=True, text=True, check=True
    ).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    assert len(children) == 1
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "vl_convert" not in maps  # the memory of the library is the child's alone
    assert "<svg" in form(server, format="html", alpha="0.049").decode()


def test_the_command_writes_every_format(server: Server, tmp_path: Path) -> None:
    """To a file or to a pipe; what the server answers is what is written."""
    fixed = {"as_of": "2026-10-01T00:00:00Z", "known_at": server.http.get(PATH).json()["known_at"]}
    options = [part for name, value in fixed.items() for part in ("-o", f"{name}={value}")]
    for name, to_a_file in (
        ("json", False),
        ("html", True),
        ("md", False),
        ("svg", True),
        ("png", True),
        ("png", False),
    ):
        out = tmp_path / f"report.{name}"
        command = ["experiment", "report", EXPERIMENT, "--url", server.url, "--format", name, *options]
        done = upshot(*command, *(["--out", out] if to_a_file else []))
        assert done.returncode == 0, done.stderr
        written = out.read_bytes() if to_a_file else done.stdout
        assert form(server, format=name, **fixed).rstrip(b"\n") == written.rstrip(b"\n")
        assert not to_a_file or done.stdout == b""
    table = upshot("experiment", "report", EXPERIMENT, "--url", server.url, "--out", tmp_path / "report.txt", *options)
    assert table.returncode == 0
    assert "variant" in (tmp_path / "report.txt").read_text()


def test_the_command_refuses_what_cannot_be(server: Server, tmp_path: Path) -> None:
    """A PNG on a terminal, a chart of a table, a file that cannot be written: each is named, with a way out."""
    told, reader = pty.openpty()
    command = [sys.executable, "-P", "-m", "api.cli", "experiment", "report", EXPERIMENT, "--url", server.url]
    done = subprocess.run([*command, "--format", "png"], stdout=reader, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(told)
    os.close(reader)
    assert (2, True, True) == (done.returncode, b"terminal" in done.stderr, b"--out FILE" in done.stderr)
    chart = upshot("experiment", "report", EXPERIMENT, "--url", server.url, "--chart", "series")
    assert (2, True) == (chart.returncode, b"--chart series" in chart.stderr)
    lost = upshot(
        *("experiment", "report", EXPERIMENT, "--url", server.url, "--format", "md"),
        *("--out", tmp_path / "no" / "report.md"),
    )
    assert (1, True) == (lost.returncode, b"cannot be written" in lost.stderr)
