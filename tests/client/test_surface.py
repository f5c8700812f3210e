"""The public names, the twins, and that every request is in the server's OpenAPI document."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import upshot
from tests.client.conftest import TRACE
from tests.support.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.support.server import Server

PUBLIC = {
    *("AccessError", "ArgumentError", "AsyncClient", "AsyncPages", "AsyncReport", "AsyncStream", "BusyError", "Client"),
    *("Column", "Error", "Fields", "Ingested", "MissingPackageError", "NotFoundError", "Pages", "QueryError"),
    *(
        "Rejected",
        "RejectedError",
        "Report",
        "Result",
        "Stream",
        "TruncatedWarning",
        "UnreachableError",
        "Verdict",
        "fact",
    ),
}

MEMBERS = {
    "now",
    *("close", "experiments", "experiments.get", "experiments.list", "experiments.report", "ingest", "overview"),
    *("query", "runs", "runs.get", "runs.list", "runs.payload", "score", "scores", "scores.get", "scores.list"),
    *("sessions", "sessions.get", "sessions.list", "stream", "traces", "traces.get"),
}
"""What a client has, its resources' methods included."""


def test_the_public_names_are_these() -> None:
    """Nothing is public by accident, and each says that it is `upshot`'s."""
    assert PUBLIC == set(upshot.__all__)
    assert sorted(PUBLIC) == upshot.__all__
    assert PUBLIC == {name for name in vars(upshot) if not name.startswith("_")}
    assert {"upshot"} == {getattr(upshot, name).__module__ for name in PUBLIC}


def public(of: object) -> dict[str, Any]:
    """Return the public members of an object, by name."""
    return {name: getattr(of, name) for name in dir(of) if not name.startswith("_")}


def members(client: upshot.Client | upshot.AsyncClient) -> dict[str, Any]:
    """Return what a client has; a resource's methods as `runs.list`."""
    own = public(client)
    resources = {name: one for name, one in own.items() if not callable(one)}
    return own | {f"{at}.{name}": one for at, resource in resources.items() for name, one in public(resource).items()}


def test_sync_and_async_are_twins() -> None:
    """The same names; the same parameters with the same defaults and types, in the same order."""
    with upshot.Client() as sync:
        twins = members(sync), members(upshot.AsyncClient())
        assert MEMBERS == twins[0].keys() == twins[1].keys()
        for name in (name for name in MEMBERS if callable(twins[0][name])):
            ours, theirs = (inspect.signature(twin[name]).parameters for twin in twins)
            assert [*ours.values()] == [*theirs.values()], name
    assert [*inspect.signature(upshot.Client).parameters.values()] == [
        *inspect.signature(upshot.AsyncClient).parameters.values()
    ]
    assert set(dir(upshot.Report)) == set(dir(upshot.AsyncReport))
    assert inspect.signature(upshot.Report.chart).parameters == inspect.signature(upshot.AsyncReport.chart).parameters


TIMES = {"since": "2026-09-01", "until": "2026-09-02"}


def everything(client: Any) -> list[Any]:
    """Return what every call with every argument gives: values of a `Client`, awaitables of an `AsyncClient`."""
    runs = {
        "function": "answer",
        "status": "Completed",
        "environment": "e",
        "user": "user-1",
        "score": "solved",
        "score_below": 2.0,
        "score_above": -1,
        "experiment": "prompt",
        "variant": "plain",
        "q": "ключ",
        "order": "slowest",
        **TIMES,
    }
    options = {"score": "solved", "alpha": 0.01, "higher_is_better": True, "weights": {"plain": 1, "terse": 1}}
    times = {"since": "2026-01-01", "as_of": "2026-12-01T00:00:00Z", "known_at": "2027-01-01", "planned_end": "2027-01"}
    return [
        client.score(name="seen", value=1, run_id="run-1", ts="2026-09-01"),
        client.query("SELECT $a AS a", {"a": 1}, known_at="2027-01-01", limit=5, timeout=5),
        client.experiments.list(),
        client.experiments.get("prompt"),
        client.experiments.report("prompt", **options),
        client.experiments.report("prompt", score="solved", maturity="0s", where="user_id <> 'x'", estimand="units"),
        client.experiments.report("prompt", score="solved", **{k: times[k] for k in ("since", "as_of", "known_at")}),
        client.experiments.report(
            "prompt", score="solved", secondary_scores=["solved"], segments=["user_id"], control="plain", unit="run",
            guardrails=[{"score": "solved", "margin": 0.5, "higher_is_better": True}], margin=0.1, planned_units=100,
            environment="production", primary_score="solved", planned_end="2027-01-01",
        ),
        client.sessions.list(key="ticket", q="T", status="Failed", order="oldest", limit=3, **TIMES).page(),
        client.sessions.get("ticket", "T-1", limit=1),
        client.runs.list(limit=3, **runs).page(),
        client.runs.get("run-1", limit=1),
        client.runs.payload("run-1", of="input"),
        client.traces.get(TRACE, limit=1),
        client.scores.list(),
        client.scores.get("solved", function="answer", **TIMES),
        client.overview(**TIMES),
        client.ingest([]),
    ]  # fmt: skip


