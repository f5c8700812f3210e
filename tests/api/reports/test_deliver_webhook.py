"""The signed webhook: against real servers on loopback, verified by hand from the specification and RFC 2104."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import re
import ssl
import time
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reports.definition import Webhook
from api.reports.deliveries import posting, webhook
from api.reports.deliveries.outcome import MAX_RETRY_AFTER, Delivered, DeliveryError
from api.reports.deliveries.posting import check_url, retry_after
from api.reports.delivering import Means, check, deliver, key_of, log_of
from tests.api.reports.receivers import (
    PERMALINK,
    Reply,
    certificate,
    edition,
    failed_edition,
    free_port,
    http_receiver,
    raw_receiver,
)
from tests.support.command import ROOT
from warehouse.errors import InputError

if TYPE_CHECKING:
    from email.message import Message as Headers
    from pathlib import Path

    from api.reports.editions import Edition

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the specification's own tests
MEANS = Means(mail=None, plain_http=False)


def _try(url: str, folder: Path, attempt: int = 1, made: Edition | None = None, number: int = 1) -> Delivered:
    return deliver(
        Webhook(url=url, secret=SECRET),
        made or edition(),
        folder,
        number=number,
        permalink=PERMALINK,
        attempt=attempt,
        means=MEANS,
    )


def _headers(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _signed_by_hand(key: bytes, identity: str, timestamp: str, body: bytes) -> str:
    """Return the signature as standardwebhooks.com says it, HMAC spelled out as RFC 2104 does (block of 64 bytes)."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + f"{identity}.{timestamp}.".encode() + body).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()
    return "v1," + base64.b64encode(outer).decode()


def _is_ours(headers: dict[str, str], body: bytes) -> bool:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = _signed_by_hand(key, headers["webhook-id"], headers["webhook-timestamp"], body)
    return signed == headers["webhook-signature"] and abs(time.time() - int(headers["webhook-timestamp"])) < 60


def test_the_signature_is_the_published_one() -> None:
    """`test_sign_function` of the specification's Python library (standard-webhooks/standard-webhooks)."""
    key, published = webhook.signing_key(SECRET), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    identity, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'
    assert published == webhook.signature(key, identity, 1614265330, body)
    assert published == _signed_by_hand(key, identity, "1614265330", body)


@given(
    st.binary(min_size=24, max_size=64),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    st.integers(0, 2**33),
    st.text(),
)
def test_it_signs_as_the_specification_says(key: bytes, identity: str, timestamp: int, body: str) -> None:
    """Any key, id, time and text."""
    expected = _signed_by_hand(key, identity, str(timestamp), body.encode())
    assert expected == webhook.signature(key, identity, timestamp, body.encode())


def test_what_arrives_is_verified_and_says_it_all(tmp_path: Path) -> None:
    """From the bytes that came; a body that was changed is not."""
    with http_receiver() as receiver:
        delivered = _try(f"{receiver.url}/hooks/upshot", tmp_path)
    assert Delivered(200, "ok") == delivered
    [request] = receiver.received
    assert ("POST", "/hooks/upshot", "application/json") == (
        request.method,
        request.path,
        request.headers["content-type"],
    )
    headers = _headers(request.headers)
    assert _is_ours(headers, request.body)
    assert not _is_ours(headers, request.body.replace(b"winner", b"loser!"))
    assert {
        "type": "report.done",
        "timestamp": "2026-11-23T07:00:09Z",
        "report": "weekly-winners",
        "edition": "e1",
        "status": "done",
        "title": "Weekly winners",
        "headline": "checkout: concise beats control by 4.1 points",
        "scheduled_for": "2026-11-23T07:00:00Z",
        "known_at": "2026-11-23T07:00:00Z",
        "facts": {
            "checkout": {"value": "winner", "words": "concise beats control by 4.1 points", "kind": "verdict"},
            "solved": {"value": 0.61, "words": "", "kind": "mean"},
        },
        "facts_left_out": 0,
        "changes": [
            {"name": "checkout", "before": "keep_running", "after": "winner", "words": "checkout: now a winner"}
        ],
        "changes_left_out": 0,
        "error": None,
        "permalink": PERMALINK,
        "chart_url": None,
    } == request.json


