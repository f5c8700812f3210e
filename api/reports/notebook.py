"""The process that has a notebook run: papermill, which sends its cells to a kernel and writes down what comes back.

Started by `api.reports.running` as `python -P -m api.reports.notebook FOLDER`. It runs no code of the notebook; that is
done by the kernel (`api.reports.kernel`), which it starts. What the kernel sends is bounded here.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellControlSignal, DeadKernelError
from papermill import execute
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from api.reports import sandbox
from api.reports.editions import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT, OUTPUT, JOB, RESULT, HOME = "input.ipynb", "notebook.ipynb", "job.json", "result.json", "home"
"""Names in the folder of a run. The notebook's code sees only HOME, what lies in the others it cannot change."""

MAX_BYTES = 64 << 20
"""Of all outputs of a notebook."""
MAX_OUTPUTS = 200
"""Of one cell."""
MAX_TEXT = 100_000
"""Characters of what a cell prints without a break."""

_START_SECONDS = 60
_ERROR_TAG = "papermill-error-cell-tag"


class Job(msgspec.Struct, frozen=True):
    """What is to be run, beside the notebook."""

    params: dict[str, Any]
    port: int
    """The server's: what the notebook's code may connect to."""
    seconds: float
    memory_mb: int


class Result(msgspec.Struct, frozen=True):
    """How it ended, when it came to an end."""

    error: Failure | None


class TooMuchError(Exception):
    """The outputs are more than a notebook may have."""


class _Kernel(AsyncKernelManager):
    """Starts our kernel, whatever the notebook's metadata name."""

    @property
    def kernel_spec(self) -> KernelSpec:
        home = Path(os.environ["HOME"])
        job = msgspec.json.decode((home.parent / JOB).read_bytes(), type=Job)
        limits = [str(job.port), str(job.seconds), str(job.memory_mb)]
        command = [sys.executable, "-P", "-m", "api.reports.kernel", "{connection_file}", str(home), *limits]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


class _Client(PapermillNotebookClient):
    """Bounds what a cell may show, and knows which one it is at."""

    at: int | None = None
    bytes = 0

    def execute_cell(self, cell: Any, cell_index: int, *args: Any, **kwargs: Any) -> Any:
        type(self).at = cell_index
        return super().execute_cell(cell, cell_index, *args, **kwargs)

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        made = super().output(outs, msg, display_id, cell_index)
        if made is None:
            return None
        self.bytes += len(msgspec.json.encode(msg["content"]))
        if self.bytes > MAX_BYTES:
            outs.pop()
            raise TooMuchError
        if made.output_type == "stream":
            _join_stream(outs)
        elif len(outs) > MAX_OUTPUTS:
            outs.pop()
        return made


def _join_stream(outs: list[Any]) -> None:
    """Put what was printed together with what was printed just before, and cut it."""
    last = outs.pop()
    if outs and outs[-1].output_type == "stream" and outs[-1].name == last.name:
        if len(outs[-1].text) <= MAX_TEXT:
            outs[-1].text = _cut(outs[-1].text + last.text)
    elif len(outs) < MAX_OUTPUTS:
        last.text = _cut(last.text)
        outs.append(last)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n[cut here: more than {MAX_TEXT} characters]\n"


class _Engine(NBClientEngine):
    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *_: Any, **__: Any) -> Any:
        client = cast("Any", _Client)
        return client(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=_Kernel,
            startup_timeout=_START_SECONDS,
            timeout=None,
            store_widget_state=False,
            record_timing=False,
        ).execute()


def main() -> None:
    """Run the notebook of a folder, leave it there executed, and say how it ended."""
    folder = Path(sys.argv[1])
    sandbox.end_with_parent()
    threading.Thread(target=_end_with_input, daemon=True).start()
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=Job)
    papermill_engines.register("upshot", _Engine)
    error = _failure(folder, job)
    _tidy(folder / OUTPUT)
    (folder / RESULT).write_bytes(msgspec.json.encode(Result(error)))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _failure(folder: Path, job: Job) -> Failure | None:
    source, target = str(folder / INPUT), str(folder / OUTPUT)
    try:
        cast("Any", execute).execute_notebook(
            source, target, job.params, engine_name="upshot", kernel_name="python3", progress_bar=False
        )
    except PapermillExecutionError as caught:
        error = cast("Any", caught)
        return Failure(error.ename, error.evalue, error.cell_index + 1, first_line(error.source))
    except TooMuchError:
        message = f"its outputs are larger than {MAX_BYTES >> 20} MB together, which is the most"
        return Failure("output_limit", message, *_place(folder))
    except (DeadKernelError, CellControlSignal):
        return Failure("kernel_died", "the process that ran the notebook's code ended", *_place(folder))
    except RuntimeError as error:
        return Failure("kernel_died", f"the process for the notebook's code could not be used: {error}")
    return None


def _place(folder: Path) -> tuple[int | None, str]:
    """Return the number and the first line of the cell that ran last."""
    if _Client.at is None:
        return None, ""
    cells: Sequence[Any] = msgspec.json.decode((folder / OUTPUT).read_bytes())["cells"]
    return _Client.at + 1, first_line(cells[_Client.at]["source"])


def first_line(source: str | Sequence[str]) -> str:
    """Return the first line of a cell that says something."""
    text = source if isinstance(source, str) else "".join(source)
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:200]


def _tidy(path: Path) -> None:
    """Take out of an executed notebook the cells in which papermill speaks of an error, and this machine's paths."""
    notebook = msgspec.json.decode(path.read_bytes())
    notebook["cells"] = [cell for cell in notebook["cells"] if _ERROR_TAG not in cell["metadata"].get("tags", [])]
    for name in ("input_path", "output_path", "environment_variables"):
        notebook["metadata"].get("papermill", {}).pop(name, None)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(notebook), indent=1))


if __name__ == "__main__":
    main()
    os._exit(0)  # the kernel ends with it
