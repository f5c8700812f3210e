"""Objects of an answer: read-only, a field by its name or as an attribute; and lists over all their pages."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from upshot._call import Answer, Call, Question, body_of, get

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from upshot._transport import AsyncTransport, Transport

PAGE_ROWS = 200
"""Rows of a page where the caller does not ask for fewer."""


class Fields(Mapping[str, Any]):
    """An object of an answer: `run["status"]` is `run.status`. Objects within are `Fields`, lists are tuples.

    A field named as a method of mappings (`keys`, `values`, `items`, `get`) is had by its name only. What fields there
    are stands in the server's OpenAPI document.
    """

    __slots__ = ("_body",)
    _body: Mapping[str, Any]

    def __init__(self, body: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_body", body)

    def __getitem__(self, name: str) -> Any:
        """Return a field; raises KeyError."""
        return _seen(self._body[name])

    def __getattr__(self, name: str) -> Any:
        """Return a field; raises AttributeError."""
        if name in self._body:
            return self[name]
        near = difflib.get_close_matches(name, self._body, n=1)
        raise AttributeError(f"there is no field {name!r}{f', did you mean {near[0]!r}?' if near else ''}")

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: answers are read-only."""
        raise AttributeError(f"{name!r} cannot be set: an answer is read-only")

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._body)

    def __len__(self) -> int:
        """Return how many fields there are."""
        return len(self._body)

    def __dir__(self) -> list[str]:
        """Return what can be written after a dot."""
        return [*super().__dir__(), *(name for name in self._body if name.isidentifier())]

    def __repr__(self) -> str:
        """Return the fields."""
        return f"Fields({dict(self._body)!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as the JSON that was answered; not to be changed."""
        return dict(self._body)


def _seen(value: Any) -> Any:
    if isinstance(value, dict):
        return Fields(cast("dict[str, Any]", value))
    if isinstance(value, list):
        return tuple(_seen(item) for item in cast("list[Any]", value))
    return value


def fields(answer: Answer) -> Fields:
    """Return the object of an answer."""
    return Fields(body_of(answer))


def asked(call: Call) -> Question[Fields]:
    """Return a question whose answer is one object."""
    return Question(call, fields)


def listed(call: Call, name: str) -> Question[tuple[Fields, ...]]:
    """Return a question whose answer has one list."""
    return Question(call, lambda answer: fields(answer)[name])


class _Listing:
    """A list that is answered a page at a time."""

    def __init__(self, path: str, name: str, params: Mapping[str, Any], limit: int | None) -> None:
        self._path = path
        self._name = name
        self._params = params
        self._limit = limit

    def _asked(self, cursor: str | None) -> Question[Fields]:
        rows = PAGE_ROWS if self._limit is None else min(self._limit, PAGE_ROWS)
        return asked(get(self._path, {**self._params, "limit": rows, "cursor": cursor}, patience=120))

    def _taken(self, page: Fields, left: int | None) -> tuple[tuple[Fields, ...], int | None, str | None]:
        """Return what a page adds, how many more are wanted, and the cursor of the next; None: it was the last."""
        rows: tuple[Fields, ...] = page[self._name][:left]
        rest = None if left is None else left - len(rows)
        return rows, rest, None if rest == 0 else page["next"]


class Pages(_Listing):
    """A list over all its pages, each asked for when the walk comes to it."""

    def __init__(
        self, transport: Transport, path: str, name: str, params: Mapping[str, Any], limit: int | None
    ) -> None:
        super().__init__(path, name, params, limit)
        self._transport = transport

    def page(self, cursor: str | None = None) -> Fields:
        """Return one page as the server answers it, with the cursor of the following in `next`; raises Error."""
        return self._transport.ask(self._asked(cursor))

    def __iter__(self) -> Iterator[Fields]:
        """Yield all of it, or as many as `limit` says; raises Error when a page cannot be had."""
        cursor, left = None, self._limit
        while True:
            rows, left, cursor = self._taken(self.page(cursor), left)
            yield from rows
            if cursor is None:
                return


class AsyncPages(_Listing):
    """A list over all its pages, each asked for when the walk comes to it."""

    def __init__(
        self, transport: AsyncTransport, path: str, name: str, params: Mapping[str, Any], limit: int | None
    ) -> None:
        super().__init__(path, name, params, limit)
        self._transport = transport

    async def page(self, cursor: str | None = None) -> Fields:
        """Return one page as the server answers it, with the cursor of the following in `next`; raises Error."""
        return await self._transport.ask(self._asked(cursor))

    async def __aiter__(self) -> AsyncIterator[Fields]:
        """Yield all of it, or as many as `limit` says; raises Error when a page cannot be had."""
        cursor, left = None, self._limit
        while True:
            rows, left, cursor = self._taken(await self.page(cursor), left)
            for row in rows:
                yield row
            if cursor is None:
                return
