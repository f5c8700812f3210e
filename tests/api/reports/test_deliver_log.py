"""The log of deliveries: every try is in it, whatever happened to the file, and no secret is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.reports.definition import Email, Webhook
from api.reports.deliveries.outcome import DETAIL_CHARS, MASK, DeliveryError, masked_url, secrets_of_url, told
from api.reports.delivering import FILE, LOG, Means, Try, check, deliver, filed, key_of, log_of
from tests.api.reports.receivers import PERMALINK, Reply, edition, http_receiver
from tests.support.command import ROOT
from warehouse.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the specification's own tests
MEANS = Means(mail=None, plain_http=False)
NOON = 1_795_435_200_000_000


def _try(url: str, folder: Path, attempt: int) -> None:
    deliver(
        Webhook(url=url, secret=SECRET),
        edition(),
        folder,
        number=1,
        permalink=PERMALINK,
        attempt=attempt,
        means=MEANS,
        clock=lambda: NOON,
    )


def test_every_try_is_a_line(tmp_path: Path) -> None:
    """A refusal for now, one with a wait, then the arrival."""
    busy = Reply(503, b"busy\r\n\x1b[31m now", {"retry-after": "7"})
    with http_receiver(Reply(500, b"oops"), busy, Reply(202, b"")) as receiver:
        for attempt in (1, 2):
            with pytest.raises(DeliveryError):
                _try(f"{receiver.url}/secret-path", tmp_path, attempt)
        _try(f"{receiver.url}/secret-path", tmp_path, 3)
    where, key = f"{receiver.url}/{MASK}", key_of(edition(), 1)
    common = ("2026-11-23T12:00:00.000000Z", 1, "webhook", where, key)
    assert [
        Try(*common, 1, "retry", 500, f"{where} answered 500: oops", None),
        Try(*common, 2, "retry", 503, f"{where} answered 503: busy [31m now", 7),
        Try(*common, 3, "done", 202, "", None),
    ] == log_of(tmp_path)


def test_the_file_and_its_permalink_are_the_first_line(tmp_path: Path) -> None:
    """Once, however often the step runs."""
    filed(edition(), tmp_path, PERMALINK)
    filed(edition(), tmp_path, PERMALINK)
    [line] = log_of(tmp_path)
    assert (FILE, "file", PERMALINK, "done") == (line.number, line.to, line.where, line.outcome)


def test_a_line_cut_by_a_power_cut_costs_only_itself(tmp_path: Path) -> None:
    """The lines before it and after it are read."""
    with http_receiver() as receiver:
        filed(edition(), tmp_path, PERMALINK)
        whole = (tmp_path / LOG).read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 2, len(whole) - 1):
            (tmp_path / LOG).write_bytes(whole + whole[:length])
            _try(receiver.url, tmp_path, 1)
            tries = log_of(tmp_path)
            # A line that lacks only its line end is whole.
            expected = ["file", "file", "webhook"] if length == len(whole) - 1 else ["file", "webhook"]
            assert expected == [line.to for line in tries], length


def test_a_kill_between_the_answer_and_the_log_sends_again_with_the_same_id(tmp_path: Path) -> None:
    """The receiver has it and the log does not: the next try posts, and the receiver can tell that it is the same."""
    with http_receiver() as receiver:
        program = f"""
import os, signal
from pathlib import Path
from api.reports import delivering
from tests.api.reports import test_deliver_log as test
delivering._Log.add = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
test._try({receiver.url!r}, Path({str(tmp_path)!r}), 1)
"""
        died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env={**os.environ}, check=False)
        assert -signal.SIGKILL == died.returncode
        assert (1, []) == (len(receiver.received), log_of(tmp_path))
        _try(receiver.url, tmp_path, 1)
        _try(receiver.url, tmp_path, 1)
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert [key_of(edition(), 1)] * 2 == ids
    assert ["done"] == [line.outcome for line in log_of(tmp_path)]


def test_a_dead_receiver_hurts_no_other(tmp_path: Path) -> None:
    """Each delivery has its own lines, and what arrived at one is not what arrived at another."""
    with http_receiver(Reply(500)) as dead, http_receiver() as alive:
        for number, receiver in ((1, dead), (2, alive), (1, dead), (2, alive)):
            given = Webhook(url=receiver.url, secret=SECRET)
            try:
                deliver(
                    given,
                    edition(),
                    tmp_path,
                    number=number,
                    permalink=PERMALINK,
                    attempt=1,
                    means=MEANS,
                )
            except DeliveryError:
                assert 1 == number
    assert (2, 1) == (len(dead.received), len(alive.received))
    assert [(1, "retry"), (2, "done"), (1, "retry")] == [(line.number, line.outcome) for line in log_of(tmp_path)]


def test_the_signing_secret_is_masked_where_a_receiver_repeats_it(tmp_path: Path) -> None:
    """With its prefix and without."""
    said = f"your secret is {SECRET} or {SECRET.removeprefix('whsec_')}, is it"
    with http_receiver(Reply(400, said.encode())) as receiver, pytest.raises(DeliveryError) as caught:
        _try(receiver.url, tmp_path, 1)
    assert SECRET.removeprefix("whsec_") not in (tmp_path / LOG).read_text() + str(caught.value)
    assert f"your secret is {MASK} or {MASK}, is it" in caught.value.message


_STEP = st.from_regex(r"[A-Za-z0-9_-]{12,40}", fullmatch=True)


@given(_STEP, _STEP, st.text())
@example("secret-secret-1", "secret-secret", "")
def test_no_part_of_a_url_that_may_be_secret_is_told(step: str, value: str, around: str) -> None:
    """A step of its path, the value of its query: in whatever text they stand, one inside the other too."""
    url = f"https://hooks.example.com/a/{step}?token={value}"
    shown = masked_url(url)
    assert "https://hooks.example.com/•••" == shown
    text = told(f"{around}{url}{around}{step} {value}{around}", secrets_of_url(url))
    assert step not in text
    assert value not in text


@given(st.text(), st.lists(st.text()))
def test_what_is_told_is_one_short_line(text: str, secrets: list[str]) -> None:
    """Whatever a receiver says, and whatever is secret."""
    line = told(text, secrets)
    assert len(line) <= DETAIL_CHARS
    assert len(line.splitlines()) <= 1


def test_mail_without_a_server_is_refused_at_once() -> None:
    """When the definition is written, naming the setting."""
    with pytest.raises(InputError, match="no mail server") as caught:
        check(Email(addresses=("a@example.com",)), MEANS)
    assert "set UPSHOT_SMTP_URL" == caught.value.hint
