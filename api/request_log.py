"""The request log: one JSON line for each query, without its SQL, its parameters or its rows.

DATA/logs/requests.ndjson, and up to `BACKUPS` older ones beside it (`requests.ndjson.1` is the newest of these).
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from warehouse.clock import iso

if TYPE_CHECKING:
    from io import TextIOWrapper

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from warehouse.clock import Clock

log = structlog.get_logger("request_log")

MAX_BYTES = 20 << 20
"""Size of one file, at which the next is begun: some 70,000 queries."""

BACKUPS = 4

DIGEST_CHARS = 16

_ROUTES = (
    (re.compile(r"/v1/query"), "query"),
    (re.compile(r"/v1/query/check"), "check"),
    (re.compile(r"/v1/queries/[^/]+/result"), "result"),
)


class Line(msgspec.Struct):
    """One query as the log tells it. What is not known of a request that was refused early is null."""

    at: str
    """When it came."""
    request_id: str
    kind: str
    """query, check, result (of a saved query or a tile), page."""
    key: str | None
    """Id of the caller's key, as `upshot keys list` shows it; empty on an open loopback."""
    workspace: str | None
    statement: str | None
    """The first `DIGEST_CHARS` digits of the SHA-256 of the SQL's UTF-8: equal texts have equal ones."""
    verdict: str
    """ok, or the error's code; `aborted` when the caller left before the end."""
    rows: int | None
    bytes: int
    """Of the answer's body, as far as it was sent."""
    ms: float
    """Until its last byte."""


def note(request: Request, *, sql: str | None = None, **facts: str | int | None) -> None:
    """Keep what the log is to tell of this request: `key`, `workspace`, `kind`, `rows`, `verdict`; of `sql` a digest.

    Once a `kind` is noted, a request is logged whatever its path.
    """
    noted: dict[str, Any] = request.scope.setdefault("state", {}).setdefault("noted", {})
    noted.update(facts)
    if sql is not None:
        noted["statement"] = digest(sql)


def digest(sql: str) -> str:
    """Return what the log says of an SQL text."""
    return hashlib.sha256(sql.encode(errors="surrogatepass")).hexdigest()[:DIGEST_CHARS]


class QueryLog:
    """ASGI middleware: writes one line for each query, once it was answered."""

    def __init__(self, app: ASGIApp, lines: Lines, clock: Clock) -> None:
        self._app = app
        self._lines = lines
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        at, started = self._clock(), time.perf_counter()
        size, whole, verdict = 0, False, "ok"

        async def answer(message: Message) -> None:
            nonlocal size, whole
            await send(message)
            if message["type"] == "http.response.body":
                size += len(message.get("body", b""))
                whole = not message.get("more_body")

        try:
            await self._app(scope, receive, answer)
        except Exception:
            verdict = "internal"
            raise
        finally:
            noted: dict[str, Any] = scope.get("state", {}).get("noted", {})
            kind = noted.get("kind") or _kind(scope["path"])
            if kind is not None:
                self._lines.write(
                    Line(
                        iso(at),
                        scope.get("state", {}).get("request_id", ""),
                        kind,
                        noted.get("key"),
                        noted.get("workspace"),
                        noted.get("statement"),
                        noted.get("verdict", verdict) if whole or verdict != "ok" else "aborted",
                        noted.get("rows"),
                        size,
                        round((time.perf_counter() - started) * 1000, 2),
                    )
                )


def _kind(path: str) -> str | None:
    return next((kind for pattern, kind in _ROUTES if pattern.fullmatch(path)), None)


class Lines(RotatingFileHandler):
    """The file of the lines. One that cannot be written is left out: no request fails for its line.

    Written at once and not by a thread of its own: a line is one write into the page cache, and who looks for the
    reason of a crash finds the last request.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
        self._failed = False

    def write(self, line: Line) -> None:
        """Append a line."""
        self.handle(logging.makeLogRecord({"msg": msgspec.json.encode(line).decode()}))

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the interface's
        """Say once that lines are missing."""
        if not self._failed:
            log.warning("request_log_failed", path=self.baseFilename, reason=str(sys.exception()))
        self._failed = True