def test_the_documented_receiver_verifies_it(tmp_path: Path) -> None:
    """The Python of docs/report-deliveries.md, run; it refuses a changed body, another secret and an old timestamp."""
    page = (ROOT / "docs/report-deliveries.md").read_text()
    [snippet] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    receiver_code: dict[str, Any] = {}
    exec(snippet, receiver_code)  # noqa: S102 - our own page
    verify = receiver_code["verify"]
    with http_receiver() as receiver:
        _try(receiver.url, tmp_path)
    [request] = receiver.received
    headers = _headers(request.headers)
    assert verify(headers, request.body, SECRET)
    assert not verify(headers, request.body + b" ", SECRET)
    assert not verify(headers, request.body, "whsec_" + base64.b64encode(bytes(32)).decode())
    key, old = webhook.signing_key(SECRET), int(time.time()) - 301
    signed = webhook.signature(key, headers["webhook-id"], old, request.body)
    assert not verify({**headers, "webhook-timestamp": str(old), "webhook-signature": signed}, request.body, SECRET)


def test_a_failed_edition_says_where(tmp_path: Path) -> None:
    """The cell, its first line and the error."""
    with http_receiver() as receiver:
        _try(receiver.url, tmp_path, made=failed_edition())
    body = receiver.received[0].json
    assert ("report.failed", "Failed in cell 3: KeyError: 'score'") == (body["type"], body["headline"])
    assert "rows = upshot.query(sql)" in body["error"].values()


def test_a_chart_has_its_address_beside_the_permalink(tmp_path: Path) -> None:
    """As the route serves it."""
    (tmp_path / "chart.png").write_bytes(b"")
    with http_receiver() as receiver:
        _try(receiver.url, tmp_path, made=edition(has_chart=True))
    expected = "http://127.0.0.1:8787/v1/reports/weekly-winners/editions/e1/chart.png"
    assert expected == receiver.received[0].json["chart_url"]


def test_the_body_stays_small(tmp_path: Path) -> None:
    """A report of a thousand facts and changes is below the 20 kB that the specification wants, and counts the rest."""
    made = edition()
    facts = {f"fact {i}": made.facts["checkout"] for i in range(1000)}
    changes = made.changes * 1000
    with http_receiver() as receiver:
        _try(receiver.url, tmp_path, made=edition(facts=facts, changes=changes))
    [request] = receiver.received
    assert len(request.body) < 20_000
    assert (30, 970, 30, 970) == (
        len(request.json["facts"]),
        request.json["facts_left_out"],
        len(request.json["changes"]),
        request.json["changes_left_out"],
    )


def test_the_id_is_of_one_delivery_over_all_its_tries(tmp_path: Path) -> None:
    """Equal over tries; another for another edition, report, workspace or number. The timestamp is the try's own."""
    with http_receiver(Reply(500), Reply(500), Reply(200)) as receiver:
        for attempt in (1, 2):
            with pytest.raises(DeliveryError):
                _try(receiver.url, tmp_path, attempt)
        _try(receiver.url, tmp_path, 3)
    ids = {request.headers["webhook-id"] for request in receiver.received}
    assert (3, {key_of(edition(), 1)}) == (len(receiver.received), ids)
    others = {
        key_of(edition(), 1),
        key_of(edition(), 2),
        key_of(edition(id="e2"), 1),
        key_of(edition(report="other"), 1),
        key_of(edition(workspace="other"), 1),
        key_of(edition(report="weekly-winnerse", id="1"), 1),
    }
    assert 6 == len(others)


