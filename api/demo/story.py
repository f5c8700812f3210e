"""What one run of the demo leaves behind: its records, each with the time at which its sender sends it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from api.demo.calendar import DAY_MS, HOUR_MS
from api.demo.models import LARGE, OTHER, SMALL, Model
from api.demo.ulids import ulid
from api.demo.variants import EXPERIMENTS, STRATEGY
from api.demo.words import Words, words
from warehouse.clock import iso

if TYPE_CHECKING:
    from api.demo.plan import PlannedRun

Record = dict[str, Any]
Sent = tuple[int, Record]
"""A record and when it is sent, in milliseconds since 1970."""
Open = Literal["Queued", "Running"]

APP = "support-agent"
_ESCALATE = "escalate-ticket"
_ID_BITS = 80

_RETRIED_SHARE = 0.06
_TOOL_SHARE = 0.6
_TOOL_FAILED_SHARE = 0.04
_ESCALATED_SHARE = 0.08
_STAGING_SHARE = 0.05
_TWO_RECORDS_SHARE = 0.4
_OTHER_MODEL_SHARE = 0.2
_CORRECTED_SHARE = 0.03
_CSAT_SHARE = 0.12
_REVIEWED_SHARE = 0.04
_EFFORT_SHARE = 0.15
_MOOD_SHARE = 0.3
_RELEVANCE_SHARE = 0.5
_RELEASES = ("4.1.0", "4.2.0", "4.2.1", "4.3.0")

_LENGTH = {"concise": 0.7, "empathetic": 1.12}
"""How long a prompt's replies are beside the control's."""

_KINDS = {
    "answer-ticket": ("support/ticket.created", "ticket_id", "T-{:06d}"),
    "answer-chat": ("support/chat.started", "conversation_id", "conv-{:06d}"),
    "summarise-call": ("support/call.ended", "call_id", "call-{:06d}"),
}
"""Per function: the event that starts it, the key of its sessions, the form of their ids."""

_ERRORS = (
    {"name": "RateLimitError", "message": "429: too many requests, retry after 2 s"},
    {"name": "TimeoutError", "message": "the model did not answer within 30 s"},
    {"name": "OverloadedError", "message": "529: the provider is overloaded"},
    {"name": "SchemaError", "message": "the model answered with arguments that do not fit the tool"},
)
_TOOL_ERROR = {"name": "ToolError", "message": "503: the order system is being restarted"}
_RATERS = ("rater-1", "rater-2", "rater-3")
_MOODS = ("annoyed", "calm", "grateful")


def time_text(ms: int) -> str:
    """Return milliseconds since 1970 as ISO 8601 with Z."""
    return iso(ms * 1000)


@dataclass(slots=True)
class _Story:
    """A run being told: where its clock stands and what was sent so far."""

    run: PlannedRun
    rng: random.Random
    luck: random.Random
    """Of the tools alone."""
    id: str
    at: int
    words: Words
    model: Model
    sent: list[Sent] = field(default_factory=list[Sent])
    cost: float = 0.0

    def share(self, share: float) -> bool:
        """Return True in `share` of the calls."""
        return self.rng.random() < share

    def between(self, shortest: float, longest: float) -> int:
        """Return a duration in milliseconds between two times in seconds."""
        return round(1000 * self.rng.uniform(shortest, longest))

    def new_id(self, ms: int) -> str:
        """Return a ULID of that time."""
        return ulid(ms, self.rng.getrandbits(_ID_BITS))

    def send(self, ms: int, record: Record) -> None:
        """Send a record at that time, or as soon after it as the sender gets to it."""
        self.sent.append((ms + self.between(0.02, 0.4), record))

    def step(
        self,
        step_id: str,
        step_type: str,
        lasts: int,
        *,
        status: str = "Completed",
        attempt: int = 0,
        loop_index: int | None = None,
        **found: object,
    ) -> None:
        """Do a step that takes `lasts` milliseconds; `found` is its input, output, error or attributes."""
        begun = self.at
        self.at += lasts
        record: Record = {
            "type": "step",
            "run_id": self.id,
            "id": step_id,
            "name": step_id.replace("-", " "),
            "step_type": step_type,
            "attempt": attempt,
            "status": status,
            "started_at": time_text(begun),
            "ended_at": time_text(self.at),
            **found,
        }
        if loop_index is not None:
            record["loop_index"] = loop_index
        self.send(self.at, record)

    def call(self, step_id: str, model: Model, output: Record, *, length: float, loop_index: int | None = None) -> None:
        """Call a model, with its tokens and cost; now and then the first attempt fails."""
        retried = self.share(_RETRIED_SHARE)
        if retried:
            self.fail(step_id, model, attempt=0, loop_index=loop_index)
        read = self.rng.randrange(600, 2_600)
        written = round(length * self.rng.randrange(80, 320))
        self.cost += model.cost(read, written)
        lasts = 300 + 9 * written + self.between(0.1, 0.9)
        self.step(
            step_id,
            "AIGateway",
            lasts,
            attempt=int(retried),
            loop_index=loop_index,
            output=output,
            attributes={
                "model": model.name,
                "provider": model.provider,
                "input_tokens": read,
                "output_tokens": written,
            },
        )

    def use(self, tool: str, call: Record, lasts: int) -> None:
        """Let the model use a tool; now and then the first attempt is refused."""
        refused = self.luck.random() < _TOOL_FAILED_SHARE
        if refused:
            self.step(tool, "StepRun", lasts, status="Errored", input=call, error=_TOOL_ERROR)
        self.step(tool, "StepRun", lasts, attempt=int(refused), input=call, output={"found": self.words.finding})

    def fail(self, step_id: str, model: Model, *, attempt: int, loop_index: int | None, last: bool = False) -> Record:
        """Make an attempt that fails, and wait for the next unless it is the last; returns the error."""
        error = self.rng.choice(_ERRORS)
        status = "Failed" if last else "Errored"
        lasts = self.between(0.5, 8.0)
        self.step(
            step_id,
            "AIGateway",
            lasts,
            attempt=attempt,
            status=status,
            loop_index=loop_index,
            error=error,
            attributes={"model": model.name, "provider": model.provider},
        )
        self.at += 0 if last else self.between(1.0, 4.0)
        return error


def tell(run: PlannedRun, started: int, seed: int, left: Open | None = None) -> list[Sent]:
    """Return the records of a run that starts at `started` (milliseconds since 1970), with when they are sent.

    A run that is `left` Queued or Running is told no further. Everything is random by seed and run alone, so no run's
    story changes another's.
    """
    rng = random.Random(f"{seed}/{run.number}")  # noqa: S311 - a story, not a secret
    model = OTHER if rng.random() < _OTHER_MODEL_SHARE else LARGE
    text = words(rng, run.variant, follow_up=run.follow_up)
    luck = random.Random(f"{seed}/{run.number}/tools")  # noqa: S311 - the same
    story = _Story(run, rng, luck, ulid(started, rng.getrandbits(_ID_BITS)), started, text, model)
    opening = _opening(story, _RELEASES[int(run.moment * len(_RELEASES))])
    if left == "Queued":
        story.send(started, opening | {"status": "Queued"})
        return story.sent
    opening["started_at"] = time_text(started)
    in_two = left is not None or story.share(_TWO_RECORDS_SHARE)
    if in_two:
        story.send(started, opening | {"status": "Running"})
    if run.variant is not None:
        _assign(story)
    if left == "Running":
        return story.sent
    ending = _work(story) | {"ended_at": time_text(story.at)}
    story.send(story.at, {"type": "run", "id": story.id, **ending} if in_two else opening | ending)
    _score(story)
    return story.sent


def _session(run: PlannedRun) -> dict[str, str]:
    _, key, form = _KINDS[run.function]
    return {key: form.format(run.conversation)}


def _opening(story: _Story, release: str) -> Record:
    """Send the event that starts the run; return what is known of the run before it starts."""
    run, rng = story.run, story.rng
    event_name, _, _ = _KINDS[run.function]
    if run.follow_up and run.function == "answer-ticket":
        event_name = "support/ticket.replied"
    user = f"{run.account.id}-user-{rng.randrange(run.account.users) + 1}"
    happened = story.at - story.between(0.3, 3.0)
    event_id = story.new_id(happened)
    channel = rng.choice(("mail", "web", "app"))
    event = {
        "type": "event",
        "id": event_id,
        "name": event_name,
        "ts": happened,
        "data": {"account_id": run.account.id, "channel": channel, "text": story.words.message},
        "v": "2",
        "sessions": _session(run),
    }
    story.send(happened, event)
    # Only runs of no experiment are ever tried in staging: an experiment is about production.
    staging = run.variant is None and story.share(_STAGING_SHARE)
    opening: Record = {
        "type": "run",
        "id": story.id,
        "app_id": APP,
        "function_id": run.function,
        "triggering_event_name": event_name,
        "event_ids": [event_id],
        "trace_id": f"{rng.getrandbits(128):032x}",
        "user_id": user,
        "environment": "staging" if staging else "production",
        "release": release,
        "queued_at": time_text(happened + 20),
        "input": {"text": story.words.message},
        "attributes": {"account_id": run.account.id, "plan": run.account.plan, "channel": channel},
    }
    if run.function == "answer-chat":
        opening["sessions"] = {**_session(run), "account_id": run.account.id}
    return opening


def _assign(story: _Story) -> None:
    run = story.run
    experiment = EXPERIMENTS[run.function]
    record = {
        "type": "assignment",
        "run_id": story.id,
        "experiment": experiment.name,
        "variant": run.variant,
        "unit": run.account.id,
        "strategy": STRATEGY,
        "weights": dict(experiment.weights),
        "attributes": {"plan": run.account.plan},
        "ts": time_text(story.at),
    }
    story.send(story.at, record)


def _work(story: _Story) -> Record:
    """Do the steps of the run; return status, output or error."""
    if story.run.function == "summarise-call":
        story.step("transcribe", "StepRun", story.between(2.0, 9.0), output={"minutes": story.rng.randrange(1, 30)})
    else:
        _understand(story)
    if story.run.fate == "Cancelled":
        return {"status": "Cancelled"}
    if story.run.fate == "Failed":
        story.fail("call-model", story.model, attempt=0, loop_index=0)
        story.fail("call-model", story.model, attempt=1, loop_index=0)
        return {"status": "Failed", "error": story.fail("call-model", story.model, attempt=2, loop_index=0, last=True)}
    reply = _answer(story)
    if story.run.function == "summarise-call":
        story.step("save-summary", "StepRun", story.between(0.1, 0.4), output={"saved": True})
        return {"status": "Completed", "output": {"summary": reply}}
    if story.run.function == "answer-ticket" and story.share(_ESCALATED_SHARE):
        _escalate(story)
        return {"status": "Completed", "output": {"reply": reply, "escalated": True}}
    story.step("send-reply", "StepRun", story.between(0.1, 0.6), output={"delivered": True})
    return {"status": "Completed", "output": {"reply": reply}}


def _understand(story: _Story) -> None:
    """Classify the message and look for articles that may answer it."""
    found = {"topic": story.words.topic, "confidence": round(story.rng.uniform(0.55, 0.99), 2)}
    story.call("classify", SMALL, found, length=0.2)
    if story.run.function != "answer-ticket":
        return
    articles = [f"kb-{story.rng.randrange(100, 999)}" for _ in range(3)]
    query, lasts = {"query": story.words.topic.replace("-", " ")}, story.between(0.08, 0.5)
    story.step("retrieve", "StepRun", lasts, input=query, output={"articles": articles})
    if story.share(_RELEVANCE_SHARE):
        value = round(story.rng.betavariate(6, 3), 2)
        _send_score(story, story.at, "retrieval-relevance", step_id="retrieve", value=value, source="llm")


def _answer(story: _Story) -> str:
    """Let the model answer, perhaps after a look with a tool; return the reply."""
    length = _LENGTH.get(story.run.variant or "", 1.0)
    loop = 0
    if story.run.function != "summarise-call" and story.share(_TOOL_SHARE):
        call = {"name": story.words.tool, "arguments": story.words.arguments}
        story.call("call-model", story.model, {"tool_calls": [call]}, length=0.3, loop_index=loop)
        story.use(story.words.tool, call, story.between(0.05, 1.2))
        loop = 1
    story.call("call-model", story.model, {"content": story.words.reply}, length=length, loop_index=loop)
    if loop:
        values = {"request_model": story.model.name, "provider": story.model.provider, "calls": loop + 1}
        metadata = {"type": "metadata", "run_id": story.id, "step_id": "call-model", "kind": "inngest.ai"}
        story.send(story.at, {**metadata, "values": values})
    return story.words.reply


def _escalate(story: _Story) -> None:
    """Hand the ticket to people, in a run of its own that this one invokes."""
    begun, lasts = story.at, story.between(3.0, 20.0)
    child = story.new_id(begun)
    story.step("escalate", "InvokeFunction", lasts, output={"run_id": child})
    record = {
        "type": "run",
        "id": child,
        "app_id": APP,
        "function_id": _ESCALATE,
        "status": "Completed",
        "parent_run_id": story.id,
        "environment": "production",
        "queued_at": time_text(begun),
        "started_at": time_text(begun + 15),
        "ended_at": time_text(story.at - 10),
        "input": {"topic": story.words.topic},
        "output": {"queue": story.rng.choice(("billing", "logistics", "technical"))},
        "sessions": _session(story.run),
    }
    story.send(story.at, record)


def _send_score(story: _Story, ms: int, name: str, **fields: object) -> None:
    story.send(ms, {"type": "score", "run_id": story.id, "name": name, "ts": time_text(ms), **fields})


def _score(story: _Story) -> None:
    """Send what is learned of the run: some of it at once, some of it days later, some of it never."""
    _send_score(story, story.at, "cost-usd", value=round(story.cost, 6), source="code", scorer_id="price-table")
    if story.run.fate != "Completed" or story.run.function == "summarise-call":
        return
    _judge(story)
    if story.share(_MOOD_SHARE):
        _send_score(story, story.at, "customer-mood", label=story.rng.choice(_MOODS), source="llm")
    if story.share(_CSAT_SHARE):
        _satisfaction(story)
    if story.share(_REVIEWED_SHARE):
        _review(story)
    if story.run.function == "answer-ticket":
        _feedback(story)
        if not story.run.follow_up and story.share(_EFFORT_SHARE):
            _effort(story)


def _experiment(story: _Story) -> Record:
    return {"name": EXPERIMENTS[story.run.function].name, "variant": story.run.variant}


def _judge(story: _Story) -> None:
    """Send the judge's score; now and then a wrong one first, which is replaced when it is judged again."""
    quality, at = story.run.quality, story.at + story.between(2.0, 20.0)
    judge: Record = {"source": "llm", "scorer_id": "answer-judge"}
    if story.share(_CORRECTED_SHARE):
        _send_score(story, at, "answer-quality", value=round(1 - quality, 2), **judge)
        at += story.rng.randrange(6 * HOUR_MS, 40 * HOUR_MS)
        judge["comment"] = "judged again with the whole conversation"
    _send_score(story, at, "answer-quality", value=quality, **judge)


