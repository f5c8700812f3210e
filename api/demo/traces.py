"""The demo's runs once more, as OpenTelemetry tells them: a trace a run, in the bodies that OTLP over HTTP takes."""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import msgspec

from api.demo.models import LARGE, OTHER, SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Record = dict[str, Any]

RUNS_PER_BODY = 500

_MODELS = {model.name: model for model in (SMALL, LARGE, OTHER)}
_NOT_TOOLS = frozenset({"transcribe", "save-summary", "send-reply", "retrieve"})
"""Steps of code of our own; every other one that is no model call is a tool the model asked for."""
_CACHED_SHARE = 0.5
_FIRST_TOKEN_SHARE = (0.15, 0.6)
"""When the first token comes, as a share of the call's time."""
_OK, _ERROR = 1, 2
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def traces(records: Iterable[Record]) -> Iterator[bytes]:
    """Yield the traces of the finished runs among `records` as bodies of `POST /v1/traces` (JSON).

    A run's trace has a root span of the agent, one for each attempt of a model call or a tool, and one for what was
    retrieved. Tokens and costs are those of the steps. What the steps do not say, cached tokens and the time to the
    first token, follows from the span's id, so the same records give the same bodies.
    """
    runs, steps = _folded(records)
    finished = iter([run for run in runs.values() if "trace_id" in run and "ended_at" in run])
    while some := list(islice(finished, RUNS_PER_BODY)):
        yield msgspec.json.encode({"resourceSpans": [_resource(run, steps.get(run["id"], [])) for run in some]})


def _folded(records: Iterable[Record]) -> tuple[dict[str, Record], dict[str, list[Record]]]:
    """Return the newest state of each run, and the attempts of its steps, each once."""
    runs: dict[str, Record] = {}
    attempts: dict[tuple[Any, ...], Record] = {}
    for record in records:
        if record["type"] == "run":
            runs[record["id"]] = runs.get(record["id"], {}) | record
        elif record["type"] == "step":
            attempts[record["run_id"], record["id"], record.get("loop_index", 0), record["attempt"]] = record
    ordered = sorted(attempts.values(), key=lambda step: step["run_id"])
    return runs, {run_id: list(group) for run_id, group in groupby(ordered, key=lambda step: step["run_id"])}


def _resource(run: Record, steps: list[Record]) -> Record:
    told = {
        "service.name": run["app_id"],
        "service.version": run["release"],
        "deployment.environment.name": run["environment"],
    }
    root = _id(run["id"])
    agent = _span(run, run, root, f"invoke_agent {run['function_id']}", _agent(run))
    spans = [agent, *(_child(run, root, step) for step in steps if _role(step) is not None)]
    return {
        "resource": {"attributes": _attributes(told)},
        "scopeSpans": [{"scope": {"name": "support-agent"}, "spans": spans}],
    }


def _agent(run: Record) -> Record:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": run["function_id"],
        "user.id": run["user_id"],
    }


def _role(step: Record) -> str | None:
    """Return the operation of a step, by OpenTelemetry's names; None of one that is not told as a span."""
    if step["step_type"] == "AIGateway":
        return "chat"
    if step["id"] == "retrieve":
        return "retrieval"
    return "execute_tool" if step["step_type"] == "StepRun" and step["id"] not in _NOT_TOOLS else None


def _child(run: Record, root: str, step: Record) -> Record:
    id_ = _id(run["id"], step["id"], step.get("loop_index", 0), step["attempt"])
    role = _role(step)
    told: Record = {"gen_ai.operation.name": role, "upshot.step_id": step["id"], "user.id": run["user_id"]}
    name = f"{role} {step['id']}"
    if role == "execute_tool":
        told["gen_ai.tool.name"] = step["id"]
        told["gen_ai.tool.call.arguments"] = msgspec.json.encode(step["input"]["arguments"]).decode()
    elif role == "chat":
        name = f"chat {step['attributes']['model']}"
        told |= _usage(step, id_)
    return _span(run, step, id_, name, told) | {"parentSpanId": root}


def _usage(step: Record, id_: str) -> Record:
    said = step["attributes"]
    asked = {"gen_ai.provider.name": said["provider"], "gen_ai.request.model": said["model"]}
    if "input_tokens" not in said:  # an attempt that failed
        return asked
    read, written = said["input_tokens"], said["output_tokens"]
    soonest, latest = _FIRST_TOKEN_SHARE
    lasts = (_micros(step["ended_at"]) - _micros(step["started_at"])) / 1e6
    return asked | {
        "gen_ai.usage.input_tokens": read,
        "gen_ai.usage.output_tokens": written,
        "gen_ai.usage.cache_read.input_tokens": round(read * _CACHED_SHARE * _share(id_, 0)),
        "gen_ai.usage.cost": round(_MODELS[said["model"]].cost(read, written), 9),
        "gen_ai.response.time_to_first_chunk": round(lasts * (soonest + (latest - soonest) * _share(id_, 8)), 3),
    }


def _span(run: Record, work: Record, id_: str, name: str, told: Record) -> Record:
    """Return a span of the work of a run, which is the run itself or one of its steps."""
    return {
        "traceId": run["trace_id"],
        "spanId": id_,
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(1_000 * _micros(work["started_at"])),
        "endTimeUnixNano": str(1_000 * _micros(work["ended_at"])),
        "status": {"code": _ERROR, "message": work["error"]["message"]} if "error" in work else {"code": _OK},
        "attributes": _attributes({"upshot.run_id": run["id"], **told}),
    }


def _micros(time: str) -> int:
    return (dt.datetime.fromisoformat(time) - _EPOCH) // dt.timedelta(microseconds=1)


def _attributes(told: Record) -> list[Record]:
    return [{"key": key, "value": _value(value)} for key, value in told.items()]


def _value(value: str | float) -> Record:
    if isinstance(value, str):
        return {"stringValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"doubleValue": value}


def _id(*parts: object) -> str:
    """Return the id of a span: 16 hexadecimal digits that follow from what it tells."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def _share(id_: str, at: int) -> float:
    """Return a number from 0 to 1 out of eight of the digits of a span's id."""
    return int(id_[at : at + 8], 16) / 16**8