def test_what_arrived_is_not_sent_again(tmp_path: Path) -> None:
    """A step that is run twice posts once; another number of the same report is another delivery."""
    with http_receiver() as receiver:
        _try(receiver.url, tmp_path)
        assert Delivered(None, "delivered before") == _try(receiver.url, tmp_path, 2)
        assert 1 == len(receiver.received)
        _try(receiver.url, tmp_path, number=2)
        assert 2 == len(receiver.received)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (500, True),
        (502, True),
        (503, True),
        (504, True),
        (408, True),
        (409, True),
        (425, True),
        (429, True),
        (400, False),
        (401, False),
        (404, False),
        (410, False),
        (301, False),
        (307, False),
    ],
)
def test_the_status_says_whether_to_try_again(tmp_path: Path, status: int, retryable: bool) -> None:  # noqa: FBT001
    """And the line of the log says it too."""
    reply = Reply(status, b"no", {"location": "/elsewhere"})
    with http_receiver(reply) as receiver, pytest.raises(DeliveryError) as caught:
        _try(receiver.url, tmp_path)
    assert (status, retryable, None) == (caught.value.status, caught.value.retryable, caught.value.retry_after)
    [line] = log_of(tmp_path)
    assert (status, "retry" if retryable else "failed") == (line.status, line.outcome)
    assert 1 == len(receiver.received), "a redirect was followed"


def test_retry_after_is_honoured_within_bounds(tmp_path: Path) -> None:
    """Of a 429 and a 503; in the log too. A 404 has no other try to wait for."""
    header = {"retry-after": "90"}
    with http_receiver(Reply(429, b"", header), Reply(503, b"", header), Reply(404, b"", header)) as receiver:
        waits: list[int | None] = []
        for attempt in (1, 2, 3):
            with pytest.raises(DeliveryError) as caught:
                _try(receiver.url, tmp_path, attempt)
            waits.append(caught.value.retry_after)
    assert [90, 90, None] == waits == [line.retry_after for line in log_of(tmp_path)]


def test_retry_after_may_be_seconds_or_a_date() -> None:
    """RFC 9110, section 10.2.3; never beyond an hour, never less than a second, and what is neither is nothing."""
    now = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
    later = format_datetime(now + dt.timedelta(seconds=75), usegmt=True)
    past = format_datetime(now - dt.timedelta(days=1), usegmt=True)
    seen = [retry_after(value, now) for value in ("30", "0", "9" * 400, later, past, "soon", "", "-5", "²", "1.5")]
    assert [30, 1, MAX_RETRY_AFTER, 75, 1, None, None, None, None, None] == seen


@given(st.text())
def test_no_retry_after_breaks_it(value: str) -> None:
    """Whatever a receiver writes there."""
    seconds = retry_after(value)
    assert seconds is None or 1 <= seconds <= MAX_RETRY_AFTER


def test_a_refused_connection_can_be_tried_again(tmp_path: Path) -> None:
    """Nobody listens."""
    port = free_port()
    with pytest.raises(DeliveryError, match=rf"http://127\.0\.0\.1:{port} cannot be reached") as caught:
        _try(f"http://127.0.0.1:{port}", tmp_path)
    assert (True, None) == (caught.value.retryable, caught.value.status)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Le", b"\x00\xff garbage\r\n\r\n"]
)
def test_a_cut_before_the_status_can_be_tried_again(tmp_path: Path, answer: bytes) -> None:
    """With nothing, half a status, half a header, or what is no HTTP at all."""
    with raw_receiver(answer) as port, pytest.raises(DeliveryError, match="cannot be reached") as caught:
        _try(f"http://127.0.0.1:{port}/", tmp_path)
    assert caught.value.retryable


def test_a_cut_after_the_status_is_delivered(tmp_path: Path) -> None:
    """The status is the answer: sending again would make a second message."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthank you"
    with raw_receiver(answer, reset=False) as port:
        assert 200 == _try(f"http://127.0.0.1:{port}/", tmp_path).status


def test_a_silent_receiver_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer, and one that sends a byte of its headers now and then."""
    monkeypatch.setattr(posting, "SECONDS", 0.5)
    began = time.monotonic()
    with http_receiver(Reply(wait=2.0)) as receiver, pytest.raises(DeliveryError) as caught:
        _try(receiver.url, tmp_path)
    assert (True, None) == (caught.value.retryable, caught.value.status)
    with (
        raw_receiver(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000, drip=0.05) as port,
        pytest.raises(DeliveryError, match=r"did not answer within 0\.5 s"),
    ):
        _try(f"http://127.0.0.1:{port}/", tmp_path)
    assert time.monotonic() - began < 8.0


