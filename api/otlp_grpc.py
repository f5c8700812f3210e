"""OTLP over gRPC: the same rows, limits, keys and promises as over HTTP (`api.routes.otlp`).

Messages stay the bytes they came as, packed ones too: they are unpacked and decoded by what the routes use, so that
what is small when sent and huge when unpacked is refused on the way. Metrics are not taken: UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

import structlog

from api.auth import admit, loopback
from ingest.otel.answers import (
    INTERNAL,
    PROTOBUF_TYPE,
    UNIMPLEMENTED,
    response,
    retry_info,
    retryable_status,
    status_code,
)
from ingest.otel.taken import LIMITS, LOGS, TRACES
from warehouse.errors import TransientError, UpshotError

# Before grpc starts: its own lines about what strangers send are for its developers, and processes are only ever
# started here to run another program.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from api.services import Services
    from ingest.otel.taken import Signal
    from warehouse.keys import Access

    Context = grpc.aio.ServicerContext[bytes, bytes]
    Handler = Callable[[bytes, Context], Awaitable[bytes]]

log = structlog.get_logger("grpc")

GRACE_SECONDS = 1.0
"""How long open calls may take to end when the server stops."""

_GZIP = b"\x1f\x8b"
"""A packed message begins so, and no message of protobuf can: it would be a field of a kind that does not exist."""

_IDENTITY_OR_GZIP = 0b101
_OPTIONS = (
    ("grpc.max_receive_message_length", LIMITS.body_bytes),  # refused by its announced length, before it is read
    ("grpc.per_message_decompression", 0),
    ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_OR_GZIP),
    ("grpc.so_reuseport", 0),  # a second server on this port must fail, and not take half of the requests
)

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_SERVICE = "opentelemetry.proto.collector.{}.v1.{}Service"


@asynccontextmanager
async def receiving(own: Services, address: str) -> AsyncIterator[None]:
    """Take OTLP at an address such as `127.0.0.1:4317` as long as the context is open.

    Raises:
        TransientError: nothing can listen there.
    """
    server = grpc.aio.server(options=_OPTIONS)
    handlers = {"traces": _taking(own, TRACES), "logs": _taking(own, LOGS), "metrics": _refuse_metrics}
    for name, handler in handlers.items():
        service = _SERVICE.format(*_names(name))
        method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_logged(service, handler))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise TransientError(
            f"cannot listen on {address} for OTLP over gRPC", hint="give another --otlp-grpc-port, or 0 for none"
        ) from error
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)


def _names(signal: str) -> tuple[str, str]:
    """Return a signal as its package and its service name it: `trace` and `Trace`, `logs` and `Logs`."""
    name = "trace" if signal == "traces" else signal
    return name, name.capitalize()


def _taking(own: Services, signal: Signal) -> Handler:
    async def export(body: bytes, context: Context) -> bytes:
        try:
            access = _caller(own, context)
            encoding = "gzip" if body.startswith(_GZIP) else None
            with own.holding() as hold:
                hold(len(body))
                made = await own.keep(access.workspace, signal, body, encoding, PROTOBUF_TYPE)
        except UpshotError as error:
            await _refuse(error, context)
        return response(made.rejected, made.reasons, signal.counter, PROTOBUF_TYPE)

    return export


async def _refuse_metrics(_: bytes, context: Context) -> NoReturn:
    await context.abort(_CODES[UNIMPLEMENTED], "metrics are not taken here, only traces and logs")


async def _refuse(error: UpshotError, context: Context) -> NoReturn:
    """Answer with an error; one that may pass says when to send again, where clients of either kind look for it."""
    code = status_code(error)
    details: tuple[tuple[str, bytes], ...] = ()
    if isinstance(error, TransientError):
        details = (
            ("grpc-status-details-bin", retryable_status(code, error.message, error.retry_after)),
            ("google.rpc.retryinfo-bin", retry_info(error.retry_after)),  # the exporter of Python
        )
    await context.abort(_CODES[code], error.message, details)


def _caller(own: Services, context: Context) -> Access:
    """Return the caller's access, by the metadata `authorization`."""
    sent = dict(context.invocation_metadata() or ()).get("authorization", "")
    access = admit(own.keys, str(sent), "ingest", own.clock(), local=loopback(_host(context.peer())))
    own.keys.note_use(access.key, own.clock())
    return access


def _host(peer: str) -> str:
    """Return the host of a peer such as `ipv4:127.0.0.1:50000` or `ipv6:%5B::1%5D:50000`."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


def _logged(service: str, handler: Handler) -> Handler:
    """Write one line a call; a defect of ours is INTERNAL, with its reason only in the log."""

    async def call(body: bytes, context: Context) -> bytes:
        started = time.perf_counter()
        try:
            return await handler(body, context)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("defect", service=service)
            await context.abort(_CODES[INTERNAL], "the server failed; its log has the reason")
        finally:
            ms = round((time.perf_counter() - started) * 1000, 2)
            log.info("call", service=service, code=_code_name(context.code()), ms=ms)

    return call


def _code_name(code: Any) -> str:
    """Return the name of a call's status, which is a number or one of an enumeration."""
    return _CODES[code].name if code in _CODES else getattr(code, "name", "OK")
