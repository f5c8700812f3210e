"""The Slack-compatible webhook: what is posted keeps Slack's published limits, whatever names strangers chose."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reports.definition import Slack
from api.reports.deliveries.message import Message
from api.reports.deliveries.outcome import DeliveryError
from api.reports.deliveries.slack import MAX_TEXT, body_of, escaped
from api.reports.delivering import Means, deliver, log_of
from api.reports.facts import Change, Fact
from tests.api.reports.receivers import PERMALINK, PNG, Reply, certificate, edition, failed_edition, http_receiver

if TYPE_CHECKING:
    from pathlib import Path

    from api.reports.editions import Edition

MEANS = Means(mail=None, plain_http=False)

HOOK = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
"""As Slack's documentation writes one."""


def _try(url: str, folder: Path, made: Edition | None = None, permalink: str = PERMALINK) -> None:
    deliver(
        Slack(url=url),
        made or edition(),
        folder,
        number=1,
        permalink=permalink,
        attempt=1,
        means=MEANS,
    )


def _message(made: Edition) -> Message:
    return Message(key="k", edition=made, permalink=PERMALINK, chart=None)


def _shown(text: str) -> str:
    """Return what Slack shows of a text, as its reference says: entities are decoded."""
    plain = text.replace("\N{ZERO WIDTH SPACE}", "")
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _texts(body: dict[str, Any]) -> list[str]:
    return [body["text"], *(block["text"]["text"] for block in body["blocks"] if block["type"] == "section")]


def test_a_done_edition(tmp_path: Path) -> None:
    """Title and verdict, what changed, a table with the change first, the link; no image without a chart."""
    with http_receiver() as receiver:
        _try(receiver.url + HOOK, tmp_path)
    [request] = receiver.received
    body = request.json
    head, table, foot = (block["text"]["text"] for block in body["blocks"])
    assert "*Weekly winners*\ncheckout: concise beats control by 4.1 points\ncheckout: now a winner" == head
    lines = _shown(table).splitlines()
    assert ["```", "figure    before        now", "```"] == [lines[0], lines[1], lines[-1]]
    rows = ["checkout  keep_running  concise beats control by 4.1 points", "solved                  0.610"]
    assert rows == lines[2:-1]
    assert f"<{PERMALINK}|Open the report>, as known at 2026-11-23T07:00:00Z" == foot
    fallback = f"*Weekly winners*: checkout: concise beats control by 4.1 points <{PERMALINK}|Open the report>"
    assert fallback == body["text"]


def test_nothing_changed_is_said() -> None:
    """Of an edition that is sent anyway; without a verdict it is the headline. The first one says that it is."""
    made = edition(changes=(), facts={"solved": Fact(value=0.5, words="", kind="mean")})
    first = body_of(_message(edition(changes=(), compared_with=None)), image=False)
    assert first["blocks"][0]["text"]["text"].endswith("This is the first edition.")
    body = body_of(_message(made), image=False)
    assert "*Weekly winners*\nNothing changed since the edition before." == body["blocks"][0]["text"]["text"]
    assert "Nothing changed since the edition before." in body["text"]
    assert "before  " not in body["blocks"][1]["text"]["text"]


def test_a_failed_edition_says_the_cell_and_the_error(tmp_path: Path) -> None:
    """In the first block and in the fallback."""
    with http_receiver() as receiver:
        _try(receiver.url, tmp_path, failed_edition())
    body = receiver.received[0].json
    expected = "*Weekly winners* failed\nin cell 3: KeyError: 'score'\nrows = upshot.query(sql)"
    assert expected == _shown(body["blocks"][0]["text"]["text"])
    assert "Failed in cell 3: KeyError: 'score'" in body["text"]


def test_names_cannot_format_mention_or_link() -> None:
    """A title and a fact named to call everybody and to hide a link read as they are written."""
    evil = "<!channel> *bold* _it_ ~no~ `code` ```x``` <https://evil.example|click> &amp; \u202eback"
    facts = {evil: Fact(value=None, words=evil, kind="verdict")}
    body = body_of(_message(edition(facts=facts, changes=(), title=evil)), image=False)
    for text in _texts(body):
        links = re.findall(r"<([^>]*)>", text)
        assert all(link.startswith(PERMALINK) for link in links), text
        assert not re.search(r"(?<!^)```(?!$)", text.replace("```\n", "").replace("\n```", "")), text
        assert "\u202e" not in text
    assert "<!channel> *bold*" in _shown(body["blocks"][0]["text"]["text"])


