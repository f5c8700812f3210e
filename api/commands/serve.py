"""`upshot serve`: the server."""

from __future__ import annotations

import gc
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer

from api import settings as settings_table
from warehouse.errors import TransientError

EXAMPLES = "Example: upshot serve --data /var/lib/upshot --host 0.0.0.0 --port 8787"

SHUTDOWN_SECONDS = 5
"""How long open requests may take to end at SIGTERM before they are cut off."""

IDLE_SECONDS = 120
"""How long a connection may wait for its next request.

The side that sends must let go first: of a connection the server ends just as the next request leaves, the sender sees
a reset and cannot know what was taken. A collector lets go after 90 s, load balancers after 60 to 75 s.
"""


def serve(
    data: Annotated[Path | None, typer.Option(help="Folder that holds everything; made when missing.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of HTTP; 0 takes a free one.")] = None,
    otlp_grpc_port: Annotated[int | None, typer.Option(help="Port of OTLP over gRPC; 0 for none.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the server: take records, seal them, answer queries. Stops cleanly at SIGTERM or Ctrl+C."""
    gc.disable()  # what is imported stays: looking through it while it grows is a quarter of a start
    import uvicorn  # noqa: PLC0415 - the other commands start faster without

    from api.app import create_app  # noqa: PLC0415
    from api.services import Services  # noqa: PLC0415
    from warehouse.logs import set_up_logs  # noqa: PLC0415

    given = {"data": data, "host": host, "port": port, "otlp_grpc_port": otlp_grpc_port, "log_level": log_level}
    settings = settings_table.load(given)
    set_up_logs(settings.log_level)
    services = Services(settings)
    listener = listen(settings.host, settings.port)
    services.port = listener.getsockname()[1]
    otlp_grpc = otlp_grpc_address(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(services, request_log=settings.request_log, otlp_grpc=otlp_grpc),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            timeout_keep_alive=IDLE_SECONDS,
            server_header=False,
        )
    )
    gc.freeze()
    gc.enable()
    typer.echo(
        f"upshot listens on http://{settings.host}:{listener.getsockname()[1]}  (data: {settings.data})", err=True
    )
    # uvicorn raises the signal again once it has stopped; a clean stop is a success.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(1)


def otlp_grpc_address(settings: settings_table.Settings) -> str | None:
    """Return where to take OTLP over gRPC, or None.

    The default port is often a collector's already: then the server does without, and says so; raises TransientError
    for a port that was asked for.
    """
    host, port = settings.host, settings.otlp_grpc_port
    if port == 0:
        return None
    try:
        listen(host, port, "--otlp-grpc-port, or 0 for none").close()
    except TransientError as error:
        if "otlp_grpc_port" in settings.asked:
            raise
        typer.echo(f"no OTLP over gRPC: {error.message} (give another --otlp-grpc-port)", err=True)
        return None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(host: str, port: int, another: str = "--port, or 0 for a free one") -> socket.socket:
    """Return a bound socket; raises TransientError when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise TransientError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint=f"give another {another}"
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener
