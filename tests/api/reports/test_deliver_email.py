"""E-mail: handed to real SMTP servers on loopback (aiosmtpd) that refuse, defer, cut and demand as servers do."""

from __future__ import annotations

import contextlib
import email.policy
import re
import ssl
import time
from email import message_from_bytes
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from api.reports.definition import Email
from api.reports.deliveries import email as mailing
from api.reports.deliveries.email import MAX_CHART_BYTES, MailServer, check_address, html_of, mail, mail_server, text_of
from api.reports.deliveries.message import Message
from api.reports.deliveries.outcome import Delivered, DeliveryError
from api.reports.delivering import Means, deliver, log_of, means
from api.reports.facts import Change, Fact
from tests.api.reports.receivers import (
    PERMALINK,
    PNG,
    certificate,
    edition,
    failed_edition,
    free_port,
    mailbox,
    raw_receiver,
)
from warehouse.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from api.reports.editions import Edition

SENDER = "upshot@example.com"
PASSWORD = "p@ss/word"  # noqa: S105 - of the tests' own server


def _authenticated(_server: Any, _session: Any, _envelope: Any, _mechanism: str, auth_data: Any) -> AuthResult:
    right = LoginPassword(b"up:shot", PASSWORD.encode())
    return AuthResult(success=auth_data == right, handled=False)  # the server answers


def _server(port: int, *, tls: bool = False, starttls: bool = False, user: str = "", password: str = "") -> MailServer:
    return MailServer("127.0.0.1", port, tls=tls, starttls=starttls, user=user, password=password, sender=SENDER)


def _try(server: MailServer, folder: Path, *addresses: str, attempt: int = 1, made: Edition | None = None) -> Delivered:
    return deliver(
        Email(addresses=addresses or ("ada@example.com",)),
        made or edition(),
        folder,
        number=1,
        permalink=PERMALINK,
        attempt=attempt,
        means=Means(mail=server, plain_http=False),
    )


def _message(made: Edition, chart: Path | None = None) -> Message:
    return Message(key="k" * 64, edition=made, permalink=PERMALINK, chart=chart)


class _Tags(HTMLParser):
    """All tags and attributes of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def test_a_mail_has_a_text_and_a_page_with_the_chart_inside(tmp_path: Path) -> None:
    """As any mail program takes it apart; the page names the chart by its cid, and nothing outside but the link."""
    (tmp_path / "chart.png").write_bytes(PNG)
    with mailbox() as box:
        delivered = _try(_server(box.port), tmp_path, made=edition(has_chart=True))
    assert 250 == delivered.status
    [(to, got)] = box.taken
    assert ("ada@example.com", "ada@example.com", SENDER) == (to, got["to"], got["from"])
    assert "Weekly winners: checkout: concise beats control by 4.1 points" == got["subject"]
    kinds = [part.get_content_type() for part in got.walk()]
    assert ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"] == kinds
    text, page = got.get_body(("plain",)), got.get_body(("html",))
    assert text is not None and page is not None
    assert text_of(_message(edition())) == text.get_content().replace("\r\n", "\n")
    image = next(part for part in got.walk() if part.get_content_type() == "image/png")
    assert PNG == image.get_content()
    assert "inline" == image.get_content_disposition()
    tags = _Tags(page.get_content()).tags
    assert [f"cid:{image['content-id'].strip('<>')}"] == [given["src"] for _, given in tags if "src" in given]
    assert [PERMALINK] == [given["href"] for _, given in tags if "href" in given]


def test_the_text_says_it_all() -> None:
    """Letter by letter: verdict, change, figures, link."""
    expected = f"""Weekly winners

checkout: concise beats control by 4.1 points
checkout: now a winner

figure    before        now
checkout  keep_running  concise beats control by 4.1 points
solved                  0.610

{PERMALINK}

