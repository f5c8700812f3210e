"""`upshot serve`: the server."""

from __future__ import annotations

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


def serve(
    data: Annotated[Path | None, typer.Option(help="Folder that holds everything; made when missing.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of HTTP; 0 takes a free one.")] = None,
    otlp_grpc_port: Annotated[int | None, typer.Option(help="Port of OTLP over gRPC (not served yet).")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Run the server: take records, seal them, answer queries. Stops cleanly at SIGTERM or Ctrl+C."""
    import uvicorn  # noqa: PLC0415 - the other commands start faster without

    from api.app import create_app  # noqa: PLC0415
    from api.services import Services  # noqa: PLC0415
    from warehouse.logs import set_up_logs  # noqa: PLC0415

    given = {"data": data, "host": host, "port": port, "otlp_grpc_port": otlp_grpc_port, "log_level": log_level}
    settings = settings_table.load(given)
    set_up_logs(settings.log_level)
    services = Services(settings)
    listener = listen(settings.host, settings.port)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(services, request_log=settings.request_log),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            server_header=False,
        )
    )
    typer.echo(
        f"upshot listens on http://{settings.host}:{listener.getsockname()[1]}  (data: {settings.data})", err=True
    )
    # uvicorn raises the signal again once it has stopped; a clean stop is a success.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(1)


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; raises TransientError when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise TransientError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="give another --port, or 0 for a free one"
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener
