"""The command line's side of the HTTP API: one client, and errors as the server meant them."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import typer

from warehouse.errors import QueryError, TransientError, UpshotError

DEFAULT_URL = "http://127.0.0.1:8787"

UrlOption = Annotated[
    str | None, typer.Option(envvar="UPSHOT_URL", help=f"Address of the server; {DEFAULT_URL} when not given.")
]
KeyOption = Annotated[
    str | None, typer.Option(envvar="UPSHOT_API_KEY", help="The key to send; none is needed on a fresh loopback.")
]

TIMEOUT = httpx.Timeout(70.0, connect=5.0)
RETRYABLE = frozenset({429, 503})


class Remote:
    """A server, asked over HTTP."""

    def __init__(self, url: str | None, key: str | None) -> None:
        self.url = (url or DEFAULT_URL).rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A proxy that the environment names is for the outside; loopback is never asked through it.
        local = httpx.URL(self.url).host in ("127.0.0.1", "localhost", "::1")
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=not local)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return the answer of one request.

        Raises:
            UpshotError: the server's own error, or `unavailable` when it cannot be reached.
        """
        try:
            response = self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise TransientError(
                f"no server answers at {self.url}: {error}",
                hint="start one with `upshot serve`, name it with --url, or work offline with --data",
            ) from error
        if response.status_code in RETRYABLE:
            raise TransientError(
                _fact(response, "message"),
                code=_fact(response, "code"),
                retry_after=int(response.headers.get("retry-after", "1")),
            )
        return response

    def checked(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a successful answer; raises the error the server answered otherwise."""
        response = self.call(method, path, **options)
        if response.is_error:
            raise failure(response)
        return response


def _fact(response: httpx.Response, name: str) -> str:
    try:
        return str(response.json()["error"][name])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code}" if name == "message" else "unavailable"


def failure(response: httpx.Response) -> UpshotError:
    """Return the error a server answered."""
    try:
        facts: dict[str, Any] = response.json()["error"]
        code, message = str(facts["code"]), str(facts["message"])
    except (ValueError, KeyError, TypeError):
        return TransientError(f"the server answered {response.status_code}, not as upshot would")
    return QueryError(
        message,
        code=code,
        hint=facts.get("hint"),
        line=facts.get("line"),
        col=facts.get("col"),
        length=facts.get("length"),
    )