def test_an_endless_body_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes fast, and one that drips: delivered, with the beginning in the log."""
    monkeypatch.setattr(posting, "BODY_SECONDS", 0.5)
    with http_receiver(Reply(200, b"y" * 5_000_000)) as receiver:
        _try(receiver.url, tmp_path)
    began = time.monotonic()
    with raw_receiver(b"HTTP/1.1 200 OK\r\n\r\n" + b"z" * 10_000, drip=0.005) as port:
        _try(f"http://127.0.0.1:{port}/", tmp_path, number=2)
    assert time.monotonic() - began < 8.0
    first, second = log_of(tmp_path)
    assert "y" * 499 + "…" == first.detail
    assert set("z") == set(second.detail) - {"…"}


def test_tls_that_nobody_vouches_for_is_not_spoken(tmp_path: Path) -> None:
    """A certificate that signs itself; nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    with http_receiver(context=context) as receiver, pytest.raises(DeliveryError, match=r"(?i)certificate") as caught:
        _try(receiver.url, tmp_path)
    assert (True, []) == (caught.value.retryable, receiver.received)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/x", "not encrypted"),
        ("http://10.0.0.7/x", "not encrypted"),
        ("ftp://hooks.example.com/x", "must be https"),
        ("https:///x", "cannot be read"),
        ("https://hooks.example.com:99999/x", "cannot be read"),
        ("https://[::1/x", "cannot be read"),
        ("https://hooks.example.com/a b", "cannot be read"),
        ("https://hooks.example.com/a\r\nx: y", "cannot be read"),
        ("https://user:hunter2@hooks.example.com/x", "a user, a password"),
        ("https://hooks.example.com/x#y", "a fragment"),
        ("https://hooks.example.com/" + "x" * 2000, "at most 2000"),
        ("", "cannot be read|must be https"),
    ],
)
def test_a_url_that_cannot_be_right_is_refused(url: str, why: str) -> None:
    """By name, and without what may be secret in it."""
    with pytest.raises(InputError, match=why) as caught:
        check(Webhook(url=url, secret=SECRET), MEANS)
    assert "hunter2" not in caught.value.message
    assert "/x" not in caught.value.message


def test_http_is_for_this_machine_unless_the_operator_says_so() -> None:
    """Private addresses are as good as others."""
    for url in ("http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x", "https://10.0.0.7/x", "https://h/x"):
        check_url(url, plain_http=False)
    check_url("http://10.0.0.7/x", plain_http=True)


@given(st.text(max_size=40))
def test_no_url_breaks_the_check(text: str) -> None:
    """It is taken, or refused with the one error."""
    for url in (text, f"https://{text}"):
        with contextlib.suppress(InputError):
            check_url(url, plain_http=False)


@pytest.mark.parametrize("secret", ["", "hunter2hunter2hunter2", "whsec_", "whsec_***", "whsec_aGVsbG8=", "whsec_é"])
def test_a_weak_secret_is_refused(secret: str) -> None:
    """With the command that makes a good one, which works, and without repeating it."""
    with pytest.raises(InputError, match="secret") as caught:
        webhook.signing_key(secret)
    assert "hunter2" not in caught.value.message
    assert caught.value.hint is not None and "os.urandom(32)" in caught.value.hint


def test_what_the_operator_forbade_later_fails_for_good(tmp_path: Path) -> None:
    """A definition written while http was allowed: named in the log, nothing is sent."""
    with pytest.raises(DeliveryError, match="not encrypted") as caught:
        _try("http://hooks.example.com/x", tmp_path)
    assert not caught.value.retryable
    assert ["failed"] == [line.outcome for line in log_of(tmp_path)]
