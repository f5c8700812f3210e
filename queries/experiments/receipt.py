"""The receipt of a report: enough to compute it again, and to see that nobody changed it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from warehouse.errors import InputError, shown
from warehouse.options import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def content_hash(made: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a report's canonical JSON (keys sorted, no spaces), without its hash and snapshot."""
    receipt = {key: value for key, value in made["receipt"].items() if key != "hash"}
    bare = {**made, "snapshot": None, "receipt": receipt}
    canonical = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def read(text: str) -> dict[str, Any]:
    """Return a report that was saved as JSON, after looking that it is whole and unchanged.

    Raises:
        InputError: it is no report, or its content does not match its hash.
    """
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise InputError(f"the receipt is no JSON: {error}", hint="save a report with --format json") from error
    made = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    receipt = cast("dict[str, Any] | None", made.get("receipt"))
    wanted: dict[str, type] = {"sql": list, "request": dict, "now": str, "queries": dict, "hash": str}
    if not isinstance(receipt, dict) or not isinstance(made.get("experiment"), str):
        raise InputError("the file holds no report of an experiment", hint="save a report with --format json")
    for key, kind in wanted.items():
        if not isinstance(receipt.get(key), kind):
            raise InputError(f"the report's receipt has no {shown(key)}", hint="save a report with --format json")
    if (found_hash := content_hash(made)) != receipt["hash"]:
        raise InputError(
            f"the report was changed after it was made: its content has the hash {found_hash[:12]}…, "
            f"its receipt says {receipt['hash'][:12]}…"
        )
    return made


def made_at(made: Mapping[str, Any]) -> int:
    """Return when a report was made; microseconds since 1970."""
    return moment("receipt.now", made["receipt"]["now"])


def differing(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two reports differ, the receipt's own hash and the snapshot excepted: path and both values."""
    if path in ("receipt.hash", "snapshot"):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        for key in dict.fromkeys([*first, *second]):
            yield from differing(first.get(key), second.get(key), f"{path}.{key}" if path else key)
    elif isinstance(one, list) and isinstance(other, list):
        ours, theirs = cast("list[Any]", one), cast("list[Any]", other)
        if len(ours) != len(theirs):
            yield f"{path}.length", len(ours), len(theirs)
        for at in range(min(len(ours), len(theirs))):
            yield from differing(ours[at], theirs[at], f"{path}[{at}]")
    elif one != other:
        yield path, one, other
