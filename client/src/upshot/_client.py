"""The two clients. Each method builds a question and asks it; nothing is decided here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack

from upshot._call import SERVER_SECONDS, Answer, checked, get, route, segment
from upshot._errors import Error
from upshot._fields import AsyncPages, Fields, Pages, asked, listed
from upshot._records import Ingested, batches, score_record, sent
from upshot._report import AsyncReport, Report, report_options, report_question
from upshot._result import ARROW, AsyncStream, Result, Stream, queried, query_call, require_arrow
from upshot._settings import CONNECT_SECONDS, moment, moment_of, settings
from upshot._transport import AsyncTransport, Transport

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Iterable, Iterator

    import httpx

    from upshot._call import Call
    from upshot._records import Source
    from upshot._report import ReportOptions
    from upshot._settings import Moment, Settings

Status = Literal["Queued", "Running", "Completed", "Failed", "Cancelled"]

Params = Sequence[object] | Mapping[str, object] | None
"""Values of `?` in order, or of `$name` by name."""


class RunFilter(TypedDict, total=False):
    """What `runs.list` can ask for. `score_below` and `score_above` go with `score`, `variant` with `experiment`."""

    function: str
    status: Status
    environment: str
    user: str
    score: str
    score_below: float
    score_above: float
    experiment: str
    variant: str
    since: Moment
    until: Moment
    q: str
    order: Literal["newest", "oldest", "slowest"]


class SessionFilter(TypedDict, total=False):
    """What `sessions.list` can ask for."""

    key: str
    q: str
    status: Status
    since: Moment
    until: Moment
    order: Literal["newest", "oldest"]


def _times(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Return filters with the server's names of times: `from` is no name in Python."""
    given = dict(filters)
    return given | {"from": moment("since", given.pop("since", None)), "to": moment("until", given.pop("until", None))}


def _shown(client: Client | AsyncClient, known: Settings) -> str:
    return f"<upshot.{type(client).__name__} {known.url}, {'with' if known.key else 'without'} a key>"


