"""What was said, out of the inputs and outputs of runs: turns of a conversation where their shape is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.pages.body import Body

_SPOKEN = (
    "text",
    "content",
    "message",
    "reply",
    "answer",
    "output",
    "input",
    "prompt",
    "question",
    "completion",
    "query",
)
"""Fields whose text is what was said, where an object has one of them and nothing else that is long."""
_LISTS = ("messages", "input", "output", "choices")
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system"}
MOST_TURNS = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that somebody said."""

    role: str
    text: str


def turns(payload: Body | None, role: str) -> list[Turn]:
    """Return what a payload says, as turns; empty where its shape is not known, or it is cut and so no JSON.

    Known are: a text; an object whose one text is named as such; lists of messages as chat APIs write them, with
    `role` and `content` (a text, or parts with `text`), also below `messages`, `input` or `choices`.

    Args:
        payload: `Payload` of the drill-down: `text` and `length`.
        role: who says what has no role of its own.
    """
    if not payload:
        return []
    text = str(payload.get("text") or "")
    if not text.lstrip().startswith(("{", "[", '"')):
        return [Turn(role, text)] if text.strip() and payload.get("length") == len(text) else []
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return []
    return _turns(found, role)[:MOST_TURNS]


def _turns(found: Any, role: str) -> list[Turn]:
    if isinstance(found, str):
        return [Turn(role, found)] if found.strip() else []
    if isinstance(found, list):
        return _messages(cast("list[Any]", found))
    if not isinstance(found, dict):
        return []
    body = cast("dict[str, Any]", found)
    for name in _LISTS:
        if isinstance(body.get(name), list) and (said := _messages(body[name])):
            return said
    if said := _message(body):
        return [said]
    spoken = [name for name in _SPOKEN if isinstance(body.get(name), str) and body[name].strip()]
    return [Turn(role, body[spoken[0]])] if len(spoken) == 1 and _is_short(body, spoken[0]) else []


def _is_short(body: dict[str, Any], spoken: str) -> bool:
    """Return whether the rest of an object is small beside its text: only then the text stands for it."""
    return len(msgspec.json.encode({name: value for name, value in body.items() if name != spoken})) <= 200  # noqa: PLR2004


def _messages(found: Iterable[Any]) -> list[Turn]:
    """Return the messages of a list; empty when one of them is none."""
    made: list[Turn] = []
    for one in found:
        said = _message(one)
        if said is None:
            return []
        made.append(said)
    return made


def _message(found: Any) -> Turn | None:
    if not isinstance(found, dict):
        return None
    body = cast("dict[str, Any]", found)
    if isinstance(body.get("message"), dict):
        body = cast("dict[str, Any]", body["message"])
    role = body.get("role") or body.get("type")
    content = body.get("content", body.get("parts"))
    if not isinstance(role, str):
        return None
    text = _content(content)
    return None if text is None else Turn(_ROLES.get(role, role), text)


def _content(content: Any) -> str | None:
    """Return the text of a message's content: a text, or the texts of its parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    return "\n".join(text for part in cast("list[Any]", content) if (text := _part(part))) or None


def _part(part: Any) -> str:
    if isinstance(part, dict):
        body = cast("dict[str, Any]", part)
        part = body.get("text") or body.get("content")
    return part if isinstance(part, str) else ""
