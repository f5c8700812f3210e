"""The pages of who reads: signing in, and the saved queries and settings of a workspace."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from api.pages.render import PAGES
from warehouse.clock import iso
from warehouse.keys import RIGHTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.pages.body import Body
    from api.pages.frame import Frame
    from warehouse.keys import KeyEntry


def sign_in(frame: Frame, wanted: str, *, closed: bool, problem: str | None = None) -> str:
    """Return the page that asks for a key.

    Args:
        frame: without a reader.
        wanted: the path to go on to.
        closed: a key was ever made, so one is needed.
        problem: what was wrong with the key given before.
    """
    return PAGES.get_template("sign_in.html").render(frame=frame, next=wanted, closed=closed, problem=problem)


def settings(
    frame: Frame,
    facts: Sequence[tuple[str, str, str]] = (),
    days: Mapping[str, int] | None = None,
    keys: Sequence[KeyEntry] | None = None,
    more: Mapping[str, Any] | None = None,
) -> str:
    """Return the page of what is set, and of who may do what.

    Args:
        frame: of the reader.
        facts: name, value and meaning of what the server runs with.
        days: table -> days it keeps; what is not named is kept for ever.
        keys: all keys of the reader's workspace; None without the right `admin`.
        more: `made`: a key that was just made; `opened`: it was the first; `problem`: what was wrong.
    """
    shown = [{"entry": key, "used": _day(key.used), "created": iso(key.created_at)} for key in keys or ()]
    return PAGES.get_template("settings.html").render(
        frame=frame, facts=facts, days=days, keys=None if keys is None else shown, all_rights=RIGHTS, **(more or {})
    )


def _day(days: int | None) -> str | None:
    return None if days is None else (dt.date(1970, 1, 1) + dt.timedelta(days=days)).isoformat()


def saved_queries(frame: Frame, saved: Sequence[Body]) -> str:
    """Return the list of saved queries, each as `GET /v1/queries` shows it."""
    return PAGES.get_template("queries.html").render(frame=frame, saved=saved, editor_path=_editor_path)


def _editor_path(name: str) -> str:
    return f"/sql?{urlencode({'saved': name})}"