class Client:
    """A server of Upshot. Threads may share it; `with` or `close()` ends its connections.

    Args:
        url: its address; `UPSHOT_URL`, then this machine's port 8787, when not given.
        api_key: the key; `UPSHOT_API_KEY` when not given. None is needed on a fresh server of this machine.
        known_at: queries and reports answer as known then unless they say otherwise; `UPSHOT_KNOWN_AT` when not given,
            then now.
        timeout: seconds without a byte; when not given 60, or longer where the server may take longer.
        connect_timeout: seconds to connect.
        retries: how often a call is tried again that did not arrive, broke off, or met 429 or 503.

    Raises:
        ArgumentError: an argument, or its variable, is out of its bounds.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        known_at: Moment | None = None,
        timeout: float | None = None,
        connect_timeout: float = CONNECT_SECONDS,
        retries: int = 3,
    ) -> None:
        self._settings = settings(
            url, api_key, known_at, timeout=timeout, connect_timeout=connect_timeout, retries=retries
        )
        self._transport = Transport(self._settings)
        self.experiments = Experiments(self._transport)
        self.sessions = Sessions(self._transport)
        self.runs = Runs(self._transport)
        self.traces = Traces(self._transport)
        self.scores = Scores(self._transport)

    def query(
        self,
        sql: str,
        params: Params = None,
        *,
        known_at: Moment | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Run one SELECT and return its rows, whole.

        Args:
            sql: the statement.
            params: values of `?` in order, or of `$name` by name.
            known_at: answer as known at that time.
            limit: rows at the most; the server's bound (10,000) when not given.
            timeout: seconds that the server may take; its own bound (10) when not given.

        Raises:
            QueryError: the statement was refused or failed; says where.
            Error: another of `upshot`'s errors.
        """
        known_at = self._settings.known_at if known_at is None else known_at
        rows = self._transport.ask(queried(query_call(sql, params, known_at, limit, timeout)))
        rows.warn(limit, 2)
        return rows

    @contextlib.contextmanager
    def stream(
        self,
        sql: str,
        params: Params = None,
        *,
        known_at: Moment | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Stream]:
        """Run one SELECT and hand on its rows as Arrow batches while they arrive; arguments and errors as of `query`.

        Not tried again: an iteration that the connection breaks ends in UnreachableError.
        """
        require_arrow()
        known_at = self._settings.known_at if known_at is None else known_at
        call = query_call(sql, params, known_at, limit, timeout, accept=ARROW)
        with self._transport.opened(call) as response:
            if response.is_error:
                checked(_whole(response, response.read()), call)
            rows = Stream(response)
            rows.warn(limit, 3)
            yield rows

    def score(
        self,
        *,
        name: str,
        value: float | str | None = None,
        run_id: str | None = None,
        step_id: str | None = None,
        session: Mapping[str, str] | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        experiment: tuple[str, str] | Mapping[str, str] | None = None,
        sessions: Mapping[str, str] | None = None,
        label: str | None = None,
        comment: str | None = None,
        source: Source | None = None,
        scorer_id: str | None = None,
        ts: Moment | None = None,
        id: str | None = None,  # noqa: A002 - the record's word
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Say how something turned out. When this returns, the score is durable and visible.

        The same target and name again replaces the value; an `id` of one's own makes it a score beside the others.

        Args:
            name: what is judged.
            value: a number, a bool (1 or 0), or a text, which is a label.
            run_id: the run, or with `step_id` its step.
            step_id: the step.
            session: key and id of a session instead of a run.
            trace_id: the trace instead of a run, or with `span_id` its span.
            span_id: the span.
            experiment: name and variant that the run had; not with a step.
            sessions: sessions that the run belongs to.
            label: a label beside a value.
            comment: the reason in words.
            source: who says it.
            scorer_id: what says it.
            ts: when it happened; the time of arrival when not given.
            id: the score's own id.
            attributes: anything else.

        Raises:
            ArgumentError: the score has no form, a value that is not finite for instance.
            RejectedError: the server does not accept it.
        """
        record = score_record(
            name, value, label, experiment, ts, run_id=run_id, step_id=step_id, session=session, trace_id=trace_id,
            span_id=span_id, sessions=sessions, comment=comment, source=source, scorer_id=scorer_id, id=id,
            attributes=attributes,
        )  # fmt: skip
        self.ingest((record,), raise_rejected=True)

    def ingest(self, records: Iterable[Mapping[str, Any]], *, raise_rejected: bool = False) -> Ingested:
        """Send records, in batches of bounded size, drawn as they are sent.

        A bad record spoils no other: it is in `rejected` of what is returned. Sent twice, a record counts once; events
        without an id are given one first.

        Args:
            records: dicts with a `type`.
            raise_rejected: raise, once all were sent, when one was not accepted.

        Raises:
            RejectedError: as `raise_rejected` says.
            Error: a batch could not be sent; a note says how many records were accepted before.
        """
        outcome = Ingested()
        for batch in batches(records):
            outcome.rejected += batch.refused
            if question := sent(batch):
                with _noting(outcome):
                    outcome.add(self._transport.ask(question))
        if raise_rejected:
            outcome.raise_rejected()
        return outcome

    def overview(self, *, since: Moment | None = None, until: Moment | None = None) -> Fields:
        """Return what came, how runs went, which scores moved and what fails; of the last seven days by default."""
        return self._transport.ask(asked(_overview(since, until)))

    def close(self) -> None:
        """End the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the connections."""
        self.close()

    def now(self) -> dt.datetime:
        """Return the time that answers are as known at, in UTC: the pin of a report's run, else this moment."""
        return moment_of(self._settings.known_at)

    def __repr__(self) -> str:
        """Return the address, and whether there is a key."""
        return _shown(self, self._settings)


class AsyncClient:
    """A server of Upshot, for asyncio: `Client` with `await`; lists are walked with `async for`.

    Args:
        url: its address; `UPSHOT_URL`, then this machine's port 8787, when not given.
        api_key: the key; `UPSHOT_API_KEY` when not given. None is needed on a fresh server of this machine.
        known_at: queries and reports answer as known then unless they say otherwise; `UPSHOT_KNOWN_AT` when not given,
            then now.
        timeout: seconds without a byte; when not given 60, or longer where the server may take longer.
        connect_timeout: seconds to connect.
        retries: how often a call is tried again that did not arrive, broke off, or met 429 or 503.

    Raises:
        ArgumentError: an argument, or its variable, is out of its bounds.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        known_at: Moment | None = None,
        timeout: float | None = None,
        connect_timeout: float = CONNECT_SECONDS,
        retries: int = 3,
    ) -> None:
        self._settings = settings(
            url, api_key, known_at, timeout=timeout, connect_timeout=connect_timeout, retries=retries
        )
        self._transport = AsyncTransport(self._settings)
        self.experiments = AsyncExperiments(self._transport)
        self.sessions = AsyncSessions(self._transport)
        self.runs = AsyncRuns(self._transport)
        self.traces = AsyncTraces(self._transport)
        self.scores = AsyncScores(self._transport)

    async def query(
        self,
        sql: str,
        params: Params = None,
        *,
        known_at: Moment | None = None,
        limit: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the server's
    ) -> Result:
        """See `Client.query`."""
        known_at = self._settings.known_at if known_at is None else known_at
        rows = await self._transport.ask(queried(query_call(sql, params, known_at, limit, timeout)))
        rows.warn(limit, 2)
        return rows

    @contextlib.asynccontextmanager
    async def stream(
        self,
        sql: str,
        params: Params = None,
        *,
        known_at: Moment | None = None,
        limit: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the server's
    ) -> AsyncIterator[AsyncStream]:
        """See `Client.stream`."""
        require_arrow()
        known_at = self._settings.known_at if known_at is None else known_at
        call = query_call(sql, params, known_at, limit, timeout, accept=ARROW)
        async with self._transport.opened(call) as response:
            if response.is_error:
                checked(_whole(response, await response.aread()), call)
            rows = await AsyncStream.opened(response)
            rows.warn(limit, 3)
            yield rows

    async def score(
        self,
        *,
        name: str,
        value: float | str | None = None,
        run_id: str | None = None,
        step_id: str | None = None,
        session: Mapping[str, str] | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        experiment: tuple[str, str] | Mapping[str, str] | None = None,
        sessions: Mapping[str, str] | None = None,
        label: str | None = None,
        comment: str | None = None,
        source: Source | None = None,
        scorer_id: str | None = None,
        ts: Moment | None = None,
        id: str | None = None,  # noqa: A002 - the record's word
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """See `Client.score`."""
        record = score_record(
            name, value, label, experiment, ts, run_id=run_id, step_id=step_id, session=session, trace_id=trace_id,
            span_id=span_id, sessions=sessions, comment=comment, source=source, scorer_id=scorer_id, id=id,
            attributes=attributes,
        )  # fmt: skip
        await self.ingest((record,), raise_rejected=True)

    async def ingest(self, records: Iterable[Mapping[str, Any]], *, raise_rejected: bool = False) -> Ingested:
        """See `Client.ingest`."""
        outcome = Ingested()
        for batch in batches(records):
            outcome.rejected += batch.refused
            if question := sent(batch):
                with _noting(outcome):
                    outcome.add(await self._transport.ask(question))
        if raise_rejected:
            outcome.raise_rejected()
        return outcome

    async def overview(self, *, since: Moment | None = None, until: Moment | None = None) -> Fields:
        """See `Client.overview`."""
        return await self._transport.ask(asked(_overview(since, until)))

    async def close(self) -> None:
        """End the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the connections."""
        await self.close()

    async def now(self) -> dt.datetime:  # awaited as all of its twin's calls are
        """Return the time that answers are as known at, in UTC: the pin of a report's run, else this moment."""
        return moment_of(self._settings.known_at)

    def __repr__(self) -> str:
        """Return the address, and whether there is a key."""
        return _shown(self, self._settings)


@contextlib.contextmanager
def _noting(outcome: Ingested) -> Iterator[None]:
    try:
        yield
    except Error as error:
        error.add_note(f"{outcome.accepted} records were accepted before this")
        raise


def _whole(response: httpx.Response, body: bytes) -> Answer:
    return Answer(response.status_code, response.headers, body)


def _overview(since: Moment | None, until: Moment | None) -> Call:
    return _read("/v1/overview", _times({"since": since, "until": until}))


def _read(path: str, params: Mapping[str, Any] | None = None) -> Call:
    return get(path, params, patience=SERVER_SECONDS)


class _Resource:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport


class _AsyncResource:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


class Experiments(_Resource):
    """Experiments, declared or seen."""

    def list(self) -> tuple[Fields, ...]:
        """Return all of them."""
        return self._transport.ask(listed(_read("/v1/experiments"), "experiments"))

    def get(self, name: str) -> Fields:
        """Return one; raises NotFoundError."""
        return self._transport.ask(asked(_read(route("experiments", name))))

    def report(self, name: str, **options: Unpack[ReportOptions]) -> Report:
        """Return the report of an experiment; raises NotFoundError, or Error for an option that is out of bounds."""
        given = report_options(options, self._transport.settings.known_at)
        return Report(self._transport, self._transport.ask(report_question(name, given)), given)


class AsyncExperiments(_AsyncResource):
    """Experiments, declared or seen."""

    async def list(self) -> tuple[Fields, ...]:
        """Return all of them."""
        return await self._transport.ask(listed(_read("/v1/experiments"), "experiments"))

    async def get(self, name: str) -> Fields:
        """Return one; raises NotFoundError."""
        return await self._transport.ask(asked(_read(route("experiments", name))))

    async def report(self, name: str, **options: Unpack[ReportOptions]) -> AsyncReport:
        """Return the report of an experiment; raises NotFoundError, or Error for an option that is out of bounds."""
        given = report_options(options, self._transport.settings.known_at)
        return AsyncReport(self._transport, await self._transport.ask(report_question(name, given)), given)


class Sessions(_Resource):
    """Sessions: runs that belong together."""

    def list(self, *, limit: int | None = None, **filters: Unpack[SessionFilter]) -> Pages:
        """Return the sessions by their last activity; `limit` at the most, all when not given."""
        return Pages(self._transport, "/v1/sessions", "sessions", _times(filters), limit)

    def get(self, key: str, id: str, *, limit: int | None = None, cursor: str | None = None) -> Fields:  # noqa: A002
        """Return a session with a page of its runs; raises NotFoundError."""
        return self._transport.ask(asked(_read(_session(key, id), {"limit": limit, "cursor": cursor})))


class AsyncSessions(_AsyncResource):
    """Sessions: runs that belong together."""

    def list(self, *, limit: int | None = None, **filters: Unpack[SessionFilter]) -> AsyncPages:
        """Return the sessions by their last activity; `limit` at the most, all when not given."""
        return AsyncPages(self._transport, "/v1/sessions", "sessions", _times(filters), limit)

    async def get(self, key: str, id: str, *, limit: int | None = None, cursor: str | None = None) -> Fields:  # noqa: A002
        """Return a session with a page of its runs; raises NotFoundError."""
        return await self._transport.ask(asked(_read(_session(key, id), {"limit": limit, "cursor": cursor})))


class Runs(_Resource):
    """Function runs."""

    def list(self, *, limit: int | None = None, **filters: Unpack[RunFilter]) -> Pages:
        """Return runs by what they are and how they were judged; `limit` at the most, all when not given."""
        return Pages(self._transport, "/v1/runs", "runs", _times(filters), limit)

    def get(self, id: str, *, limit: int | None = None, cursor: str | None = None) -> Fields:  # noqa: A002
        """Return a run with everything known of it and a page of its spans; raises NotFoundError."""
        return self._transport.ask(asked(_read(route("runs", id), {"limit": limit, "cursor": cursor})))

    def payload(
        self,
        id: str,  # noqa: A002
        *,
        of: Literal["input", "output", "error"],
        step: str | None = None,
        loop: int | None = None,
        attempt: int | None = None,
        span: str | None = None,
        trace: str | None = None,
    ) -> Fields:
        """Return one input, output or error as a whole: of the run, or of a step or a span of it."""
        given = {"of": of, "step": step, "loop": loop, "attempt": attempt, "span": span, "trace": trace}
        return self._transport.ask(asked(_read(route("runs", id, "payload"), given)))


class AsyncRuns(_AsyncResource):
    """Function runs."""

    def list(self, *, limit: int | None = None, **filters: Unpack[RunFilter]) -> AsyncPages:
        """Return runs by what they are and how they were judged; `limit` at the most, all when not given."""
        return AsyncPages(self._transport, "/v1/runs", "runs", _times(filters), limit)

    async def get(self, id: str, *, limit: int | None = None, cursor: str | None = None) -> Fields:  # noqa: A002
        """Return a run with everything known of it and a page of its spans; raises NotFoundError."""
        return await self._transport.ask(asked(_read(route("runs", id), {"limit": limit, "cursor": cursor})))

    async def payload(
        self,
        id: str,  # noqa: A002
        *,
        of: Literal["input", "output", "error"],
        step: str | None = None,
        loop: int | None = None,
        attempt: int | None = None,
        span: str | None = None,
        trace: str | None = None,
    ) -> Fields:
        """Return one input, output or error as a whole: of the run, or of a step or a span of it."""
        given = {"of": of, "step": step, "loop": loop, "attempt": attempt, "span": span, "trace": trace}
        return await self._transport.ask(asked(_read(route("runs", id, "payload"), given)))


class Traces(_Resource):
    """OpenTelemetry traces."""

    def get(self, id: str, *, limit: int | None = None, cursor: str | None = None) -> Fields:  # noqa: A002
        """Return a trace with a page of its tree; raises NotFoundError."""
        return self._transport.ask(asked(_read(route("traces", id), {"limit": limit, "cursor": cursor})))


class AsyncTraces(_AsyncResource):
    """OpenTelemetry traces."""

    async def get(self, id: str, *, limit: int | None = None, cursor: str | None = None) -> Fields:  # noqa: A002
        """Return a trace with a page of its tree; raises NotFoundError."""
        return await self._transport.ask(asked(_read(route("traces", id), {"limit": limit, "cursor": cursor})))


class Scores(_Resource):
    """Names of scores, and how they are spread. `Client.score` sends one."""

    def list(self) -> tuple[Fields, ...]:
        """Return all names."""
        return self._transport.ask(listed(_read("/v1/scores"), "scores"))

    def get(
        self, name: str, *, since: Moment | None = None, until: Moment | None = None, function: str | None = None
    ) -> Fields:
        """Return the spread of one over values, days, functions and variants; raises NotFoundError."""
        given = _times({"since": since, "until": until, "function": function})
        return self._transport.ask(asked(_read(route("scores", name), given)))


class AsyncScores(_AsyncResource):
    """Names of scores, and how they are spread. `AsyncClient.score` sends one."""

    async def list(self) -> tuple[Fields, ...]:
        """Return all names."""
        return await self._transport.ask(listed(_read("/v1/scores"), "scores"))

    async def get(
        self, name: str, *, since: Moment | None = None, until: Moment | None = None, function: str | None = None
    ) -> Fields:
        """Return the spread of one over values, days, functions and variants; raises NotFoundError."""
        given = _times({"since": since, "until": until, "function": function})
        return await self._transport.ask(asked(_read(route("scores", name), given)))


def _session(key: str, id_: str) -> str:
    return f"{route('sessions', key)}/{segment('sessions', id_)}"
