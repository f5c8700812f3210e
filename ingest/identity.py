"""Ids of scores and deferrals whose writers gave none: made of what they are about, readable, no two alike."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"[%/@]")


def is_plain(text: str) -> bool:
    """Return whether text stands in an id as it is."""
    return "/" not in text and "%" not in text and "@" not in text


def escaped(text: str) -> str:
    """Return text as one part of an id: without `/`, which separates parts, and `@`, which begins ids of no run."""
    return text if is_plain(text) else _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", text)


def score_id(
    name: str,
    *,
    run_id: str | None = None,
    step_id: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    session: tuple[str, str] | None = None,
) -> str:
    """Return the id of the score of a target and name; two of them are equal only when target and name are.

    `RUN/NAME`, with `/step/STEP` and `/trace/TRACE` or `/span/TRACE/SPAN` between when the target is within the run;
    else `@trace/TRACE/NAME`, `@trace/TRACE/SPAN/NAME` or `@session/KEY/ID/NAME`. Number and words of the parts tell
    which. An id on a run begins with the run's, and so has its partition day.
    """
    if session is not None:
        return f"@session/{escaped(session[0])}/{escaped(session[1])}/{escaped(name)}"
    if run_id is None:
        span = "" if span_id is None else f"{escaped(span_id)}/"
        return f"@trace/{escaped(trace_id or '')}/{span}{escaped(name)}"
    if step_id is None and trace_id is None:
        return f"{escaped(run_id)}/{escaped(name)}"
    step = "" if step_id is None else f"step/{escaped(step_id)}/"
    within = ""
    if trace_id is not None:
        trace = escaped(trace_id)
        within = f"trace/{trace}/" if span_id is None else f"span/{trace}/{escaped(span_id)}/"
    return f"{escaped(run_id)}/{step}{within}{escaped(name)}"


def deferral_id(run_id: str, scorer_id: str) -> str:
    """Return the id of the one deferral that a scorer has of a run."""
    return f"{escaped(run_id)}/{escaped(scorer_id)}"
