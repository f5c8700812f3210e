"""One run of a notebook: in processes of its own, within limits, to an end whatever the notebook does.

```
run  ->  api.reports.notebook (papermill, no code of the notebook)  ->  api.reports.kernel (the code, confined)
```

`run` looks every `LOOK_SECONDS`. At a limit it ends the kernel, so that papermill writes down how far it came; and a
moment later everything. Both also end when the process that called `run` does, by the kernel's hand.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from api.reports.definition import check_params, notebook_of
from api.reports.deliveries.outcome import MASK
from api.reports.editions import Failure
from warehouse.errors import UpshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.reports.definition import Definition

LOOK_SECONDS = 0.1
"""Between two looks at what a run takes."""

GRACE_SECONDS = 10.0
"""For papermill to write down how far a notebook came, once its kernel was ended."""

START_SECONDS = 90.0
"""Until the notebook's code can begin; only then its own time begins."""

FOLDER_MB = 256
"""All files that a notebook may have in its folder."""

PAPERMILL_MB = 1024
"""Memory of the process that collects outputs; it has more only when they are far too large."""

_LOOKS_PER_FOLDER = 10
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_INPUT, _OUTPUT, _JOB, _RESULT, _HOME, _MISSING, _SAID = (
    *("input.ipynb", "notebook.ipynb", "job.json", "result.json", "home", "missing.json", "said.txt"),
)
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")
_NOTHING: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


class Ran(msgspec.Struct, frozen=True):
    """What came of a run."""

    status: str
    """done or failed."""
    notebook: Path
    """Executed, as far as it came; always there."""
    error: Failure | None
    seconds: float
    peak_mb: float
    """Most memory that the notebook's own processes had."""
    warnings: tuple[str, ...]
    """What of the sandbox this machine does not have."""


def run(definition: Definition, *, url: str, token: str, known_at: str, params: Mapping[str, Any], folder: Path) -> Ran:
    """Run the notebook of a report in an empty folder. Never raises for what a notebook does.

    Args:
        definition: what is run, and its limits.
        url: of the server, the only place the notebook may connect to (by its port).
        token: the key it asks with; wherever it shows up in what the run leaves it is masked.
        known_at: ISO 8601; all questions of the client are answered as known then.
        params: outrank the definition's own.
        folder: is filled; the notebook's code sees only a folder in it.
    """
    folder = folder.resolve()
    home = folder / _HOME
    (home / "tmp").mkdir(parents=True)
    limits = definition.limits
    job = {"params": {**definition.params, **params}, "port": _port(url)}
    (folder / _JOB).write_bytes(msgspec.json.encode(job | msgspec.structs.asdict(limits)))
    try:
        check_params(definition, params)
        source = _prepared(notebook_of(definition))
    except UpshotError as error:  # it was right when it was put: a shipped notebook has changed since
        (folder / _OUTPUT).write_bytes(_prepared(_NOTHING))
        return Ran("failed", folder / _OUTPUT, Failure(error.code, error.message), 0.0, 0.0, ())
    (folder / _INPUT).write_bytes(source)
    environment = _environment(home) | {"UPSHOT_URL": url, "UPSHOT_API_KEY": token, "UPSHOT_KNOWN_AT": known_at}
    began = time.monotonic()
    with (folder / _SAID).open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "api.reports.notebook", str(folder)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
        try:
            broken, peak_mb = _watched(process, home, limits.seconds, limits.memory_mb)
        finally:
            _end(process)
    seconds = time.monotonic() - began
    error = _outcome(folder, broken)
    if not (folder / _OUTPUT).exists():
        (folder / _OUTPUT).write_bytes(source)
    _mask(folder / _OUTPUT, token)
    if error is not None:
        error = msgspec.json.decode(_masked(msgspec.json.encode(error), token), type=Failure)
    warnings: list[str] = _json(folder / _MISSING) or []
    status = "done" if error is None else "failed"
    return Ran(status, folder / _OUTPUT, error, round(seconds, 3), round(peak_mb, 1), tuple(warnings))


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _prepared(notebook: dict[str, Any]) -> bytes:
    """Return a notebook as it is given to papermill: for our kernel, and without outputs of earlier runs."""
    cells = [
        cell | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})
        for cell in notebook["cells"]
    ]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return msgspec.json.encode(notebook | {"cells": cells, "metadata": notebook["metadata"] | {"kernelspec": kernel}})


