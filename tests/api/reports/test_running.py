"""Whatever a notebook does, its run comes to an end within its limits, is named, and takes nothing it must not have."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api.reports.running import run
from tests.api.reports.notebooks import KNOWN_AT, TOKEN, definition, printed, ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ATTEMPTS = """
import ctypes, json, os, signal, socket, subprocess, threading
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
def called(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")
def elsewhere(work):
    outcome = []
    def attempt():
        try:
            work()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)
        done.set()
    done = threading.Event()
    get_ipython().kernel.iopub_thread.schedule(attempt)  # a thread that was there before this code
    done.wait(10)
    if outcome[0]:
        raise outcome[0]
def fast_open():
    with socket.socket() as one:
        one.sendto(b"x", 0x20000000, ("127.0.0.1", OTHER))
attempts = {
    "write own": lambda: Path("own").write_text("x"),
    "read own": lambda: Path("own").read_text(),
    "remove own": lambda: Path("own").unlink(),
    "a thread": lambda: threading.Thread(target=print).start(),
    "a module": lambda: __import__("polars"),
    "the server": lambda: socket.create_connection(("127.0.0.1", SERVER), 5).close(),
    "read the data": lambda: Path(DATA, "secret").read_text(),
    "list the data": lambda: os.listdir(DATA),
    "read the run": lambda: Path("..", "job.json").read_text(),
    "write the run": lambda: Path("..", "result.json").write_text("{}"),
    "write elsewhere": lambda: Path("/tmp", "upshot-notebook").write_text("x"),
    "read the system's users": lambda: Path("/etc/passwd").read_text(),
    "read the parent's environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "a child": os.fork,
    "a program": lambda: subprocess.run(["true"]),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "a signal to the parent": lambda: os.kill(os.getppid(), signal.SIGTERM),
    "a signal to a thread of the parent": lambda: called(TGKILL, os.getppid(), os.getppid(), 15),
    "another port": lambda: socket.create_connection(("127.0.0.1", OTHER), 5).close(),
    "another port while sending": fast_open,
    "another port in another thread": lambda: elsewhere(
        lambda: socket.create_connection(("127.0.0.1", OTHER), 5).close()
    ),
    "a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "a datagram in another thread": lambda: elsewhere(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "a socket of this machine": lambda: socket.socket(socket.AF_UNIX),
    "a socket of the kernel": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "a socket of several paths": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262),
    "a port of its own": lambda: socket.create_server(("127.0.0.1", 0)),
    "any port": lambda: socket.socket().listen(),
}
outcomes = {}
for name, attempt in attempts.items():
    try:
        attempt()
        outcomes[name] = "done"
    except BaseException as error:
        outcomes[name] = type(error).__name__
print(json.dumps(outcomes))
"""
NEEDED = {"write own", "read own", "remove own", "a thread", "a module", "the server"}

TGKILL = {"x86_64": 234, "aarch64": 131}


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """Serve on a port of its own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each attempt, made by a notebook."""
    data = tmp_path_factory.mktemp("data")
    (data / "secret").write_text("canary")
    with listening() as server, listening() as other:
        names = {"SERVER": server, "OTHER": other, "DATA": str(data), "TGKILL": TGKILL[os.uname().machine]}
        setup = "\n".join(f"{name} = {value!r}" for name, value in names.items())
        folder = data / "reports" / "run"
        done = ran(folder, setup + ATTEMPTS, url=f"http://127.0.0.1:{server}")
    if done.warnings:
        pytest.skip("; ".join(done.warnings))
    assert done.error is None
    return json.loads(printed(json.loads(done.notebook.read_text()))[-1].splitlines()[-1])


def test_what_a_notebook_needs_it_can_do(outcomes: dict[str, str]) -> None:
    """Its own folder, threads, modules that are imported late, and the server."""
    assert dict.fromkeys(NEEDED, "done") == {name: found for name, found in outcomes.items() if name in NEEDED}


def test_all_else_is_refused_by_the_kernel(outcomes: dict[str, str]) -> None:
    """Data, programs, other processes, other places and ways around it, in whichever thread."""
    others = {name: found for name, found in outcomes.items() if name not in NEEDED}
    assert dict.fromkeys(others, "PermissionError") == others


def test_parameters_arrive_and_a_run_sees_only_its_own_environment(tmp_path: Path) -> None:
    """Nothing of the server's environment is in its own; the definition's parameters outrank the notebook's."""
    source = "import json, os; print(json.dumps([days, name, dict(os.environ)]))"
    done = ran(tmp_path / "run", "name = 'x'", source, params={"days": 9})
    days, name, environment = json.loads(printed(json.loads(done.notebook.read_text()))[-1])
    assert (9, "x", "done") == (days, name, done.status)
    assert KNOWN_AT == environment["UPSHOT_KNOWN_AT"]
    assert {"UPSHOT_URL", "UPSHOT_API_KEY", "UPSHOT_KNOWN_AT"} == {one for one in environment if "UPSHOT" in one}
    assert str(tmp_path / "run" / "home") == environment["HOME"]
    assert 0 < done.peak_mb < 500 and 0 < done.seconds < 60


def test_a_failing_cell_is_named_and_what_came_before_is_kept(tmp_path: Path) -> None:
    """The cell's number counts the cell that papermill put in; cells after it did not run."""
    done = ran(tmp_path / "run", "print('before')", "\n# why\n1 / 0", "print('after')", params={"days": 1})
    assert done.error is not None
    assert ("failed", "ZeroDivisionError", "division by zero", 4, "# why") == (
        done.status, done.error.name, done.error.message, done.error.cell, done.error.source,
    )  # fmt: skip
    notebook = json.loads(done.notebook.read_text())
    assert ["", "", "before\n", "", ""] == printed(notebook)
    assert ["error"] == [output["output_type"] for output in notebook["cells"][3]["outputs"]]
    assert str(tmp_path) not in json.dumps(notebook["metadata"])


