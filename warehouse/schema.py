"""The hub: every table once.

The Parquet writer, the guard's allow-list, the normaliser, `GET /v1/tables` and the schema page all read these
definitions; a column exists because it stands here.

Two kinds of definition:

* `FileTable`: what is on disk. One Parquet folder, a key that is unique among live rows, and the rule that decides
  between two rows of one key. File tables may have internal columns (their names begin with `_`).
* `PublicTable`: what SQL may name. Most show the current rows of one file table; the rest are views over others
  (`warehouse/views.py`), always computed from rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

VARCHAR, JSON, DOUBLE, BIGINT, INTEGER = "VARCHAR", "JSON", "DOUBLE", "BIGINT", "INTEGER"
TIMESTAMPTZ, DATE, BOOLEAN, TEXTS, MAP = "TIMESTAMPTZ", "DATE", "BOOLEAN", "VARCHAR[]", "MAP(VARCHAR, VARCHAR)"

ARROW: dict[str, pa.DataType] = {
    VARCHAR: pa.string(),
    JSON: pa.json_(),
    DOUBLE: pa.float64(),
    BIGINT: pa.int64(),
    INTEGER: pa.int32(),
    TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    DATE: pa.date32(),
    BOOLEAN: pa.bool_(),
    TEXTS: pa.list_(pa.string()),
    MAP: pa.map_(pa.string(), pa.string()),
}
"""The Arrow type of each SQL type that a table may use."""

SCORE_KINDS = ("boolean", "numeric", "label")
SCORE_SOURCES = ("code", "llm", "human", "deferred", "import")
RUN_STATUSES = ("Queued", "Running", "Completed", "Failed", "Cancelled")
STEP_STATUSES = ("Queued", "Running", "Errored", "Completed", "Failed", "Cancelled")

STATUS_RANK: dict[str, int] = {
    "Queued": 1,
    "waiting": 1,
    "Running": 2,
    "Errored": 3,
    **dict.fromkeys(("Completed", "Failed", "Cancelled"), 4),
    **dict.fromkeys(("matched", "timed_out", "cancelled", "failed"), 4),
}
"""How far along a status is: a record of a higher rank is later, whatever its times say (DESIGN section 3)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its SQL type and what it means."""

    name: str
    type: str
    doc: str

    @property
    def arrow(self) -> pa.Field[Any]:
        """Return the Arrow field of this column."""
        return pa.field(self.name, ARROW[self.type])


@dataclass(frozen=True, slots=True)
class FileTable:
    """A table on disk, and the one rule that decides between rows of one key.

    `merge` is one of

    * `fields`: field by field the newest non-null value wins; `order` says what newer means,
    * `newest`: the last row in `order` is the current one, as a whole,
    * `first`: the first row in `order` stays; later ones change nothing.

    Arrival always breaks a tie. With `history`, rows that are no longer current stay in the files and are hidden only
    from the table of current rows.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    merge: Literal["fields", "newest", "first"]
    order: tuple[str, ...]
    sort: tuple[str, ...]
    time: tuple[str, ...]
    """When the row happened, for the day of an id that carries none: the first of these that is not null."""
    history: bool = False
    current_key: tuple[str, ...] = ()
    """Rows of one current key differ in `key`; the highest one is current (the newest attempt of a step)."""

    @property
    def received(self) -> str:
        """Return the column that says when the row's state was first known."""
        return "received_at" if any(c.name == "received_at" for c in self.columns) else "_received_at"

    @property
    def internal(self) -> tuple[Column, ...]:
        """Return the internal columns, as stored."""
        own = (
            Column("_arrival", BIGINT, "position in the log; unique, rising"),
            Column("_first_received_at", TIMESTAMPTZ, "when any state of this row was first known, if earlier"),
            Column("_given", BOOLEAN, "the sender gave the time in `order` itself"),
        )
        if self.received == "_received_at":
            own += (Column("_received_at", TIMESTAMPTZ, "when this state was first known"),)
        if self.merge == "fields":
            own += (Column("_versions", TEXTS, "the version of each field of `fields`, if they differ"),)
        return own

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the columns that merge one by one: all but the key and the time of receipt."""
        return tuple(c.name for c in self.columns if c.name not in (*self.key, "received_at"))

    @property
    def stored(self) -> tuple[Column, ...]:
        """Return every column of the Parquet files, in order."""
        return self.columns + self.internal

    @property
    def stored_schema(self) -> pa.Schema:
        """Return the Arrow schema of `stored`."""
        return pa.schema([column.arrow for column in self.stored])

    @property
    def arriving(self) -> pa.Schema:
        """Return the Arrow schema of a validated batch: stored columns without those the landing computes."""
        computed = {"_arrival", "_first_received_at", "_versions"}
        fields = [c.arrow for c in self.stored if c.name not in computed]
        return pa.schema([*fields, pa.field("_day_id", pa.string())])


@dataclass(frozen=True, slots=True)
class PublicTable:
    """A name that SQL may use."""

    name: str
    row: str
    """What one row is, in words."""
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    source: str = ""
    """The file table whose current rows it shows; empty for a view."""


def _c(name: str, type_: str, doc: str) -> Column:
    return Column(name, type_, doc)


_SESSIONS = _c("sessions", MAP, "session key -> session id, as sent with the record itself")
_ATTRIBUTES = _c("attributes", JSON, "whatever else the sender wanted to keep, a JSON object")

_EVENT = (
    _c("id", VARCHAR, "the event's id; the sender's own or a UUIDv7"),
    _c("name", VARCHAR, "what happened, such as `support/ticket.created`"),
    _c("data", JSON, "the payload"),
    _c("v", VARCHAR, "version of the payload's shape, if the sender has one"),
    _c("ts", TIMESTAMPTZ, "when it happened"),
    _c("received_at", TIMESTAMPTZ, "when we learned it"),
    _SESSIONS,
)

_RUN = (
    _c("id", VARCHAR, "the run's id"),
    _c("app_id", VARCHAR, "the application the function belongs to"),
    _c("function_id", VARCHAR, "the function (agent, workflow) that ran"),
    _c("status", VARCHAR, "Queued, Running, Completed, Failed or Cancelled"),
    _c("triggering_event_name", VARCHAR, "name of the event that started it"),
    _c("event_ids", TEXTS, "ids of the events that started it"),
    _c("parent_run_id", VARCHAR, "the run that invoked this one"),
    _c("trace_id", VARCHAR, "its OpenTelemetry trace"),
    _c("user_id", VARCHAR, "the person or account it worked for; what `upshot erase --user` goes by"),
    _c("environment", VARCHAR, "such as production or staging"),
    _c("release", VARCHAR, "version of the code that ran"),
    _c("queued_at", TIMESTAMPTZ, "when it was asked for"),
    _c("started_at", TIMESTAMPTZ, "when it began"),
    _c("ended_at", TIMESTAMPTZ, "when it ended, in whatever status"),
    _c("input", JSON, "what went in"),
    _c("output", JSON, "what came out"),
    _c("error", JSON, "why it failed"),
    _ATTRIBUTES,
    _SESSIONS,
    _c("received_at", TIMESTAMPTZ, "when this state of the run was first known"),
)

_STEP = (
    _c("run_id", VARCHAR, "the run it belongs to"),
    _c("id", VARCHAR, "the step's id, unique in its run but for loops"),
    _c("name", VARCHAR, "the step's display name"),
    _c("type", VARCHAR, "what kind of step, such as StepRun, AIGateway, Sleep"),
    _c("loop_index", INTEGER, "which repetition of the same id in a run, from 0"),
    _c("attempt", INTEGER, "which try, from 0"),
    _c("status", VARCHAR, "Queued, Running, Errored (will be retried), Completed, Failed or Cancelled"),
    _c("queued_at", TIMESTAMPTZ, "when it was planned"),
    _c("started_at", TIMESTAMPTZ, "when it began"),
    _c("ended_at", TIMESTAMPTZ, "when it ended"),
    _c("input", JSON, "what went in"),
    _c("output", JSON, "what came out"),
    _c("error", JSON, "why it failed"),
    _ATTRIBUTES,
)

_SCORE = (
    _c("id", VARCHAR, "the writer's own id, else made of the target and the name"),
    _c("name", VARCHAR, "what is measured, such as `task-solved`"),
    _c("value", DOUBLE, "the number; 1.0 or 0.0 when the kind is boolean; null for a label"),
    _c("label", VARCHAR, "a word beside or instead of the number"),
    _c("kind", VARCHAR, "boolean, numeric or label"),
    _c("run_id", VARCHAR, "the run that is judged"),
    _c("step_id", VARCHAR, "the step that is judged, if not the whole run"),
    _c("trace_id", VARCHAR, "the trace that is judged"),
    _c("span_id", VARCHAR, "the span that is judged"),
    _c("session_key", VARCHAR, "key of the session that is judged"),
    _c("session_id", VARCHAR, "id of the session that is judged"),
    _c("experiment", VARCHAR, "the experiment the writer named"),
    _c("variant", VARCHAR, "the variant the writer named; `assignments` decides in reports"),
    _c("ts", TIMESTAMPTZ, "when it happened"),
    _c("received_at", TIMESTAMPTZ, "when we learned it"),
    _c("source", VARCHAR, "code, llm, human, deferred or import"),
    _c("scorer_id", VARCHAR, "what or who scored"),
    _c("comment", VARCHAR, "the reason, in words"),
    _ATTRIBUTES,
)

_DEFINITION = (
    _c("name", VARCHAR, "the score's name"),
    _c("kind", VARCHAR, "boolean, numeric or label"),
    _c("higher_is_better", BOOLEAN, "which direction is good"),
    _c("min", DOUBLE, "smallest possible value"),
    _c("max", DOUBLE, "largest possible value"),
    _c("unit", VARCHAR, "unit of the value, such as `ms` or `USD`"),
    _c("owner", VARCHAR, "who answers for it"),
    _c("description", VARCHAR, "what it means"),
    _c("declared_at", TIMESTAMPTZ, "when it was declared"),
)

_DECLARATION = (
    _c("name", VARCHAR, "the experiment's name"),
    _c("control", VARCHAR, "the variant the others are compared with"),
    _c("unit", VARCHAR, "what was assigned: assignment, run, user_id, session:<key> or attribute:<name>"),
    _c("primary_score", VARCHAR, "the score that decides"),
    _c("options", JSON, "every other declared option of the report"),
    _c("declared_at", TIMESTAMPTZ, "when it was declared"),
)

_ASSIGNMENT = (
    _c("run_id", VARCHAR, "the run that got the variant"),
    _c("experiment", VARCHAR, "the experiment"),
    _c("variant", VARCHAR, "the variant it got; the first assignment stays"),
    _c("unit", VARCHAR, "the thing that was assigned, such as an account"),
    _c("strategy", VARCHAR, "how it was chosen: bucket, weighted, fixed, custom"),
    _c("weights", JSON, "variant -> weight, as used for the choice"),
    _ATTRIBUTES,
    _c("ts", TIMESTAMPTZ, "when it was assigned"),
    _c("received_at", TIMESTAMPTZ, "when we learned it"),
)

_SESSION_RUN = (
    _c("session_key", VARCHAR, "which kind of session, such as `ticket_id`"),
    _c("session_id", VARCHAR, "which session"),
    _c("run_id", VARCHAR, "a run in it"),
    _c("ts", TIMESTAMPTZ, "when the run was first known to be in it"),
)

_SPAN = (
    _c("trace_id", VARCHAR, "the trace, 32 hexadecimal digits"),
    _c("span_id", VARCHAR, "the span, 16 hexadecimal digits"),
    _c("parent_span_id", VARCHAR, "the span that caused it; null at the root"),
    _c("run_id", VARCHAR, "the run it belongs to"),
    _c("step_id", VARCHAR, "the step it belongs to"),
    _c("name", VARCHAR, "the span's name"),
    _c("kind", VARCHAR, "OpenTelemetry's kind: INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER"),
    _c(
        "type",
        VARCHAR,
        "its role: llm, embedding, tool, agent, workflow, retriever, memory, evaluator, guardrail or other",
    ),
    _c("start_time", TIMESTAMPTZ, "when it began"),
    _c("end_time", TIMESTAMPTZ, "when it ended"),
    _c("status_code", VARCHAR, "UNSET, OK or ERROR"),
    _c("status_message", VARCHAR, "what went wrong"),
    _c("service_name", VARCHAR, "resource attribute service.name"),
    _c("environment", VARCHAR, "resource attribute deployment.environment.name"),
    _c("release", VARCHAR, "resource attribute service.version"),
    _c("scope_name", VARCHAR, "the instrumentation library"),
    _c("scope_version", VARCHAR, "its version"),
    _c("provider", VARCHAR, "the model's provider"),
    _c("request_model", VARCHAR, "the model that was asked for"),
    _c("response_model", VARCHAR, "the model that answered"),
    _c("input_tokens", BIGINT, "tokens in, cached ones included"),
    _c("output_tokens", BIGINT, "tokens out, reasoning included"),
    _c("cache_read_tokens", BIGINT, "tokens read from the provider's cache"),
    _c("cache_write_tokens", BIGINT, "tokens written to the provider's cache"),
    _c("reasoning_tokens", BIGINT, "tokens spent on reasoning"),
    _c("cost_usd", DOUBLE, "cost in US dollars; null when unknown"),
    _c("cost_source", VARCHAR, "of a model call: reported, priced, unknown or invalid_usage"),
    _c("ttft_ms", DOUBLE, "time to the first token, milliseconds"),
    _c("finish_reason", VARCHAR, "why the model stopped"),
    _c("agent_name", VARCHAR, "the agent"),
    _c("workflow_name", VARCHAR, "the workflow"),
    _c("tool_name", VARCHAR, "the tool that was called"),
    _c("user_id", VARCHAR, "the end user"),
    _c("input", VARCHAR, "the prompt or arguments"),
    _c("output", VARCHAR, "the answer"),
    _c("convention", VARCHAR, "the convention its attributes follow"),
    _c("attributes", MAP, "every attribute as text; what `input` or `output` holds is kept only there, and null here"),
    _c("resource_attributes", MAP, "every resource attribute as text"),
    _c("events", JSON, "span events"),
    _c("links", JSON, "span links"),
)

_METADATA = (
    _c("run_id", VARCHAR, "the run it is about"),
    _c("step_id", VARCHAR, "the step it is about, if any"),
    _c("span_id", VARCHAR, "the span it is about, if any"),
    _c("level", VARCHAR, "span, step or run: follows from the target"),
    _c("kind", VARCHAR, "whose values these are, such as `userland.review`"),
    _c("values", JSON, "the values"),
    _c("updated_at", TIMESTAMPTZ, "when they were written"),
)

_DEFERRAL = (
    _c("id", VARCHAR, "the deferral's id"),
    _c("scorer_id", VARCHAR, "the scorer that waits"),
    _c("run_id", VARCHAR, "the run whose outcome is awaited"),
    _c("experiment", VARCHAR, "the experiment the score will belong to"),
    _c("variant", VARCHAR, "its variant"),
    _c("input", JSON, "what the scorer gets"),
    _c("created_at", TIMESTAMPTZ, "when the waiting began"),
    _c("deadline", TIMESTAMPTZ, "when it ends"),
    _c("status", VARCHAR, "waiting, matched, timed_out, cancelled or failed"),
    _c("event_id", VARCHAR, "the event that settled it"),
    _c("score_id", VARCHAR, "the score it became"),
    _c("resolved_at", TIMESTAMPTZ, "when it was settled"),
)

_TRACE_RUN = (
    _c("trace_id", VARCHAR, "the trace, 32 hexadecimal digits"),
    _c("run_id", VARCHAR, "a run that one of its spans names"),
    _c("ts", TIMESTAMPTZ, "when that span began"),
)

_LIFE = ("ended_at", "started_at", "queued_at")

FILES: tuple[FileTable, ...] = (
    FileTable("events", _EVENT, ("id",), "first", ("ts",), ("ts", "id"), ("ts",)),
    FileTable("runs", _RUN, ("id",), "fields", ("status", *_LIFE), ("id",), ("queued_at", "started_at", "ended_at")),
    FileTable(
        "step_attempts",
        _STEP,
        ("run_id", "id", "loop_index", "attempt"),
        "fields",
        ("status", *_LIFE),
        ("run_id", "started_at", "id"),
        ("queued_at", "started_at", "ended_at"),
        history=True,
        current_key=("run_id", "id", "loop_index"),
    ),
    FileTable("score_history", _SCORE, ("id",), "newest", ("ts",), ("run_id", "ts"), ("ts",), history=True),
    FileTable(
        "score_definitions",
        _DEFINITION,
        ("name",),
        "newest",
        ("declared_at",),
        ("name",),
        ("declared_at",),
        history=True,
    ),
    FileTable(
        "experiment_declarations",
        _DECLARATION,
        ("name",),
        "newest",
        ("declared_at",),
        ("name",),
        ("declared_at",),
        history=True,
    ),
    FileTable(
        "assignments",
        (*_ASSIGNMENT, _c("_implied", BOOLEAN, "taken from a score's `experiment`; a record outranks it")),
        ("run_id", "experiment"),
        "first",
        ("_implied", "ts"),
        ("run_id",),
        ("ts",),
        history=True,
    ),
    FileTable(
        "session_runs",
        _SESSION_RUN,
        ("session_key", "session_id", "run_id"),
        "first",
        ("ts",),
        ("session_key", "session_id", "run_id"),
        ("ts",),
    ),
    FileTable(
        "spans", _SPAN, ("trace_id", "span_id"), "newest", ("end_time",), ("trace_id", "start_time"), ("start_time",)
    ),
    FileTable(
        "metadata",
        _METADATA,
        ("run_id", "step_id", "span_id", "kind"),
        "newest",
        ("updated_at",),
        ("run_id", "kind"),
        ("updated_at",),
    ),
    FileTable(
        "deferrals",
        _DEFERRAL,
        ("id",),
        "fields",
        ("status", "resolved_at", "created_at"),
        ("run_id", "created_at"),
        ("created_at",),
    ),
    FileTable("trace_runs", _TRACE_RUN, ("trace_id", "run_id"), "first", ("ts",), ("trace_id",), ("ts",)),
)

FILE: dict[str, FileTable] = {table.name: table for table in FILES}


def _after(columns: tuple[Column, ...], name: str, *added: Column) -> tuple[Column, ...]:
    at = [c.name for c in columns].index(name) + 1
    return columns[:at] + added + columns[at:]


_DURATION = _c("duration_ms", DOUBLE, "from start to end, milliseconds; null until both are known")
_TIMED_STEP = _after(_STEP, "ended_at", _DURATION)
_FIRST_LAST = (
    _c("first_at", TIMESTAMPTZ, "first assignment seen"),
    _c("last_at", TIMESTAMPTZ, "last assignment seen"),
)
_SCORED_RUN = (
    _c("experiment", VARCHAR, "the experiment"),
    _c("variant", VARCHAR, "the variant the run was assigned"),
    _c("unit", VARCHAR, "the thing that was assigned; the run itself where none is known"),
    _c("run_id", VARCHAR, "the run"),
    _c("started_at", TIMESTAMPTZ, "when the run began; its assignment's time where no run record exists"),
    _c("score", VARCHAR, "the score's name"),
    _c("value", DOUBLE, "the score; the mean of the raters if several; null when not scored"),
    _c("kind", VARCHAR, "boolean or numeric"),
    _c("scored_at", TIMESTAMPTZ, "when the newest of them happened"),
    _c("n_scores", BIGINT, "how many scores of that name the run has"),
)

_USAGE = (
    _c("input_tokens", BIGINT, "tokens in, cached ones included"),
    _c("output_tokens", BIGINT, "tokens out, reasoning included"),
    _c("cost_usd", DOUBLE, "cost in US dollars of the calls whose cost is known"),
)
_MODEL_CALL = (
    *(column for column in _SPAN if column.name in ("trace_id", "span_id", "run_id", "step_id", "type")),
    *(column for column in _SPAN if column.name in ("start_time", "end_time", "status_code", "service_name")),
    *(column for column in _SPAN if column.name in ("environment", "release", "provider")),
    _c("model", VARCHAR, "the model that answered, else the one that was asked for"),
    *(column for column in _SPAN if column.name.endswith("_tokens") or column.name in ("cost_usd", "cost_source")),
    *(column for column in _SPAN if column.name in ("ttft_ms", "finish_reason", "agent_name", "user_id")),
)
_MODEL_USAGE = (
    _c("day", DATE, "when the calls began (UTC)"),
    _c("provider", VARCHAR, "the model's provider"),
    _c("model", VARCHAR, "the model that answered, else the one that was asked for"),
    _c("calls", BIGINT, "calls"),
    _c("errors", BIGINT, "calls that failed"),
    *_USAGE,
    _c("priced_calls", BIGINT, "calls whose cost is known"),
    _c("ttft_ms_p50", DOUBLE, "median time to the first token, milliseconds"),
    _c("duration_ms_p50", DOUBLE, "median time of a call, milliseconds"),
)
_TOOL_USAGE = (
    _c("day", DATE, "when the calls began (UTC)"),
    _c("tool_name", VARCHAR, "the tool"),
    _c("calls", BIGINT, "calls"),
    _c("errors", BIGINT, "calls that failed"),
    _c("error_rate", DOUBLE, "share of the calls that failed"),
    _c("duration_ms_p50", DOUBLE, "median time of a call, milliseconds"),
)
_RUN_USAGE = (
    _c("run_id", VARCHAR, "the run"),
    _c("calls", BIGINT, "calls of models"),
    *_USAGE,
    _c("priced_calls", BIGINT, "calls whose cost is known"),
)

TABLES: tuple[PublicTable, ...] = (
    PublicTable("events", "a received event", ("id",), _EVENT, "events"),
    PublicTable("runs", "a function run, newest state", ("id",), _after(_RUN, "ended_at", _DURATION), "runs"),
    PublicTable("steps", "a step, newest attempt", ("run_id", "id", "loop_index"), _TIMED_STEP, "step_attempts"),
    PublicTable("step_attempts", "every attempt of a step", ("run_id", "id", "loop_index", "attempt"), _TIMED_STEP),
    PublicTable("scores", "the current score of a target and name", ("id",), _SCORE, "score_history"),
    PublicTable(
        "score_history",
        "every score ever accepted",
        ("id", "version"),
        (
            *_SCORE,
            _c("version", BIGINT, "its position in the log; a higher one was accepted later"),
            _c("superseded_at", TIMESTAMPTZ, "when a newer one became known; null for the current score"),
        ),
    ),
    PublicTable("score_definitions", "what a score name means, newest", ("name",), _DEFINITION, "score_definitions"),
    PublicTable("experiments", "an experiment as declared or seen, newest", ("name",), (*_DECLARATION, *_FIRST_LAST)),
    PublicTable("assignments", "a run given a variant", ("run_id", "experiment"), _ASSIGNMENT, "assignments"),
    PublicTable("session_runs", "a run in a session", ("session_key", "session_id", "run_id"), _SESSION_RUN),
    PublicTable(
        "spans", "an OpenTelemetry span", ("trace_id", "span_id"), _after(_SPAN, "end_time", _DURATION), "spans"
    ),
    PublicTable(
        "model_calls",
        "a call of a model that counts: wrappers that repeat the tokens of calls within them do not",
        ("trace_id", "span_id"),
        _MODEL_CALL,
    ),
    PublicTable("model_usage", "a day x provider x model", ("day", "provider", "model"), _MODEL_USAGE),
    PublicTable("tool_usage", "a day x tool", ("day", "tool_name"), _TOOL_USAGE),
    PublicTable("run_usage", "a run with calls of models", ("run_id",), _RUN_USAGE),
    PublicTable("metadata", "a metadata record", ("run_id", "step_id", "span_id", "kind"), _METADATA, "metadata"),
    PublicTable("deferrals", "an outcome being waited for", ("id",), _DEFERRAL, "deferrals"),
    PublicTable(
        "experiment_scores",
        "an assigned run x every run-level score name seen in its experiment; value null = not scored",
        ("experiment", "run_id", "score"),
        _SCORED_RUN,
    ),
    PublicTable(
        "scored_runs",
        "an assigned run x each run-level score it has; a run with none has one row of nulls",
        ("experiment", "run_id", "score"),
        _SCORED_RUN,
    ),
    PublicTable(
        "sessions",
        "a session",
        ("session_key", "session_id"),
        (
            _SESSION_RUN[0],
            _SESSION_RUN[1],
            _c("run_count", BIGINT, "runs in it"),
            _c("failed_run_count", BIGINT, "runs in it that failed"),
            _c("event_count", BIGINT, "events in it"),
            _c("first_at", TIMESTAMPTZ, "first thing seen of it"),
            _c("last_at", TIMESTAMPTZ, "last thing seen of it"),
            _c("input_tokens", BIGINT, "tokens into models, over its runs"),
            _c("output_tokens", BIGINT, "tokens out of models, over its runs"),
            _c("cost_usd", DOUBLE, "cost of its runs in US dollars"),
        ),
    ),
    PublicTable(
        "session_scores",
        "a session x score name",
        ("session_key", "session_id", "score"),
        (
            _SESSION_RUN[0],
            _SESSION_RUN[1],
            _c("score", VARCHAR, "the score's name"),
            _c("n", BIGINT, "scores of that name: on its runs and on the session itself"),
            _c("mean", DOUBLE, "their mean"),
            _c("scored_runs", BIGINT, "runs in it that have the score"),
            _c("run_count", BIGINT, "runs in it"),
        ),
    ),
)

TABLE: dict[str, PublicTable] = {table.name: table for table in TABLES}
