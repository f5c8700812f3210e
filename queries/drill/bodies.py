"""The bodies of the drill-down: what its JSON routes answer and its pages show.

Times are ISO 8601 with Z, durations milliseconds, costs US dollars. A number that is not known is null. Tokens and
costs are of the model calls that count (the view `model_calls`): a wrapper that repeats its calls' usage does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queries.documented import Documented


@dataclass(frozen=True, slots=True)
class Payload(Documented):
    """A text that may be long: JSON as text, or words."""

    text: str
    """Its beginning; the whole when it has `length` characters."""
    length: int
    """Characters of the whole."""


@dataclass(frozen=True, slots=True)
class ScoreMean(Documented):
    """The scores of one name that belong to one thing."""

    name: str
    n: int
    """How many scores have a value; when none has one, how many there are."""
    mean: float | None
    """Mean of their values; null when all are labels."""
    label: str | None
    """The newest label."""


@dataclass(frozen=True, slots=True)
class Usage(Documented):
    """What the model calls came to."""

    calls: int
    input_tokens: int | str | None
    """Tokens in, cached ones included."""
    output_tokens: int | str | None
    """Tokens out, reasoning included."""
    cost_usd: float | None
    """Cost of the calls whose cost is known."""
    priced_calls: int
    """Calls whose cost is known."""


@dataclass(frozen=True, slots=True)
class Pair(Documented):
    """A session."""

    key: str
    id: str


@dataclass(frozen=True, slots=True)
class Assigned(Documented):
    """A variant that a run was given."""

    experiment: str
    variant: str | None


@dataclass(frozen=True, slots=True)
class RunRow(Documented):
    """A run in a list. Of a run that is only spoken of (by a score, say) there is only the id: its fields are null."""

    id: str
    app_id: str | None
    function_id: str | None
    status: str | None
    """Queued, Running, Completed, Failed or Cancelled; null when no record of the run came."""
    environment: str | None
    release: str | None
    user_id: str | None
    trace_id: str | None
    parent_run_id: str | None
    triggering_event_name: str | None
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_ms: float | None
    """From start to end."""
    error: Payload | None
    scores: list[ScoreMean]
    """Its run-level scores, by name."""
    assignments: list[Assigned]
    """Its variant in each experiment."""
    usage: Usage


@dataclass(frozen=True, slots=True)
class Runs(Documented):
    """Answer of `GET /v1/runs`: one page."""

    runs: list[RunRow]
    next: str | None
    """The cursor of the next page; null at the end."""


@dataclass(frozen=True, slots=True)
class SessionKey(Documented):
    """A kind of session."""

    key: str
    runs: int
    """Runs that joined a session of that key by themselves or by a score."""


@dataclass(frozen=True, slots=True)
class SessionRow(Documented):
    """A session in a list. Its numbers are of the whole session, whatever was asked for."""

    key: str
    id: str
    active_at: str
    """When something last came to it: a run that joined it, an event, a score. The list is in this order."""
    run_count: int
    failed_run_count: int
    first_at: str | None
    """When its first run was."""
    last_at: str | None
    """When its last run was over, or began."""
    scores: list[ScoreMean]
    """The scores of its runs and its own, by name."""
    assignments: list[Assigned]
    """The variants that its runs met."""
    usage: Usage


@dataclass(frozen=True, slots=True)
class Sessions(Documented):
    """Answer of `GET /v1/sessions`: one page."""

    keys: list[SessionKey] | None
    """The 1,000 most frequent keys; null on pages after the first."""
    sessions: list[SessionRow]
    next: str | None
    """The cursor of the next page; null at the end."""


@dataclass(frozen=True, slots=True)
class TimelineRun(Documented):
    """A run of a session."""

    at: str | None
    """When it was asked for, began, or was first known to be in the session."""
    run: RunRow
    input: Payload | None
    output: Payload | None


@dataclass(frozen=True, slots=True)
class Session(Documented):
    """Answer of `GET /v1/sessions/{key}/{id}`: the whole session in numbers, and a page of its runs in order."""

    session: SessionRow
    own_scores: list[Score]
    """Scores on the session itself, the newest 1,000."""
    event_count: int
    """Events that name the session."""
    runs: list[TimelineRun]
    next: str | None
    """The cursor of the next page of runs; null at the end."""


@dataclass(frozen=True, slots=True)
class Score(Documented):
    """One current score."""

    id: str
    name: str
    kind: str | None
    value: float | None
    label: str | None
    step_id: str | None
    trace_id: str | None
    span_id: str | None
    experiment: str | None
    variant: str | None
    ts: str | None
    """When it happened."""
    received_at: str | None
    """When we learned it."""
    source: str | None
    scorer_id: str | None
    comment: str | None
    """The reason in words, its first 2,000 characters."""


@dataclass(frozen=True, slots=True)
class Attempt(Documented):
    """One try of a step."""

    attempt: int | None
    status: str | None
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_ms: float | None
    input: Payload | None
    output: Payload | None
    error: Payload | None


@dataclass(frozen=True, slots=True)
class Step(Documented):
    """A step with its attempts; one repetition of a loop is a step of its own."""

    id: str
    loop_index: int | None
    name: str | None
    type: str | None
    status: str | None
    """Of the newest attempt."""
    start_offset_ms: float | None
    """From the run's first moment to its first attempt's."""
    attempts: list[Attempt]
    scores: list[Score]


@dataclass(frozen=True, slots=True)
class SpanRow(Documented):
    """A span in the order in which a tree is drawn: a parent before its children, these by their start."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    """As sent; it may name a span that is not here."""
    depth: int
    """0 for a root, and for what has none."""
    place: str
    """`child` or `root`; `orphan`: its parent is not here; `cycle`: its parents lead back to it."""
    start_offset_ms: float | None
    """From the beginning of what is shown."""
    duration_ms: float | None
    type: str | None
    name: str | None
    status: str | None
    """UNSET, OK or ERROR."""
    status_message: str | None
    run_id: str | None
    step_id: str | None
    model: str | None
    """The model that answered, else the one that was asked for."""
    tool_name: str | None
    input_tokens: int | str | None
    output_tokens: int | str | None
    cost_usd: float | None
    counts: bool
    """A model call that counts in totals."""
    scores: list[Score]


@dataclass(frozen=True, slots=True)
class ModelCall(Documented):
    """A model call that counts."""

    trace_id: str
    span_id: str
    step_id: str | None
    provider: str | None
    model: str | None
    start_time: str | None
    duration_ms: float | None
    status: str | None
    input_tokens: int | str | None
    output_tokens: int | str | None
    cost_usd: float | None
    cost_source: str | None
    ttft_ms: float | None
    """Time to the first token."""
    finish_reason: str | None


@dataclass(frozen=True, slots=True)
class Metadata(Documented):
    """A metadata record."""

    level: str | None
    step_id: str | None
    span_id: str | None
    kind: str | None
    values: Payload | None
    updated_at: str | None


@dataclass(frozen=True, slots=True)
class Deferral(Documented):
    """An outcome that is waited for, or was."""

    id: str
    scorer_id: str | None
    status: str | None
    experiment: str | None
    variant: str | None
    created_at: str | None
    deadline: str | None
    event_id: str | None
    score_id: str | None
    resolved_at: str | None


@dataclass(frozen=True, slots=True)
class Event(Documented):
    """An event that started a run; of one that never came there is only the id."""

    id: str
    name: str | None
    ts: str | None
    data: Payload | None


@dataclass(frozen=True, slots=True)
class Relative(Documented):
    """A run that invoked this one, or that this one invoked."""

    id: str
    function_id: str | None
    status: str | None
    started_at: str | None
    duration_ms: float | None


@dataclass(frozen=True, slots=True)
class Run(Documented):
    """Answer of `GET /v1/runs/{id}`: one run with everything that is known of it."""

    run: RunRow
    event_ids: list[str]
    attributes: Payload | None
    input: Payload | None
    output: Payload | None
    received_at: str | None
    sessions: list[Pair]
    scores: list[Score]
    """Scores on the run itself, the newest first; those on steps and spans stand there."""
    scores_truncated: bool
    steps: list[Step]
    """In the order in which they began."""
    steps_truncated: bool
    spans: list[SpanRow]
    spans_truncated: bool
    """More spans follow: ask again with `cursor` = `next`."""
    next: str | None
    """The cursor of the next spans; null at the end."""
    model_calls: list[ModelCall]
    model_calls_truncated: bool
    metadata: list[Metadata]
    deferrals: list[Deferral]
    events: list[Event]
    """The events that started it."""
    parent: Relative | None
    children: list[Relative]
    children_truncated: bool


@dataclass(frozen=True, slots=True)
class WholePayload(Documented):
    """Answer of `GET /v1/runs/{id}/payload`."""

    run_id: str
    of: str
    step: str | None
    span: str | None
    text: str | None
    """The whole; JSON as text. Null when there is none."""
    length: int
    """Its characters."""


@dataclass(frozen=True, slots=True)
class Trace(Documented):
    """Answer of `GET /v1/traces/{trace_id}`: totals of the whole trace, and a page of its tree."""

    trace_id: str
    run_ids: list[str]
    """The runs that its spans belong to, at most 100."""
    start_time: str | None
    duration_ms: float | None
    """From the first start to the last end."""
    span_count: int
    error_count: int
    usage: Usage
    spans: list[SpanRow]
    tree_truncated: bool
    """The trace has more spans than a tree is made of: these are the ones that began first."""
    next: str | None
    """The cursor of the next spans; null at the end."""


@dataclass(frozen=True, slots=True)
class Bin(Documented):
    """A bar of a distribution: values from `low` to below `high` (the last bar: to `high`), or one label."""

    low: float | None
    high: float | None
    label: str | None
    n: int


@dataclass(frozen=True, slots=True)
class ScoreDay(Documented):
    """A day (UTC) of a score."""

    day: str
    n: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class ScorePart(Documented):
    """A score in a function or in a variant of an experiment."""

    function_id: str | None
    experiment: str | None
    variant: str | None
    runs: int
    """Runs there."""
    scored_runs: int
    """Runs there that have the score."""
    n: int
    mean: float | None


@dataclass(frozen=True, slots=True)
class ScorePage(Documented):
    """Answer of `GET /v1/scores/{name}`."""

    name: str
    kinds: list[str]
    """The kinds seen; more than one is a fault of whoever writes it."""
    declared: dict[str, Any] | None
    """What was declared of it: kind, higher_is_better, min, max, unit, owner, description, declared_at."""
    n: int
    """Scores, on whatever they are."""
    runs: int
    """Runs that were, in the time and function asked for."""
    scored_runs: int
    """Of these, the runs that have the score."""
    coverage: float | None
    """scored_runs / runs."""
    mean: float | None
    minimum: float | None
    maximum: float | None
    distribution: list[Bin]
    """Numbers: 20 bars of one width; true and false: two; labels: the 20 most frequent."""
    trend: list[ScoreDay]
    """By the day it happened."""
    by_function: list[ScorePart]
    """The 50 functions with the most scores."""
    by_variant: list[ScorePart]
    """The 100 variants with the most scores."""


@dataclass(frozen=True, slots=True)
class Arrived(Documented):
    """What came to a table, whenever."""

    name: str
    """The public table."""
    rows: int
    """Current rows it is made of."""
    newest_at: str | None
    """When the newest of its rows was received."""


@dataclass(frozen=True, slots=True)
class RunFigures(Documented):
    """Some runs in numbers."""

    runs: int
    failed: int
    failure_rate: float | None
    """failed / runs."""
    duration_ms_p50: float | None
    """Median from start to end, of those that have both, to within 1 %."""
    duration_ms_p95: float | None
    """To within 1 %, by nearest rank like the median."""


@dataclass(frozen=True, slots=True)
class RunBar(Documented):
    """The runs of a day or an hour (UTC)."""

    at: str
    """When the day or hour begins; the first and the last may be cut by the range."""
    runs: int
    failed: int


@dataclass(frozen=True, slots=True)
class RunsNow(Documented):
    """The runs of the range, beside those before it."""

    now: RunFigures
    before: RunFigures
    step: str
    """What a bar of `series` is: `day`, or `hour` of a range of at most two days."""
    series: list[RunBar]
    """Every day or hour of the range, also those without a run; at most the newest 400."""
    usage: Usage
    """What the model calls that began in the range came to."""
    usage_before: Usage


@dataclass(frozen=True, slots=True)
class ScoreMove(Documented):
    """Scores of one name that happened in the range, beside those before it."""

    name: str
    higher_is_better: bool | None
    """As declared; null when it was not."""
    n: int
    """Scores with a value in the range."""
    n_before: int
    mean: float | None
    mean_before: float | None
    difference: float | None
    """mean - mean_before."""
    standard_error: float | None
    """Of the difference, each score taken as independent; null with fewer than two scores on a side."""
    z: float | None
    """difference / standard_error; null when that is not known or 0."""
    moved: bool
    """At least 30 scores on each side and |z| at least 3; or no spread at all on either side, and two means."""


@dataclass(frozen=True, slots=True)
class FunctionHealth(Documented):
    """The runs of a function in the range, beside those before it."""

    function_id: str | None
    now: RunFigures
    before: RunFigures
    failure_rate_low: float
    """Lower end of the failure rate's 95 % interval (Wilson): the list is in this order, the highest first."""


@dataclass(frozen=True, slots=True)
class TroubledSession(Documented):
    """A session in which a run of the range failed."""

    key: str
    id: str
    failed_at: str
    """When its newest failed run was."""
    run_id: str
    """That run."""
    failed_run_count: int
    """Failed runs of the session among the newest 100 failed runs of the range."""


@dataclass(frozen=True, slots=True)
class Overview(Documented):
    """Answer of `GET /v1/overview`: a range of time beside the equally long one before it. The home page shows it."""

    start: str
    """Beginning of the range, inclusive."""
    end: str
    """End of the range, exclusive."""
    before: str
    """Beginning of the range before, which ends at `start`."""
    arrived: list[Arrived]
    """Every public table that has rows, whatever the range."""
    runs: RunsNow
    scores: list[ScoreMove]
    """The 20 names that moved most: `moved` first, then by |z|."""
    functions: list[FunctionHealth]
    """The 20 worst functions that ran in the range; of equal ones the slowest first."""
    sessions: list[TroubledSession]
    """The 10 sessions with the newest failed runs, among the newest 100 failed runs of the range."""