LIMITS: dict[str, tuple[str, dict[str, int]]] = {
    "time_limit": ("print('so far', flush=True)\nwhile True: pass", {"seconds": 5}),
    "memory_limit": (
        "print('so far', flush=True)\nimport time\nheld = []\n"
        "while True: held.append(bytearray(20 << 20)); time.sleep(.02)",
        {"memory_mb": 256},
    ),
    "folder_limit": (
        "print('so far', flush=True)\nn = 0\nwhile True:\n    open(f'f{n}', 'wb').write(bytes(100 << 20)); n += 1",
        {},
    ),
    "output_limit": (
        "print('so far', flush=True)\nfrom IPython.display import display\n"
        "while True: display({'text/html': 'x' * (4 << 20)}, raw=True)",
        {},
    ),
    "kernel_died": ("print('so far', flush=True)\nimport os, time; time.sleep(1); os._exit(3)", {}),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_ends_the_run_and_is_named(tmp_path: Path, name: str) -> None:
    """At once, with the cell it was in, what it had printed, and nothing of it left running."""
    source, limits = LIMITS[name]
    done = ran(tmp_path / "run", source, "print('after')", limits={"seconds": 60, **limits})
    assert done.error is not None
    assert (name, 2, source.splitlines()[0]) == (done.error.name, done.error.cell, done.error.source)
    assert done.seconds < 60
    assert done.peak_mb < 1024
    shown = printed(json.loads(done.notebook.read_text()))
    assert shown[1].startswith("so far\n") and shown[2] == ""
    assert [] == _processes(tmp_path)


def test_one_huge_allocation_is_refused_by_the_kernel(tmp_path: Path) -> None:
    """Faster than anybody could look: the notebook meets a MemoryError."""
    done = ran(tmp_path / "run", "bytearray(64 << 30)", limits={"memory_mb": 256})
    assert done.error is not None
    assert "MemoryError" == done.error.name


def test_endless_text_is_cut_and_many_outputs_are_bounded(tmp_path: Path) -> None:
    """A cell keeps 100,000 characters of what it prints, and 200 outputs."""
    many = "from IPython.display import display\nfor n in range(500): display(n)"
    done = ran(tmp_path / "run", "for n in range(3000): print('x' * 100)", many)
    cells = json.loads(done.notebook.read_text())["cells"]
    text = "".join(cells[1]["outputs"][0]["text"])
    assert 100_000 < len(text) < 100_100 and "cut here" in text[-100:] and len(cells[1]["outputs"]) == 1
    assert 200 == len(cells[2]["outputs"])
    assert "done" == done.status


def test_its_key_is_nowhere_in_what_a_run_leaves(tmp_path: Path) -> None:
    """Printed, in pieces, raised, and as part of a table's HTML."""
    source = f"""
import os, sys
key = os.environ["UPSHOT_API_KEY"]
assert key == {TOKEN[:8]!r} + {TOKEN[8:]!r}
print(key)
for letter in key:
    print(letter, end="", flush=True)
from IPython.display import HTML, display
display(HTML(f"<b>{{key}}</b>"))
raise RuntimeError(key)
"""
    done = ran(tmp_path / "run", source)
    assert done.error is not None
    assert ("RuntimeError", "•••") == (done.error.name, done.error.message)
    left = done.notebook.read_text()
    assert TOKEN not in left and left.count("•••") >= 4


def test_a_parameter_the_notebook_does_not_have_any_more_fails_the_run(tmp_path: Path) -> None:
    """A shipped notebook may change after a report was defined; the run says so, and does not begin."""
    report = definition("1")
    done = run(report, url="http://127.0.0.1:9", token=TOKEN, known_at=KNOWN_AT, params={"dayz": 1}, folder=tmp_path)
    assert done.error is not None
    assert ("failed", "bad_parameter") == (done.status, done.error.name) and "'dayz'" in done.error.message


ENDLESS = """
import sys
from pathlib import Path
from tests.api.reports.notebooks import ran
ran(Path(sys.argv[1]), "open('here', 'w').close()\\nwhile True: pass")
"""


def test_a_kill_of_the_one_who_runs_it_ends_the_notebook(tmp_path: Path) -> None:
    """SIGKILL, so nobody can clean up: papermill and the kernel end by themselves."""
    root = Path(__file__).resolve().parents[3]
    script = f"import sys; sys.path.insert(0, {str(root)!r})\n{ENDLESS}"
    with subprocess.Popen([sys.executable, "-P", "-c", script, tmp_path / "run"]) as runner:
        _await((tmp_path / "run" / "home" / "here").exists)
        assert 2 <= len(_processes(tmp_path))
        runner.send_signal(signal.SIGKILL)
    _await(lambda: _processes(tmp_path) == [])


def _processes(folder: Path) -> list[int]:
    """Return the processes that were started for a folder's run, by their arguments."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                command = (entry / "cmdline").read_bytes()
                if b"api.reports." in command and str(folder).encode() in command:
                    found.append(int(entry.name))
    return found


def _await(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def test_no_port_is_left_open_to_others(tmp_path: Path) -> None:
    """Papermill speaks to the kernel on loopback only."""
    source = "import ipykernel.connect\nprint(ipykernel.connect.get_connection_info(unpack=True)['ip'])"
    done = ran(tmp_path / "run", source)
    assert done.error is None
    ip = printed(json.loads(done.notebook.read_text()))[-1].strip()
    assert socket.inet_aton(ip)[0] == 127
