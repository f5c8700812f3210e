"""Firings as DBOS workflows: each is queued once, its steps are remembered, and what a kill interrupts is resumed.

Its database is the only shared state: workers in any number take from one queue, and who asks twice for the same firing
(by its id) has one. Arguments are names and numbers, never a secret: those stay with the definition.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from dbos import DBOS, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID

from api.reports.asking import Asking
from api.reports.scheduling import Firing
from warehouse.errors import NotFoundError, TransientError, UpshotError

if TYPE_CHECKING:
    from api.reports.work import Work

log = structlog.get_logger("reports")

RUNS, SENDS = "runs", "sends"
"""Names of the queues: notebooks, and tries of deliveries."""

RUNS_AT_ONCE, SENDS_AT_ONCE = 2, 8
"""How many of each a worker does at one time."""

RETRY_SECONDS = (15, 60, 300, 900, 2400)
"""How long each next try of a delivery waits, if its receiver asks for no longer time: six tries in about an hour."""

RESUMED_AT_MOST = 5
"""How often a firing is taken up again after its worker was killed in it; it may be what kills the worker."""

HISTORY_DAYS = 90
"""How long firings that ended are remembered."""

_STEP: dict[str, Any] = {"retries_allowed": True, "interval_seconds": 5.0, "backoff_rate": 3.0, "max_attempts": 3}
"""For what fails about a step itself, a full disk say: an hour's outage of a receiver is no error here."""

VERSION = "1"
"""Of the workflows below: another order of their steps needs another one, or what was begun cannot be resumed."""

_work: list[Work] = []
"""What this process does firings with; set by `begin`."""


def _passing(error: BaseException) -> bool:
    return isinstance(error, TransientError | OSError)


@DBOS.step(name="make", should_retry=_passing, **_STEP)
def _make(firing: dict[str, Any]) -> dict[str, Any]:
    return msgspec.to_builtins(_work[0].make(msgspec.convert(firing, Firing)))


@DBOS.step(name="send", should_retry=_passing, **_STEP)
def _send(firing: dict[str, Any], number: int, attempt: int) -> dict[str, Any]:
    return msgspec.to_builtins(_work[0].send(msgspec.convert(firing, Firing), number, attempt))


@DBOS.workflow(name="fire", max_recovery_attempts=RESUMED_AT_MOST)
def _fire(firing: dict[str, Any]) -> str:
    """Make the edition of a firing, then queue its deliveries: each goes its own way, and keeps no notebook waiting."""
    one = msgspec.convert(firing, Firing)
    try:
        made = _make(firing)
    except NotFoundError as error:
        Asking(_work[0].places.asked).done(one)
        return error.message
    except Exception as error:
        reason = error.message if isinstance(error, UpshotError) else f"{type(error).__name__}: {error}"
        log.exception("firing_failed", firing=one.id, error=reason)
        Asking(_work[0].places.asked).say(one, "failed", reason)
        raise
    for number in range(1, made["deliveries"] + 1):
        _queue(f"{one.id}/{number}/1", SENDS, _deliver, firing, number, 1)
    return made["status"]


@DBOS.workflow(name="deliver", max_recovery_attempts=RESUMED_AT_MOST)
def _deliver(firing: dict[str, Any], number: int, attempt: int) -> str:
    """Try a delivery; the next try is a workflow of its own, so that nothing is held while it waits."""
    sent = _send(firing, number, attempt)
    if sent["outcome"] == "retry":
        if attempt > len(RETRY_SECONDS):
            log.error("delivery_given_up", firing=msgspec.convert(firing, Firing).id, number=number, tries=attempt)
            return "failed"
        seconds = max(RETRY_SECONDS[attempt - 1], sent["retry_after"] or 0)
        id_ = f"{msgspec.convert(firing, Firing).id}/{number}/{attempt + 1}"
        with SetEnqueueOptions(delay_seconds=seconds):
            _queue(id_, SENDS, _deliver, firing, number, attempt + 1)
    return sent["outcome"]


def _queue(id_: str, queue: str, workflow: Any, *arguments: Any) -> None:
    with SetWorkflowID(id_):
        DBOS.enqueue_workflow(queue, workflow, *arguments)


def fire(firing: Firing) -> None:
    """Queue a firing; durable once it returns. One that was queued before, by whatever process, is not queued again."""
    _queue(firing.id, RUNS, _fire, msgspec.to_builtins(firing))


def begin(work: Work, database: str, worker: str = "worker") -> None:
    """Open the database, take up what a killed worker of this name left, and begin to work the queues.

    Args:
        work: does what the steps say.
        database: URL of SQLite or Postgres, as SQLAlchemy reads it.
        worker: those that run at one time must have different names.
    """
    _work[:] = [work]
    _send_logs()
    DBOS(
        config={
            "name": "upshot-reports",
            "system_database_url": database,
            "application_version": VERSION,
            "executor_id": worker,
            "serializer": DBOSPortableJSONSerializer(),
            "enable_otlp": False,
            "log_level": "WARNING",
            "scheduler_polling_interval_sec": 3600.0,  # it has no schedules: see docs/adr/0014-reports.md
        }
    )
    DBOS.launch()
    DBOS.register_queue(RUNS, worker_concurrency=RUNS_AT_ONCE, polling_interval_sec=0.5)
    DBOS.register_queue(SENDS, worker_concurrency=SENDS_AT_ONCE)


def end() -> None:
    """Stop taking from the queues and close the database. What is in its middle is left to be resumed."""
    DBOS.destroy(workflow_completion_timeout_sec=0)
    _work.clear()


def given_up(firing: Firing) -> bool:
    """Return whether a firing was taken up so often, each time from a killed worker, that it is left alone."""
    status = DBOS.get_workflow_status(firing.id)
    return status is not None and status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED"


def forget(before: str) -> int:
    """Drop ended firings and deliveries created before a time (ISO 8601), some at a time; return how many."""
    ended = DBOS.list_workflows(
        end_time=before, status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"], limit=1000,
        load_input=False, load_output=False,
    )  # fmt: skip
    DBOS.delete_workflows([one.workflow_id for one in ended])
    return len(ended)


class _Lines(logging.Handler):
    """DBOS's own log lines among ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a line."""
        structlog.get_logger("dbos").log(record.levelno, "dbos", said=record.getMessage())


def _send_logs() -> None:
    logger = logging.getLogger("dbos")
    logger.handlers[:] = [_Lines()]
    logger.propagate = False
