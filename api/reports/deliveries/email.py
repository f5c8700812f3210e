"""E-mail over SMTP: a text part, and an HTML part with the chart inside; each recipient gets a mail of its own.

The HTML has no script and names no other address but the permalink. A resend has the same Message-ID, so mailboxes and
lists can tell it from a second report. Once the server took a recipient's mail, that recipient is done, whatever
becomes of the others.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import re
import smtplib
import socket
import ssl
import threading
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from markupsafe import Markup

from api.reports.deliveries.message import MAX_ROWS, and_more, line, table
from api.reports.deliveries.outcome import Delivered, DeliveryError, told
from api.reports.deliveries.posting import is_loopback
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from api.reports.deliveries.message import Message

STEP_SECONDS = 10.0
"""Time for the server's answer to one command."""

SECONDS = 60.0
"""Time for one try, all recipients together."""

MAX_ADDRESSES = 50
MAX_ADDRESS = 254
"""Characters of an address (RFC 5321, 4.5.3.1.3, less the brackets)."""

MAX_CHART_BYTES = 2 << 20
"""A larger chart stays at the permalink: servers refuse large mails."""

_MAX_SUBJECT = 150
_TAKEN = 250
_FIRST_PERMANENT = 500
_PORTS = {"smtp": 587, "smtps": 465}

_ATOM = r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}@{_LABEL}(?:\.{_LABEL})*")
"""A valid e-mail address of the HTML standard (html.spec.whatwg.org, section on type=email)."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over, and who sends it."""

    host: str
    port: int
    tls: bool
    """TLS from the first byte."""
    starttls: bool
    """TLS by STARTTLS, and no mail without it."""
    user: str
    password: str
    sender: str


def mail_server(url: str, sender: str) -> MailServer | None:
    """Return the server of UPSHOT_SMTP_URL and UPSHOT_SMTP_FROM; None when no URL is given.

    `smtps://` is TLS from the first byte; `smtp://` is STARTTLS, but for loopback, which is plain. Ports are 465 and
    587 when none is given.

    Raises:
        InputError: the URL or the sender cannot be used. The message does not repeat a password.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError("UPSHOT_SMTP_URL cannot be read, must be smtp[s]://[user:password@]host[:port]") from error
    odd = parts.path.strip("/") or parts.query or parts.fragment or port == 0
    if parts.scheme not in _PORTS or not parts.hostname or odd:
        raise InputError(
            "UPSHOT_SMTP_URL cannot be read, must be smtp[s]://[user:password@]host[:port]",
            hint="percent-encode `@`, `:`, `/`, `?` and `#` in the user and the password",
        )
    if not sender:
        raise InputError("UPSHOT_SMTP_FROM is empty, must be the address that mail comes from")
    try:
        check_address(sender)
    except InputError as error:
        raise InputError(f"UPSHOT_SMTP_FROM: {error.message}", hint=error.hint) from error
    tls = parts.scheme == "smtps"
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=tls,
        starttls=not tls and not is_loopback(parts.hostname),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender,
    )


def check_address(address: str) -> None:
    """Raise InputError unless `address` is an e-mail address in ASCII, without a name or brackets around it."""
    if len(address) > MAX_ADDRESS:
        raise InputError(f"an e-mail address has {len(address)} characters, at most {MAX_ADDRESS} are allowed")
    if not _ADDRESS.fullmatch(address):
        hint = None if address.isascii() else "a domain beyond ASCII is written in its xn-- form"
        raise InputError(f"{shown(address)} is not an e-mail address", hint=hint)


def mail(message: Message, sender: str, recipient: str) -> EmailMessage:
    """Return the mail of one recipient, the same at every try but for its date and MIME boundaries."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = line(f"{message.title}: {message.headline}", _MAX_SUBJECT)
    mail["Date"] = dt.datetime.now(dt.UTC)
    identity = hashlib.sha256(f"{message.key}\n{recipient}".encode()).hexdigest()
    mail["Message-ID"] = f"<{identity[:40]}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office programs do not answer
    mail.set_content(text_of(message))
    chart = message.chart.read_bytes() if message.chart else b""
    inside = 0 < len(chart) <= MAX_CHART_BYTES
    cid = f"chart-{identity[:16]}"
    mail.add_alternative(html_of(message, cid if inside else None), subtype="html")
    if inside:
        page = mail.get_payload(1)
        assert isinstance(page, EmailMessage)  # noqa: S101 - the part that was just added
        page.add_related(chart, "image", "png", cid=f"<{cid}>", disposition="inline", filename="chart.png")
    return mail