As known at 2026-11-23T07:00:00Z; edition e1 of weekly-winners.
"""
    assert expected == text_of(_message(edition()))
    nothing = text_of(_message(edition(changes=())))
    assert "\nNothing changed since the edition before.\n" in nothing
    failed = text_of(_message(failed_edition()))
    assert failed.startswith("Weekly winners failed\n\nin cell 3: KeyError: 'score'\nrows = upshot.query(sql)\n\n")


def test_the_page_says_what_the_text_says() -> None:
    """Every sentence and figure, of a done edition and of a failed one; a long one says how much is missing."""
    facts = {f"figure {i}": Fact(value=float(i), words="", kind="number") for i in range(60)}
    for made in (edition(), failed_edition(), edition(facts=facts, changes=())):
        message = _message(made)
        shown = _Tags(html_of(message, None)).text
        for row in message.rows[:50]:
            assert row.name in shown and row.now in shown
        for sentence in (*message.failure, *message.verdicts, *message.news):
            assert sentence in shown
            assert sentence in text_of(message)
    assert "… and 10 more" in shown
    assert "… and 10 more" in text_of(message)


_EVIL = st.text(max_size=80) | st.sampled_from(
    [
        "a\r\nBcc: eve@example.com",
        "<script>alert(1)</script>",
        '"><img src=https://evil.example/x>',
        "=?utf-8?q?x?=",
        "\0",
    ]
)
_VALUES = st.none() | st.floats() | _EVIL


@given(
    _EVIL,
    st.dictionaries(_EVIL, st.builds(Fact, value=_VALUES, words=_EVIL, kind=st.sampled_from(["verdict", "mean"]))),
    st.lists(st.builds(Change, name=_EVIL, before=_VALUES, after=_VALUES, words=_EVIL)),
)
def test_no_name_adds_a_header_a_script_or_an_address(
    title: str, facts: dict[str, Fact], changes: list[Change]
) -> None:
    """Whatever the title, facts and changes say: the mail has our headers and our tags, and no other address."""
    message = _message(edition(title=title, facts=facts, changes=tuple(changes)))
    sent = mail(message, SENDER, "ada@example.com").as_bytes()
    got = message_from_bytes(sent, policy=email.policy.default)
    ours = ["from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"]
    assert sorted(ours) == sorted(name.lower() for name in got.keys())  # noqa: SIM118 - a name may come twice
    assert isinstance(got, EmailMessage)
    assert not got.defects
    page = got.get_body(("html",))
    assert page is not None
    tags = _Tags(page.get_content()).tags
    allowed = {"html", "head", "meta", "title", "body", "h2", "p", "table", "tr", "th", "td", "a", "small"}
    assert {tag for tag, _ in tags} <= allowed
    assert {"lang", "charset", "align", "cellpadding", "href"} >= {name for _, given in tags for name in given}
    assert [PERMALINK] == [given["href"] for tag, given in tags if tag == "a"]


def test_each_recipient_gets_a_mail_of_its_own(tmp_path: Path) -> None:
    """Nobody sees the others; an address that is listed twice gets one."""
    with mailbox() as box:
        _try(_server(box.port), tmp_path, "ada@example.com", "bob@example.com", "ada@example.com")
    assert ["ada@example.com", "bob@example.com"] == [to for to, _ in box.taken]
    for to, got in box.taken:
        other = ({"ada@example.com", "bob@example.com"} - {to}).pop()
        assert other not in got.as_string()
    assert 2 == len({got["message-id"] for _, got in box.taken})
    assert [("ada@example.com", "done"), ("bob@example.com", "done")] == [
        (line.where, line.outcome) for line in log_of(tmp_path)
    ]


def test_the_message_id_is_the_same_over_tries(tmp_path: Path) -> None:
    """And another for another edition, or another recipient."""
    ids = [
        mail(Message(key, edition(), PERMALINK, None), SENDER, to)["message-id"]
        for key, to in (("a", "ada@example.com"), ("a", "ada@example.com"), ("b", "ada@example.com"), ("a", "b@c.de"))
    ]
    assert ids[0] == ids[1]
    assert 3 == len(set(ids))
    assert all(re.fullmatch(r"<[0-9a-f]{40}@example\.com>", identity) for identity in ids)
    with mailbox() as box:
        box.data = ["451 4.3.0 later", "250 ok"]
        with pytest.raises(DeliveryError):
            _try(_server(box.port), tmp_path)
        _try(_server(box.port), tmp_path, attempt=2)
        assert Delivered(None, "delivered before") == _try(_server(box.port), tmp_path, attempt=3)
    assert 1 == len(box.taken)


def test_greylisting_is_tried_again_for_those_left(tmp_path: Path) -> None:
    """RFC 6647: 451 at first. Who got the mail gets no second one."""
    with mailbox() as box:
        box.rcpt["bob@example.com"] = ["451 4.7.1 greylisted, come back", "250 ok"]
        with pytest.raises(DeliveryError, match=r"bob@example\.com: 451 4\.7\.1 greylisted") as caught:
            _try(_server(box.port), tmp_path, "ada@example.com", "bob@example.com", "cyd@example.com")
        assert (True, 451) == (caught.value.retryable, caught.value.status)
        assert ["ada@example.com", "cyd@example.com"] == [to for to, _ in box.taken]
        _try(_server(box.port), tmp_path, "ada@example.com", "bob@example.com", "cyd@example.com", attempt=2)
    assert ["ada@example.com", "cyd@example.com", "bob@example.com"] == [to for to, _ in box.taken]
    where = f"127.0.0.1:{box.port}"
    assert [
        ("ada@example.com", "done", 250),
        ("cyd@example.com", "done", 250),
        (where, "retry", 451),
        ("bob@example.com", "done", 250),
    ] == [(line.where, line.outcome, line.status) for line in log_of(tmp_path)]


def test_an_unknown_recipient_fails_for_good_and_the_others_get_it(tmp_path: Path) -> None:
    """550, by name; nothing is left that another try could change."""
    with mailbox() as box:
        box.rcpt["nobody@example.com"] = ["550 5.1.1 no such user"]
        for attempt in (1, 2):
            with pytest.raises(DeliveryError, match=r"nobody@example\.com: 550 5\.1\.1 no such user") as caught:
                _try(_server(box.port), tmp_path, "nobody@example.com", "ada@example.com", attempt=attempt)
    assert (False, 550) == (caught.value.retryable, caught.value.status)
    assert ["ada@example.com"] == [to for to, _ in box.taken]
    assert ["done", "failed", "failed"] == [line.outcome for line in log_of(tmp_path)]


@pytest.mark.parametrize(("reply", "retryable"), [("452 4.3.1 full", True), ("554 5.7.1 spam", False)])
def test_a_mail_refused_at_its_end(tmp_path: Path, reply: str, retryable: bool) -> None:  # noqa: FBT001
    """After DATA."""
    with mailbox() as box:
        box.data = [reply]
        with pytest.raises(DeliveryError, match=re.escape(reply)) as caught:
            _try(_server(box.port), tmp_path)
    assert retryable == caught.value.retryable


def test_starttls_and_a_password(tmp_path: Path) -> None:
    """The certificate is checked against the server's name; the password goes only over TLS, and the mail too."""
    paths = certificate(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*paths)
    options: dict[str, Any] = {
        "tls_context": served,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": _authenticated,
    }
    with mailbox(**options) as box:
        server = _server(box.port, starttls=True, user="up:shot", password=PASSWORD)
        with pytest.raises(DeliveryError, match=r"(?i)certificate"):
            _try(server, tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(paths[0]))
            _try(server, tmp_path)
            wrong = _server(box.port, starttls=True, user="up:shot", password="hunter2-hunter2")  # noqa: S106
            with pytest.raises(DeliveryError, match="answered 535") as caught:
                _try(wrong, tmp_path, "bob@example.com")
        with pytest.raises(DeliveryError, match=r"530.*STARTTLS") as plain:
            _try(_server(box.port), tmp_path, "bob@example.com")
    assert (False, False) == (caught.value.retryable, plain.value.retryable)
    assert ([True], 1) == (box.encrypted, len(box.taken))
    log = (tmp_path / "deliveries.ndjson").read_text()
    assert PASSWORD not in log and "hunter2" not in log


