"""SQL text -> tokens: one linear pass that knows where quotes, comments and brackets begin and end, and no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*+)
    | (?P<block>/\*)
    | (?P<text>
          [eE]'(?:[^'\\]|\\.|'')*+' | '(?:[^']|'')*+' | "(?:[^"]|"")*+"
        | \$(?P<tag>(?:[^\W\d]\w*+)?)\$.*?\$(?P=tag)\$
      )
    | (?P<unclosed>[eE]?'|"|\$(?:[^\W\d]\w*+)?\$)
    | (?P<word>[^\W\d]\w*+)
    | (?P<number>\d[\w.]*+)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | (?P<postfix>::|\.)
    | (?P<comma>,)
    | (?P<end>;)
    | (?P<operator>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """A piece of a text: what it is, how it is written, and where it begins (in characters)."""

    kind: str
    """text, unclosed, word, number, open, close, postfix, comma, end, operator."""
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.start + len(self.text)


def tokens(sql: str) -> Iterator[Token]:
    """Yield the tokens of `sql` without white space and comments; `unclosed` is a quote or comment without its end."""
    offset = 0
    while found := _TOKEN.match(sql, offset):
        kind = str(found.lastgroup)
        offset = found.end()
        if kind == "block":
            offset = _after_comment(sql, found.start())
            if not offset:
                yield Token("unclosed", found[0], found.start())
                return
        elif kind not in {"space", "comment"}:
            yield Token(kind, found[0], found.start())


def _after_comment(sql: str, start: int) -> int:
    """Return the offset after the block comment at `start`, 0 when it never ends; block comments nest."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    return 0