@given(st.text())
def test_an_escaped_text_reads_as_it_was(text: str) -> None:
    """Escaping loses nothing, leaves no control character, and no run of two formatting characters."""
    text = text.replace("\N{ZERO WIDTH SPACE}", "")
    assert text == _shown(escaped(text))
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)|[*_~`]{2}", escaped(text))


_NAMES = st.text(max_size=400)
_VALUES = st.none() | st.floats() | _NAMES
_FACTS = st.dictionaries(
    _NAMES, st.builds(Fact, value=_VALUES, words=_NAMES, kind=st.sampled_from(["verdict", "mean"])), max_size=60
)
_CHANGES = st.lists(st.builds(Change, name=_NAMES, before=_VALUES, after=_VALUES, words=_NAMES), max_size=60)


@given(_NAMES, _FACTS, _CHANGES)
def test_no_text_is_longer_than_slack_takes(title: str, facts: dict[str, Fact], changes: list[Change]) -> None:
    """3,000 characters in a section, at least one, at most 50 blocks (docs.slack.dev, Block Kit); 4,000 in `text`."""
    body = body_of(_message(edition(facts=facts, changes=tuple(changes), title=title)), image=False)
    assert len(body["blocks"]) <= 50
    assert all(0 < len(text) <= MAX_TEXT == 3000 for text in _texts(body)[1:])
    assert len(body["text"]) <= 4000


def test_a_long_table_says_how_much_is_missing() -> None:
    """Every figure is in a line or counted."""
    facts = {f"figure {i:03}": Fact(value=i / 7, words="x" * 60, kind="number") for i in range(400)}
    body = body_of(_message(edition(facts=facts, changes=())), image=False)
    lines = body["blocks"][1]["text"]["text"].splitlines()
    [missing] = re.findall(r"^… and (\d+) more$", lines[-2])
    assert 400 == sum(line.startswith("figure ") for line in lines[2:]) + int(missing)


def test_the_image_goes_along_when_anybody_can_fetch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over https and without a key: of a server that says 401, or speaks http, there is none."""
    paths = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    monkeypatch.setenv("SSL_CERT_FILE", str(paths[0]))
    monkeypatch.setenv("NO_PROXY", "localhost")
    picture = Reply(200, PNG, {"content-type": "image/png"})
    cases = [(picture, context, True), (Reply(401), context, False), (picture, None, False)]
    for number, (reply, tls, expected) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "chart.png").write_bytes(PNG)
        with http_receiver(reply, context=tls) as ours, http_receiver() as slack:
            _try(slack.url, folder, edition(has_chart=True), f"{ours.url}/reports/weekly-winners/e1")
        images = [block for block in slack.received[0].json["blocks"] if block["type"] == "image"]
        assert expected == bool(images), number
        if images:
            assert f"{ours.url}/v1/reports/weekly-winners/editions/e1/chart.png" == images[0]["image_url"]


def test_a_message_refused_for_its_image_is_sent_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack answers 400 `invalid_blocks` when it cannot fetch the image that we could."""
    paths = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    monkeypatch.setenv("SSL_CERT_FILE", str(paths[0]))
    monkeypatch.setenv("NO_PROXY", "localhost")
    (tmp_path / "chart.png").write_bytes(PNG)
    picture = Reply(200, PNG, {"content-type": "image/png"})
    refusal = Reply(400, b"invalid_blocks")
    with http_receiver(picture, context=context) as ours, http_receiver(refusal, Reply()) as slack:
        _try(slack.url, tmp_path, edition(has_chart=True), f"{ours.url}/reports/weekly-winners/e1")
    kinds = [[block["type"] for block in request.json["blocks"]] for request in slack.received]
    assert [["section", "section", "image", "section"], ["section", "section", "section"]] == kinds
    assert ["done"] == [line.outcome for line in log_of(tmp_path)]


def test_the_hook_is_nowhere_in_the_log(tmp_path: Path) -> None:
    """Not when the receiver repeats it, whole, in part or percent-encoded, nor in the error."""
    secret = HOOK.rpartition("/")[2]
    said = f"no_service: http://h{HOOK} {HOOK} {secret} {HOOK.replace('/', '%2F')}".encode()
    with http_receiver(Reply(404, said)) as receiver, pytest.raises(DeliveryError) as caught:
        _try(receiver.url + HOOK, tmp_path)
    log = (tmp_path / "deliveries.ndjson").read_text()
    for text in (log, str(caught.value)):
        assert "no_service" in text
        assert secret not in text
    [line] = log_of(tmp_path)
    assert (f"{receiver.url}/•••", "failed", 404) == (line.where, line.outcome, line.status)
