"""Built files are named from their manifest and served compressed, for ever, and nothing beside them is."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from api import assets
from api.errors import STATUS
from warehouse.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

SCRIPT = "console.log('é');\n".encode()
MANIFEST = (
    b'{"islands": {"sql": {"file": "sql-A1.js", "imports": ["part-B2.js"]}}, "files": ["sql-A1.js", "part-B2.js"]}'
)


def refused(_request: Request, error: Exception) -> JSONResponse:
    """Answer as the application does, by the error's code."""
    assert isinstance(error, InputError)
    return JSONResponse({"message": str(error)}, STATUS[error.code])


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A server of the route alone, over a folder with two files and a secret beside it."""
    folder = tmp_path / "built"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(MANIFEST)
    for name in ("sql-A1.js", "part-B2.js"):
        (folder / name).write_bytes(SCRIPT)
        (folder / f"{name}.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "secret.js").write_bytes(b"secret")
    monkeypatch.setattr(assets, "BUILT", folder)
    monkeypatch.setattr(assets, "_FILES", frozenset(assets.read(folder).files))
    app = FastAPI()
    app.include_router(assets.router)
    app.add_exception_handler(InputError, refused)
    return TestClient(app)


def test_templates_get_addresses(tmp_path: Path) -> None:
    """Of the script and of what it imports; where nothing was built there are none."""
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    island = assets.Island("/static/built/sql-A1.js", ("/static/built/part-B2.js",))
    assert {"sql": island} == assets.islands(assets.read(tmp_path))
    assert {} == assets.islands(assets.read(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("accept", "encoding"), [("gzip, deflate, br", "gzip"), ("*", "gzip"), ("gzip;q=0", None), ("br", None), ("", None)]
)
def test_compressed_for_those_who_take_it(client: TestClient, accept: str, encoding: str | None) -> None:
    """RFC 9110, section 12.5.3; both forms have the same content and the headers that let a browser keep it."""
    answer = client.get("/static/built/sql-A1.js", headers={"accept-encoding": accept})
    assert (200, SCRIPT, encoding) == (answer.status_code, answer.content, answer.headers.get("content-encoding"))
    assert "text/javascript; charset=utf-8" == answer.headers["content-type"]
    assert "public, max-age=31536000, immutable" == answer.headers["cache-control"]
    assert ("Accept-Encoding", "nosniff") == (answer.headers["vary"], answer.headers["x-content-type-options"])


NAMES = ("sql-A1.js.gz", "manifest.json", "nothing.js", "..%2fsecret.js", "%2e%2e/secret.js", "....//secret.js", "%00")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    """Neither the manifest nor a file outside: what is asked for is looked up, never joined to a path."""
    answer = client.get(f"/static/built/{name}")
    assert 404 == answer.status_code
    assert b"secret" not in answer.content.replace(b"secret.js", b"")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=40))
def test_no_name_breaks_it(client: TestClient, name: str) -> None:
    """Whatever is asked for is a built file or 404."""
    answer = client.get(f"/static/built/{quote(name, safe='', errors='replace')}")
    assert (200 if name in {"sql-A1.js", "part-B2.js"} else 404) == answer.status_code