def _environment(home: Path) -> dict[str, str]:
    """Return all that the processes of a run see of the environment, besides the server and its key."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    few = dict.fromkeys(_THREADS, str(min(4, os.cpu_count() or 1)))
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        **kept,
        **few,
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLCONFIGDIR": str(home),
        "PYTHONHASHSEED": "0",  # a run with the same questions gives the same answers
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _watched(
    process: subprocess.Popen[bytes], home: Path, seconds: float, memory_mb: int
) -> tuple[Failure | None, float]:
    """Wait until the process has ended, and end it at a limit; return which one, and the most memory it had."""
    until, begun = time.monotonic() + START_SECONDS, False
    peak = 0.0
    for look in itertools.count():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
            return None, peak
        if not begun and (home.parent / _MISSING).exists():
            until, begun = time.monotonic() + seconds, True
        code = sum(map(_memory_mb, _descendants(process.pid)))
        peak = max(peak, code)
        late = f"it ran for {seconds:g} s, the most" if begun else f"it did not begin within {START_SECONDS:g} s"
        is_full = look % _LOOKS_PER_FOLDER == 0 and _size_mb(home) > FOLDER_MB
        limits = (
            ("time_limit", time.monotonic() > until, late),
            ("memory_limit", code > memory_mb, f"it took {code:.0f} MB of memory, {memory_mb} is the most"),
            ("output_limit", _memory_mb(process.pid) > PAPERMILL_MB, "its outputs are too large to be collected"),
            ("folder_limit", is_full, f"its files are larger than {FOLDER_MB} MB together, which is the most"),
        )
        for name, is_over, words in limits:
            if is_over:
                for child in _descendants(process.pid):
                    with contextlib.suppress(OSError):
                        os.kill(child, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_SECONDS)
                return Failure(name, words), peak
    raise AssertionError


def _descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they did; none where there is no /proc."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in thread.read_text().split()]
    return found + [below for child in found for below in _descendants(child)]


def _memory_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / (1 << 20)
    except (OSError, IndexError, ValueError):
        return 0.0


def _size_mb(folder: Path) -> float:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_blocks * 512
    return total / (1 << 20)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run's processes, each with its process group: what is in one dies at one instant, whatever it starts."""
    while (children := _descendants(process.pid)) or process.poll() is None:
        for pid in [process.pid, *children]:
            with contextlib.suppress(OSError):
                if (group := os.getpgid(pid)) != os.getpgrp():
                    os.killpg(group, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    if process.stdin is not None:
        process.stdin.close()


def _outcome(folder: Path, broken: Failure | None) -> Failure | None:
    """Return why the run failed: the limit it broke, at the cell it was at; else as papermill says."""
    result = _json(folder / _RESULT)
    said = None if result is None or result["error"] is None else msgspec.convert(result["error"], Failure)
    if broken is None:
        if result is not None:
            return said
        tail = (folder / _SAID).read_bytes()[-2000:].decode(errors="replace").strip().rpartition("\n")[2]
        return Failure("kernel_died", f"the process that ran the notebook ended: {tail[:500]}", *_running(folder))
    if said is not None and said.cell is not None:
        return Failure(broken.name, broken.message, said.cell, said.source)
    return Failure(broken.name, broken.message, *_running(folder))


def _running(folder: Path) -> tuple[int | None, str]:
    """Return the number and first line of the cell that ran when the notebook was last written down."""
    notebook: dict[str, Any] = _json(folder / _OUTPUT) or {"cells": []}
    cells: list[dict[str, Any]] = notebook["cells"]
    for number, cell in enumerate(cells, 1):
        if cell.get("metadata", {}).get("papermill", {}).get("status") == "running":
            text = "".join(cell["source"])
            return number, next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]
    return None, ""


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _mask(path: Path, token: str) -> None:
    path.write_bytes(_masked(path.read_bytes(), token))


def _masked(text: bytes, token: str) -> bytes:
    """Return JSON without a secret, as it is written in JSON."""
    return text.replace(token.encode(), MASK.encode()) if token else text
