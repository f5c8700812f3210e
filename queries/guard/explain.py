"""DuckDB's exception text -> a QueryError a caller may see: coded, placed, without paths and internal names."""

from __future__ import annotations

import re
import unicodedata

from queries.guard.names import folded
from warehouse.errors import QueryError
from warehouse.schema import FILE, TABLE

_EXCERPT = re.compile(r"\n*^LINE (?P<line>\d+): (?P<text>.*)\n(?P<caret> *\^+)?[^\n]*", re.MULTILINE)
_KIND = re.compile(r"^(?P<kind>[A-Za-z]+(?: [A-Za-z]+){0,4}?) (?:Error|Exception): ")
_QUOTED = re.compile(r'"([^"\n]+)"')
_SUGGESTION = re.compile(r"\n*(?:Candidate (?:bindings|tables|functions|macros)|Did you mean)\b.*", re.DOTALL)
_SETTING = re.compile(r"(?:,? or|\. Use) SET \w+ ?=.*?(?=\.(?:\s|$)|$)")
_PATH = re.compile(r"""["']?(?:\b[a-z][a-z0-9+]+:/)?(?:/[\w.=@%+*-]+){2,}/?["']?""", re.IGNORECASE)
_INTERNAL = re.compile(r'"?\binternal\b"?\."?(?:hot_|hidden_)?(\w+)"?', re.IGNORECASE)
_PHYSICAL = re.compile(
    rf'"?\b(?:(?:hot|hidden)_(?:{"|".join(FILE)})|sealed_hidden|staged_files|staged_hidden)\b"?', re.IGNORECASE
)
_OUTER_NAMES = re.compile(r'"?\b(?:memory|system|temp)\b"?\.(?=["\w])')

_CODES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^Parser\b"), "syntax"),
    (
        re.compile(r"^Out of Memory\b|failed to (?:allocate|offload|pin)|max_temp_directory_size", re.IGNORECASE),
        "memory_limit",
    ),
    (re.compile(r"^INTERRUPT\b|^Interrupt|max_execution_time|timed? ?out", re.IGNORECASE), "timeout"),
    (
        re.compile(
            r"parameters?\b.*(?:not provided|mismatch)|not provided .*parameter|number of parameters", re.IGNORECASE
        ),
        "bad_parameter",
    ),
    (re.compile(r"^Catalog Error: (?:Table|View)\b.*does not exist"), "unknown_table"),
    (re.compile(r"^Catalog Error: .*(?:Function|Macro)\b.*does not exist"), "refused_function"),
    (
        re.compile(
            r"^Binder Error: (?:Referenced column|Referenced table"
            r"|(?:Table|Values list|Alias)\b.*does not have a column|Could not find column"
            r"|Column\b.*(?:not found|does not exist)|No matching columns found|.*could not be found)"
        ),
        "unknown_column",
    ),
)

UNSAID = "the engine could not finish the query"
"""What a caller is told of an error that speaks of the machine; the whole is for the server's log."""

_HIDDEN_KINDS = (
    "INTERNAL",
    "FATAL",
    "IO",
    "Permission",
    "HTTP",
    "Serialization",
    "Dependency",
    "Settings",
    "Connection",
)
"""Kinds whose text speaks of the machine, not of the question."""

_MAX_MESSAGE = 500
_MAX_SUGGESTIONS = 5


def engine_error(message: str, sql: str | None = None) -> QueryError:
    """Return the QueryError for DuckDB's exception text `message`.

    Args:
        message: `str` of the exception.
        sql: the text that ran; with it a column can be told even where DuckDB shortened its excerpt.
    """
    code = next((code for pattern, code in _CODES if pattern.search(message)), "engine_error")
    line, col = _place(message, sql)
    kind = _KIND.match(message)
    if code == "memory_limit":
        text, hint = "the query needs more memory than it may have", "read fewer days or columns, or aggregate earlier"
    elif code == "timeout":
        text, hint = "the query took too long", "read fewer days or columns, or aggregate earlier"
    elif kind and kind["kind"].startswith(_HIDDEN_KINDS):
        text, hint = UNSAID, None
    else:
        text, hint = _text(message), _hint(message, code)
    return QueryError(text, code=code, hint=hint, line=line, col=col)


def _text(message: str) -> str:
    """Return the first sentence of the message without its kind, excerpt, suggestions and inner names."""
    text = _SUGGESTION.sub("", _EXCERPT.sub("", message))
    text = _KIND.sub("", text, count=1)
    text = _clean(_SETTING.sub("", " ".join(text.split())))[:_MAX_MESSAGE].rstrip("! ")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _clean(text: str) -> str:
    text = _INTERNAL.sub(lambda found: found[1] if folded(found[1]) in TABLE else "(internal)", text)
    text = _PHYSICAL.sub("(internal)", text)
    text = _OUTER_NAMES.sub("", text)
    return _PATH.sub("(path)", text)


def _hint(message: str, code: str) -> str | None:
    """Return what DuckDB thinks was meant, as far as it is public."""
    suggestion = _SUGGESTION.search(_EXCERPT.sub("", message))
    if suggestion is None or code not in {"unknown_column", "unknown_table"}:
        return None
    names = [name.rsplit(".", 1)[-1] for name in _QUOTED.findall(suggestion[0])]
    if code == "unknown_table":
        names = [name for name in names if folded(name) in TABLE]
    public = [name for name in dict.fromkeys(names) if not name.startswith("_") and name == _clean(name)]
    return f"did you mean {', '.join(public[:_MAX_SUGGESTIONS])}?" if public else None


def _characters(text: str, columns: int) -> int:
    """Return how many characters take this many columns of a terminal, in which DuckDB places its caret."""
    at = 0
    while columns > 0 and at < len(text):
        wide = unicodedata.east_asian_width(text[at]) in "WF"
        columns -= 0 if unicodedata.combining(text[at]) else 2 if wide else 1
        at += 1
    return at + columns


def _place(message: str, sql: str | None) -> tuple[int | None, int | None]:
    """Return line and column from `LINE n: ...` and the caret below it; an excerpt may be cut at both ends."""
    found = _EXCERPT.search(message)
    if found is None:
        return None, None
    line = int(found["line"])
    if found["caret"] is None:
        return line, None
    shown_text = found["text"]
    column = _characters(shown_text, found["caret"].index("^") - len(f"LINE {line}: "))
    if not shown_text.startswith("..."):
        return line, column + 1
    if sql is None:
        return line, None
    lines = sql.split("\n")
    excerpt = shown_text.removeprefix("...").removesuffix("...")
    start = lines[line - 1].find(excerpt) if line <= len(lines) else -1
    return line, None if start < 0 else start + column - len("...") + 1
