"""Receivers of deliveries on this machine, with faults: HTTP and SMTP servers, and what a delivery looks like."""

from __future__ import annotations

import asyncio
import contextlib
import email.policy
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
from aiosmtpd.smtp import SMTP

from api.reports.editions import Edition, Failure
from api.reports.facts import Change, Fact

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from email.message import Message as Headers
    from pathlib import Path

    from aiosmtpd.smtp import Envelope, Session

PERMALINK = "http://127.0.0.1:8787/reports/weekly-winners/e1"

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc33"
    "0000000049454e44ae426082"
)
"""One transparent pixel."""


def edition(**given: Any) -> Edition:
    """Return a done edition with a verdict, a mean and one change, but for what is given."""
    made = Edition(
        id="e1",
        report="weekly-winners",
        workspace="default",
        version=1,
        status="done",
        scheduled_for="2026-11-23T07:00:00Z",
        started_at="2026-11-23T07:00:01Z",
        ended_at="2026-11-23T07:00:09Z",
        known_at="2026-11-23T07:00:00Z",
        params={"days": 7},
        facts={
            "solved": Fact(value=0.61, words="", kind="mean"),
            "checkout": Fact(value="winner", words="concise beats control by 4.1 points", kind="verdict"),
        },
        changes=(Change(name="checkout", before="keep_running", after="winner", words="checkout: now a winner"),),
        title="Weekly winners",
        compared_with="e0",
    )
    return msgspec.structs.replace(made, **given)


def failed_edition(**given: Any) -> Edition:
    """Return an edition whose third cell failed."""
    error = Failure(cell=3, source="rows = upshot.query(sql)", name="KeyError", message="'score'")
    return edition(status="failed", error=error, facts={}, changes=(), **given)


@dataclass
class Reply:
    """What an HTTP receiver answers."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    wait: float = 0.0
    """Seconds before it answers."""


@dataclass
class Received:
    """A request as it came."""

    method: str
    path: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, parsed."""
        return msgspec.json.decode(self.body)


@dataclass
class HttpReceiver:
    """A server that answers what it was told to, one reply a request and the last one for ever."""

    url: str
    replies: list[Reply]
    received: list[Received] = field(default_factory=list[Received])


@contextlib.contextmanager
def http_receiver(*replies: Reply, context: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    """Run an HTTP receiver on loopback; with `context` it speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            receiver.received.append(Received(self.command, self.path, self.headers, body))
            reply = receiver.replies.pop(0) if len(receiver.replies) > 1 else receiver.replies[0]
            time.sleep(reply.wait)
            with contextlib.suppress(OSError):
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

        do_GET = do_POST  # noqa: N815 - the names http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives it
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme, host = ("https", "localhost") if context else ("http", "127.0.0.1")
    receiver = HttpReceiver(f"{scheme}://{host}:{server.server_port}", list(replies) or [Reply()])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@contextlib.contextmanager
def raw_receiver(answer: bytes, *, reset: bool = True, first: bool = False, drip: float | None = None) -> Iterator[int]:
    """Run a server that answers bytes to whatever comes, and cuts the connection; yields its port.

    With `first` it speaks before it listens. With `drip` it sends a byte every so many seconds, over and over.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if first:
                    connection.settimeout(0.3)
                    connection.sendall(answer)
                    connection.recv(65_536)
                elif drip is None:
                    connection.recv(65_536)
                    connection.sendall(answer)
                else:
                    sent = 0
                    while not ended.wait(drip):
                        connection.sendall(answer[sent % len(answer) :][:1])
                        sent += 1
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@dataclass
class Mailbox:
    """What an SMTP server took, and what it answers: by recipient, one reply a try and the last one for ever."""

    port: int = 0
    rcpt: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    data: list[str] = field(default_factory=lambda: ["250 2.0.0 queued"])
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list[tuple[str, EmailMessage]])
    encrypted: list[bool] = field(default_factory=list[bool])

    async def handle_RCPT(  # noqa: N802 - the name aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        replies = self.rcpt.get(address, ["250 2.1.5 ok"])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        """Answer the end of a mail."""
        reply = self.data.pop(0) if len(self.data) > 1 else self.data[0]
        if reply.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            parsed = message_from_bytes(content, policy=email.policy.default)
            assert isinstance(parsed, EmailMessage)
            self.taken += [(to, parsed) for to in envelope.rcpt_tos]
            self.encrypted.append(session.ssl is not None)
        return reply


@contextlib.contextmanager
def mailbox(*, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[Mailbox]:
    """Run an SMTP server on loopback; `tls`: from the first byte. Options are those of aiosmtpd's SMTP."""
    box = Mailbox()
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(box, loop=loop, **options), "127.0.0.1", 0, ssl=tls)
        async with server:
            box.port = server.sockets[0].getsockname()[1]
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield box
    finally:
        over.set()
        thread.join(10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of `localhost` and 127.0.0.1 that signs itself; return it and its key, as PEM files."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    command = [*made.split(), "-addext", names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