def _above(message: Message) -> list[str]:
    """Return the sentences above the table."""
    said = [*message.failure, *message.verdicts, *message.news]
    return said if len(said) <= MAX_ROWS else [*said[:MAX_ROWS], and_more(len(said) - MAX_ROWS)]


def _after(message: Message) -> str:
    """Return what stands below the table: how many figures are not in it."""
    left = len(message.rows) - MAX_ROWS
    return and_more(left) if left > 0 else ""


def _below(message: Message) -> str:
    return f"As known at {message.edition.known_at}; edition {message.edition.id} of {message.edition.report}."


def text_of(message: Message) -> str:
    """Return the text part."""
    failed = " failed" if message.failure else ""
    parts = [f"{message.title}{failed}", "\n".join(_above(message))]
    if message.rows:
        parts += ["\n".join(table(message.rows[:MAX_ROWS])), _after(message)]
    return "\n\n".join(part for part in (*parts, message.permalink, _below(message)) if part) + "\n"


def html_of(message: Message, cid: str | None) -> str:
    """Return the HTML part; `cid` names the chart among the parts of the mail."""
    failed = " failed" if message.failure else ""
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(row.name, row.before, row.now)
        for row in message.rows[:MAX_ROWS]
    )
    heads = Markup('<tr><th align="left">figure</th><th align="left">before</th><th align="left">now</th></tr>')
    table = Markup('<table cellpadding="4">{}{}</table>{}').format(heads, rows, _after(message)) if rows else Markup("")
    label = f"First chart of {message.title}"
    chart = Markup('<p><img src="cid:{}" alt="{}" width="600"></p>').format(cid, label) if cid else Markup("")
    said = Markup("").join(Markup("<p>{}</p>").format(sentence) for sentence in _above(message))
    link = Markup('<p><a href="{}">Open the report</a></p>').format(message.permalink)
    head = Markup("<h2>{}{}</h2>").format(message.title, failed)
    foot = Markup("<p><small>{}</small></p>").format(_below(message))
    start = Markup('<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{}</title></head><body>').format(
        message.title
    )
    return str(start + head + said + table + chart + link + foot + Markup("</body></html>\n"))


