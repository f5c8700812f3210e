"""The two transports, sync and async: send a call, try again where that is safe, hand back the whole answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from upshot._call import Answer, Call, Question, checked
from upshot._errors import BusyError, Error, UnreachableError
from upshot._result import is_arrow, room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from upshot._settings import Settings

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds; the bound on a pause doubles from the first with every try."""

LONGEST_ASKED_PAUSE = 60.0
"""A server that asks to wait for longer is not waited for."""


def pause(error: Error, tried: int, retries: int) -> float | None:
    """Return the seconds to wait before the next try; None when there is to be none.

    Tried again is what never reached the server or broke off, and what it refused for now. A server that is late is
    not asked twice: it may still be at work. The pause is what the server asks for, else exponential with full jitter
    (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """
    again = isinstance(error, BusyError) or (isinstance(error, UnreachableError) and not error.timed_out)
    if not again or tried > retries:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_ASKED_PAUSE else None
    return random.uniform(0, min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE))  # noqa: S311 - no secret


class _Body:
    """Takes the pieces of a body into one buffer of the announced length."""

    def __init__(self, headers: httpx.Headers) -> None:
        announced = headers.get("content-length", "")
        length = int(announced) if announced.isdigit() and "content-encoding" not in headers else 0
        self._buffer = room(length) if is_arrow(headers) else bytearray(length)
        self._filled = 0

    def add(self, piece: bytes) -> None:
        end = self._filled + len(piece)
        self._buffer[self._filled : end] = piece
        self._filled = end

    def whole(self) -> bytearray | memoryview:
        return self._buffer[: self._filled] if self._filled < len(self._buffer) else self._buffer


class _Reach:
    """Turns what the HTTP library raises into UnreachableError."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
            raise UnreachableError(
                f"the server at {self._url} did not answer in time", hint="give a larger timeout", timed_out=True
            ) from error
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            raise UnreachableError(
                f"no server answers at {self._url}: {error or type(error).__name__}",
                hint="start one with `upshot serve`, or set UPSHOT_URL to its address",
            ) from error
        if isinstance(error, httpx.HTTPError | httpx.StreamError):
            raise UnreachableError(
                f"the connection to {self._url} broke before the answer was whole: {error or type(error).__name__}"
            ) from error


def _options(settings: Settings) -> dict[str, Any]:
    headers = {"User-Agent": "upshot-python"}
    if settings.key:
        headers["Authorization"] = f"Bearer {settings.key}"
    # A proxy that the environment names is for the outside.
    return {"base_url": settings.url, "headers": headers, "follow_redirects": False, "trust_env": not settings.local}


def _request(http: httpx.Client | httpx.AsyncClient, call: Call, settings: Settings) -> httpx.Request:
    return http.build_request(
        call.method,
        call.path,
        params=call.params or None,
        content=call.body,
        headers=dict(call.headers),
        timeout=settings.seconds(call.patience),
    )


class Transport:
    """Sends calls from any thread, over connections that are kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._http = httpx.Client(**_options(settings))

    def ask(self, question: Question[T]) -> T:
        """Return the value of an answer; raises Error."""
        return question.read(self._answer(question.call))

    def _answer(self, call: Call) -> Answer:
        for tried in range(1, self.settings.retries + 2):
            try:
                with self.opened(call) as response:
                    body = _Body(response.headers)
                    for piece in response.iter_bytes():
                        body.add(piece)
                    return checked(Answer(response.status_code, response.headers, body.whole()), call)
            except Error as error:
                seconds = pause(error, tried, self.settings.retries)
                if seconds is None:
                    raise
            time.sleep(seconds)
        raise AssertionError  # the last try raises or returns

    @contextlib.contextmanager
    def opened(self, call: Call) -> Iterator[httpx.Response]:
        """Send a call once and hold its answer open."""
        with _Reach(self.settings):
            response = self._http.send(_request(self._http, call, self.settings), stream=True)
            with contextlib.closing(response):
                yield response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncTransport:
    """Sends calls from one event loop of asyncio, over connections that are kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._http = httpx.AsyncClient(**_options(settings))

    async def ask(self, question: Question[T]) -> T:
        """Return the value of an answer; raises Error."""
        return question.read(await self._answer(question.call))

    async def _answer(self, call: Call) -> Answer:
        for tried in range(1, self.settings.retries + 2):
            try:
                async with self.opened(call) as response:
                    body = _Body(response.headers)
                    async for piece in response.aiter_bytes():
                        body.add(piece)
                    return checked(Answer(response.status_code, response.headers, body.whole()), call)
            except Error as error:
                seconds = pause(error, tried, self.settings.retries)
                if seconds is None:
                    raise
            await asyncio.sleep(seconds)
        raise AssertionError  # the last try raises or returns

    @contextlib.asynccontextmanager
    async def opened(self, call: Call) -> AsyncIterator[httpx.Response]:
        """Send a call once and hold its answer open."""
        with _Reach(self.settings):
            response = await self._http.send(_request(self._http, call, self.settings), stream=True)
            async with contextlib.aclosing(response):
                yield response

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