def test_every_request_is_in_the_openapi_document(server: Server) -> None:
    """Path, method and parameters of all that both twins send."""
    sent: list[httpx.Request] = []

    async def noted(request: httpx.Request) -> None:
        sent.append(request)

    with upshot.Client(server.url) as client:
        client._transport._http.event_hooks["request"].append(sent.append)
        answers = everything(client)
        for format_ in ("svg", "png", "vega"):
            answers[4].chart("series", format=format_)
        with client.stream("SELECT 1 AS a") as stream:
            list(stream)

    async def again() -> list[Any]:
        async with upshot.AsyncClient(server.url) as client:
            client._transport._http.event_hooks["request"].append(noted)
            answers = [await answer for answer in everything(client)]
            for format_ in ("svg", "png", "vega"):
                await answers[4].chart("series", format=format_)
            async with client.stream("SELECT 1 AS a") as stream:
                assert [1] == [batch.num_rows async for batch in stream]
            return answers

    theirs = asyncio.run(again())
    for at in (2, 3, *range(8, 16)):  # the overview counts what arrived, the resent score too
        assert answers[at] == theirs[at]
    assert [{"a": 1}] == answers[1].rows() == theirs[1].rows()
    asked = [(request.method, request.url.raw_path.partition(b"?")[0], [*request.url.params]) for request in sent]
    half = len(asked) // 2
    assert sorted(asked[:half]) == sorted(asked[half:])

    document = server.http.get("/openapi.json").json()
    # A segment that is a name or an id never holds a slash as it is sent; the longest path that fits is the route.
    routes = {re.sub(r"\{\w+\}", "[^/]+", path): path for path in document["paths"]}
    for method, raw, parameters in asked:
        path = raw.decode()
        fitting = [route for pattern, route in routes.items() if re.fullmatch(pattern, path)]
        assert fitting, path
        operation = document["paths"][max(fitting, key=len)][method.lower()]
        known = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
        assert set(parameters) <= known, (path, set(parameters) - known)
    fields = set(document["components"]["schemas"]["QueryRequest"]["properties"])
    query = next(request for request in sent if request.url.path == "/v1/query")
    assert {"sql", "params", "limit", "timeout_s", "known_at"} == fields - {"dialect"}
    assert all(f'"{name}":'.encode() in query.content for name in fields - {"dialect"})


def test_the_readmes_snippets_run(scratch: Server, tmp_path: Path) -> None:
    """All Python of `client/README.md` in its order as one program, in a process of its own."""
    text = (ROOT / "client/README.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    program = tmp_path / "readme.py"
    program.write_text("\n".join(snippets))
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        env={"UPSHOT_URL": scratch.url, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    [drawn] = re.findall(r"```\n(referenced.*?)```", text, re.DOTALL)
    assert drawn in done.stdout


def test_httpx_is_all_it_needs(server: Server) -> None:
    """In a process without pyarrow, pandas and polars: rows come, frames say what to install."""
    program = f"""
import sys
for name in ("pyarrow", "pandas", "polars", "numpy"):
    sys.modules[name] = None
before = set(sys.modules)
import upshot
ours = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
print(sorted(ours))
with upshot.Client({server.url!r}) as client:
    rows = client.query("SELECT id, started_at FROM runs ORDER BY started_at LIMIT 1")
    print(rows.rows())
    for form in (rows.arrow, rows.polars, rows.pandas, lambda: client.stream("SELECT 1").__enter__()):
        try:
            form()
        except upshot.MissingPackageError as error:
            print(error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    imported, rows, *hints = done.stdout.splitlines()
    needed = {"anyio", "certifi", "click", "h11", "httpcore", "httpx", "idna", "pygments", "rich", "sniffio", "upshot"}
    assert set(eval(imported)) <= needed | {"typing_extensions", "brotli", "zstandard", "_cffi_backend"}  # noqa: S307 - a list that we print
    assert "'id': 'run-0', 'started_at': datetime.datetime(2026, 9, 1" in rows
    assert 4 == len(hints) and all("pip install 'upshot[arrow]'" in hint for hint in hints)


KEY = "secret-key-0123456789"


def test_the_key_is_in_no_text(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in representations, not in what any error says."""
    monkeypatch.setenv("UPSHOT_API_KEY", KEY)
    with upshot.Client(server.url) as client:
        assert KEY == client._settings.key
        with pytest.raises(upshot.AccessError) as raised:
            client.query("SELECT 1")
        texts = [repr(client), str(client._settings), repr(client._transport), repr(raised.value), str(raised.value)]
        texts += [repr(client._transport._http.headers), repr(client.runs), repr(client.runs.list())]
    assert "with a key" in texts[0]
    for bad in (f"{KEY}\n{KEY}", f"{KEY} x", f"{KEY}\x00", f"{KEY}é"):
        with pytest.raises(upshot.ArgumentError, match="the key has characters") as refused:
            upshot.Client(api_key=bad)
        texts += [str(refused.value), repr(refused.value)]
    for address in (f"http://user:{KEY}@127.0.0.1", f"http://127.0.0.1/?key={KEY}", f"ftp://{KEY}", f"http://{KEY}:x"):
        with pytest.raises(upshot.ArgumentError, match="the server's address") as refused:
            upshot.Client(address)
        texts += [str(refused.value), repr(refused.value)]
    assert not [text for text in texts if KEY in text]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": 0}, "timeout is 0, must be seconds above 0"),
        ({"timeout": float("nan")}, "timeout is nan, must be seconds above 0"),
        ({"connect_timeout": -1}, "connect_timeout is -1, must be seconds above 0"),
        ({"retries": -1}, "retries is -1, must be 0 or more"),
        ({"known_at": 1.5}, "known_at is a float, must be ISO 8601 text"),
        ({"url": "127.0.0.1:8787"}, "does not begin with http:// or https://"),
    ],
)
def test_a_bad_argument_names_value_and_bound(given: dict[str, Any], message: str) -> None:
    """Before anything is sent; also a ValueError."""
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        upshot.Client(**given)
    assert isinstance(raised.value, upshot.ArgumentError)