def test_tls_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """smtps://, with the certificate checked."""
    paths = certificate(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(*paths)
    monkeypatch.setenv("SSL_CERT_FILE", str(paths[0]))
    with mailbox(tls=served) as box:
        _try(_server(box.port, tls=True), tmp_path)
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(DeliveryError, match=r"(?i)certificate"):
            _try(_server(box.port, tls=True), tmp_path, "bob@example.com")
    assert ["ada@example.com"] == [to for to, _ in box.taken]


def test_no_mail_without_tls_where_it_must_be(tmp_path: Path) -> None:
    """A server that offers no STARTTLS, or a password that it takes only in another way: nothing is sent."""
    with mailbox() as box:
        with pytest.raises(DeliveryError, match="STARTTLS") as caught:
            _try(_server(box.port, starttls=True), tmp_path)
        with pytest.raises(DeliveryError, match="AUTH") as unknown:
            _try(_server(box.port, user="u", password="hunter2-hunter2"), tmp_path)  # noqa: S106
    assert (False, False, []) == (caught.value.retryable, unknown.value.retryable, box.taken)


def test_a_server_that_is_not_there_can_be_tried_again(tmp_path: Path) -> None:
    """Refused; or cut after each step of the session."""
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        _try(_server(free_port()), tmp_path)
    assert caught.value.retryable
    for greeting in (
        b"220",
        b"220 hello\r\n",
        b"220 hello\r\n250 hello\r\n",
        b"220 hello\r\n250 a\r\n250 b\r\n250 c\r\n",
    ):
        with raw_receiver(greeting, first=True) as port, pytest.raises(DeliveryError) as cut:
            _try(_server(port), tmp_path)
        assert cut.value.retryable, greeting


@pytest.mark.parametrize(("greeting", "retryable"), [(b"421 busy\r\n", True), (b"554 no\r\n", False)])
def test_a_server_that_refuses_to_talk(tmp_path: Path, greeting: bytes, retryable: bool) -> None:  # noqa: FBT001
    """At its greeting."""
    with (
        raw_receiver(greeting, first=True, reset=False) as port,
        pytest.raises(DeliveryError, match="answered") as caught,
    ):
        _try(_server(port), tmp_path)
    assert retryable == caught.value.retryable


def test_a_slow_server_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent, and one whose greeting never ends."""
    monkeypatch.setattr(mailing, "STEP_SECONDS", 0.4)
    monkeypatch.setattr(mailing, "SECONDS", 1.0)
    began = time.monotonic()
    for answer, drip in ((b"220", 30.0), (b"220-hello\r\n", 0.02)):
        with raw_receiver(answer, drip=drip) as port, pytest.raises(DeliveryError) as caught:
            _try(_server(port), tmp_path)
        assert caught.value.retryable
    assert time.monotonic() - began < 8.0


def test_a_chart_too_large_for_mail_stays_at_the_permalink(tmp_path: Path) -> None:
    """Servers refuse large mails; the link leads to it."""
    chart = tmp_path / "chart.png"
    chart.write_bytes(bytes(MAX_CHART_BYTES + 1))
    made = mail(_message(edition(has_chart=True), chart), SENDER, "ada@example.com")
    assert "image/png" not in [part.get_content_type() for part in made.walk()]
    assert "cid:" not in made.as_string()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@exa mple.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "Ada <ada@example.com>",
        "ada@example.com,eve@example.com",
        "ada@-a.com",
        "a" * 250 + "@b.com",
        "ada@bücher.example",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """Also a second one smuggled in."""
    with pytest.raises(InputError):
        check_address(address)


@given(st.text(max_size=60))
def test_an_address_that_is_taken_survives_the_mail(text: str) -> None:
    """It stands in the mail's header as it was given, alone."""
    with contextlib.suppress(InputError):
        check_address(text)
        sent = message_from_bytes(mail(_message(edition()), SENDER, text).as_bytes(), policy=email.policy.default)
        assert [text] == [one.addr_spec for one in sent["to"].addresses]


def test_the_settings() -> None:
    """Scheme, port, user and password of UPSHOT_SMTP_URL; STARTTLS beyond this machine."""
    assert None is mail_server("", "")
    common = {"user": "", "password": "", "sender": SENDER}
    for url, expected in {
        "smtp://localhost:2525": MailServer("localhost", 2525, tls=False, starttls=False, **common),
        "smtp://mail.example.com": MailServer("mail.example.com", 587, tls=False, starttls=True, **common),
        "smtps://mail.example.com/": MailServer("mail.example.com", 465, tls=True, starttls=False, **common),
    }.items():
        assert expected == mail_server(url, SENDER)
    full = mail_server("smtp://up%3Ashot:p%40ss%2Fword@10.0.0.7:25", SENDER)
    assert (
        MailServer("10.0.0.7", 25, tls=False, starttls=True, user="up:shot", password=PASSWORD, sender=SENDER) == full
    )
    assert Means(mail=None, plain_http=True) == means("", "", plain_http=True)


@pytest.mark.parametrize(
    ("url", "sender", "why"),
    [
        ("http://u:hunter2@mail.example.com", SENDER, "UPSHOT_SMTP_URL"),
        ("smtp://u:hunter2@", SENDER, "UPSHOT_SMTP_URL"),
        ("smtp://u:hunter2@mail.example.com:99999", SENDER, "UPSHOT_SMTP_URL"),
        ("smtp://u:hunter2@mail.example.com/inbox", SENDER, "UPSHOT_SMTP_URL"),
        ("smtp://u:hunter2?@mail.example.com", SENDER, "UPSHOT_SMTP_URL"),
        ("smtp://u:hunter2@[::1", SENDER, "UPSHOT_SMTP_URL"),
        ("smtp://u:hunter2@mail.example.com", "", "UPSHOT_SMTP_FROM is empty"),
        ("smtp://u:hunter2@mail.example.com", "Upshot", "UPSHOT_SMTP_FROM: 'Upshot'"),
    ],
)
def test_settings_that_cannot_be_used(url: str, sender: str, why: str) -> None:
    """Named, and the password is not repeated."""
    with pytest.raises(InputError, match=why) as caught:
        mail_server(url, sender)
    assert "hunter2" not in str(caught.value) + str(caught.value.hint)
