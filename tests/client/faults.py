"""A real server on a socket that does, connection by connection, what its script says."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Act = Callable[[socket.socket], None]
"""What becomes of one connection, its request being read."""


@dataclass
class Misbehaving:
    """What listens at `url`, and the requests it has read."""

    url: str
    requests: list[bytes] = field(default_factory=list[bytes])

    @property
    def bodies(self) -> list[bytes]:
        """The body of each request."""
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]


def answer(status: int, body: bytes = b"{}", headers: Sequence[str] = (), cut: int | None = None) -> Act:
    """Answer, and close; with `cut` after so many bytes of a body that was announced whole."""

    def act(connection: socket.socket) -> None:
        head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
        if not any(header.lower().startswith("content-type") for header in headers):
            head.insert(1, "Content-Type: application/json")
        connection.sendall("\r\n".join(head).encode() + body[:cut])

    return act


def reset(connection: socket.socket) -> None:
    """End the connection as a killed process does: with RST, without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket) -> None:
    """End the connection in order, without an answer."""
    del connection


def silence(connection: socket.socket) -> None:
    """Say nothing until the caller has had enough."""
    with contextlib.suppress(OSError):
        connection.recv(1)


@contextlib.contextmanager
def misbehaving(*script: Act) -> Iterator[Misbehaving]:
    """Serve one connection after the other by `script`; its last act is repeated."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        served = Misbehaving(f"http://127.0.0.1:{listening.getsockname()[1]}")
        ended = threading.Event()

        def serve() -> None:
            at = 0
            while not ended.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    served.requests.append(_request(connection))
                    script[min(at, len(script) - 1)](connection)
                at += 1

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield served
        finally:
            ended.set()
            thread.join()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    announced = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(announced[0].partition(b":")[2]) if announced else 0
    while len(body) < length:
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body