def send(
    message: Message,
    server: MailServer,
    recipients: Sequence[str],
    *,
    taken: Callable[[str, int, str], None],
    context: ssl.SSLContext | None = None,
) -> Delivered:
    """Hand over a mail for each recipient, and return when the server took all.

    Args:
        message: the edition.
        server: the mail server.
        recipients: addresses that have not got it yet.
        taken: called with the recipient, the server's status and words, once the server took that recipient's mail.
        context: what TLS trusts; the system's certificates when not given.

    Raises:
        DeliveryError: the server did not take all. Retryable when one of those left may succeed later: no connection,
            or a status of 400 to 499 (greylisting).
    """
    if not recipients:
        return Delivered(None, "delivered before")
    where, hidden = f"{server.host}:{server.port}", _secrets(server)
    refused: dict[str, smtplib.SMTPResponseException] = {}
    try:
        with _session(server, context) as session:
            for recipient in recipients:
                try:
                    code, said = _handed_over(
                        session, server.sender, recipient, mail(message, server.sender, recipient)
                    )
                except smtplib.SMTPResponseException as error:
                    refused[recipient] = error
                    session.rset()
                else:
                    taken(recipient, code, told(said, hidden))
    except smtplib.SMTPResponseException as error:
        raise _answered(where, error, hidden) from error
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(
            f"{where} cannot be used: {told(str(error), hidden)}",
            retryable=False,
            hint="smtps:// is TLS from the first byte, smtp:// needs STARTTLS beyond this machine",
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        detail = told(str(error), hidden) or type(error).__name__
        raise DeliveryError(f"{where} cannot be reached: {detail}", retryable=True) from error
    if refused:
        later = [one for one in refused.values() if one.smtp_code < _FIRST_PERMANENT]
        first = (later or list(refused.values()))[0]
        words = "; ".join(f"{to}: {one.smtp_code} {_words(one.smtp_error)}" for to, one in refused.items())
        raise DeliveryError(f"{where} refused {told(words, hidden)}", retryable=bool(later), status=first.smtp_code)
    return Delivered(_TAKEN, f"taken for {len(recipients)} recipients")


def _answered(where: str, error: smtplib.SMTPResponseException, hidden: Sequence[str]) -> DeliveryError:
    """Return the failure of a server that refused the session itself."""
    words = told(_words(error.smtp_error), hidden)
    return DeliveryError(
        f"{where} answered {error.smtp_code}: {words}",
        retryable=error.smtp_code < _FIRST_PERMANENT,
        status=error.smtp_code,
    )


@contextlib.contextmanager
def _session(server: MailServer, context: ssl.SSLContext | None) -> Iterator[smtplib.SMTP]:
    """Open a session ready for mail, and end it after `SECONDS` at the latest, however slowly the server talks."""
    context = context or ssl.create_default_context()
    name = socket.gethostname()
    session = (
        smtplib.SMTP_SSL(local_hostname=name, timeout=STEP_SECONDS, context=context)
        if server.tls
        else smtplib.SMTP(local_hostname=name, timeout=STEP_SECONDS)
    )
    # What TLS checks the certificate against: only the constructor sets it, and that connects before we could end it.
    session._host = server.host  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
    over = threading.Timer(SECONDS, _cut, (session,))
    over.daemon = True
    over.start()
    try:
        code, said = session.connect(server.host, server.port)
        if code != 220:  # noqa: PLR2004 - service ready
            raise smtplib.SMTPConnectError(code, said)
        if server.starttls:
            session.starttls(context=context)
        if server.user:
            session.login(server.user, server.password)
        yield session
        with contextlib.suppress(smtplib.SMTPException, OSError):
            session.quit()
    finally:
        over.cancel()
        session.close()


def _cut(session: smtplib.SMTP) -> None:
    """Close a session's connection under whoever waits for it."""
    if (open_socket := session.sock) is not None:
        with contextlib.suppress(OSError):
            open_socket.shutdown(socket.SHUT_RDWR)


def _handed_over(session: smtplib.SMTP, sender: str, recipient: str, mail: EmailMessage) -> tuple[int, str]:
    """Send one mail and return the server's status and words; raises SMTPResponseException when it is refused."""
    steps = (
        session.ehlo_or_helo_if_needed,
        lambda: session.mail(sender),
        lambda: session.rcpt(recipient),
        lambda: session.data(mail.as_bytes()),
    )
    answer = None
    for step in steps:
        answer = step()
        if answer is not None and not 200 <= answer[0] < 300:  # noqa: PLR2004 - done, in SMTP
            raise smtplib.SMTPResponseException(*answer)
    assert answer is not None  # noqa: S101 - the last step answers
    return answer[0], _words(answer[1])


def _words(said: bytes | str) -> str:
    return said if isinstance(said, str) else said.decode("utf-8", "replace")


def _secrets(server: MailServer) -> tuple[str, ...]:
    """Return the password, and the forms in which it goes over the wire (RFC 4616 PLAIN, LOGIN)."""
    forms = (server.password, f"\0{server.user}\0{server.password}")
    return (server.password, *(base64.b64encode(form.encode()).decode() for form in forms)) if server.password else ()