def _feedback(story: _Story) -> None:
    """Wait for the customer's word, which comes one to six days later; bad news takes longer."""
    scorer = "customer-feedback"
    deferral = {"type": "deferral", "run_id": story.id, "scorer_id": scorer, "experiment": _experiment(story)}
    story.send(story.at, deferral | {"input": _session(story.run), "created_at": time_text(story.at)})
    if story.run.resolved is None:
        return
    soon, late = (1.2, 2.4) if story.run.resolved else (2.4, 1.2)
    after = round(DAY_MS * (1 + 5 * story.rng.betavariate(soon, late)))
    found = {"value": story.run.resolved, "source": "deferred", "scorer_id": scorer, "experiment": _experiment(story)}
    _send_score(story, story.at + after, "resolved", **found)


def _satisfaction(story: _Story) -> None:
    """Send a rating from 1 to 5, half a day to five days later."""
    content = 4.2 if story.run.resolved else 2.6 + 1.2 * story.run.quality
    value = min(max(round(story.rng.gauss(content, 0.9)), 1), 5)
    after = story.rng.randrange(DAY_MS // 2, 5 * DAY_MS)
    account = {"account_id": story.run.account.id}
    _send_score(story, story.at + after, "csat", value=value, source="human", sessions=account)


def _review(story: _Story) -> None:
    """Let two people read the reply; ids of their own keep both scores."""
    after = story.rng.randrange(2 * HOUR_MS, 3 * DAY_MS)
    raters = story.rng.sample(_RATERS, 2)
    for position, rater in enumerate(raters):
        at = story.at + after + position * HOUR_MS
        value = round(min(max(story.rng.gauss(story.run.quality, 0.1), 0.0), 1.0), 1)
        score_id = f"review-{story.id}-{rater}"
        _send_score(story, at, "tone-review", id=score_id, value=value, source="human", scorer_id=rater)
    values = {"raters": raters, "guideline": "tone-2"}
    metadata = {"type": "metadata", "run_id": story.id, "kind": "userland.review", "values": values}
    story.send(story.at + after + HOUR_MS, metadata)


def _effort(story: _Story) -> None:
    """Send how hard the customer found it to get the whole ticket settled, 1 (easy) to 7: a score of the session."""
    at = story.at + story.rng.randrange(2 * DAY_MS, 6 * DAY_MS)
    value = story.rng.randrange(1, 8)
    record = {"type": "score", "session": _session(story.run), "name": "customer-effort", "value": value}
    story.send(at, record | {"source": "human", "ts": time_text(at)})
