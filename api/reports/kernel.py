"""The process a notebook's code runs in: an IPython kernel that has taken from itself what the code must not have.

Started by papermill (`api.reports.notebook`) with CONNECTION-FILE FOLDER PORT SECONDS MEMORY-MB as arguments.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from api.reports import sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING = "missing.json"
"""Where it says what could not be taken, beside the folder."""

_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_BIND_SECONDS = 20.0
_ALTAIR = tuple(f"altair.vegalite.v{version}.api" for version in (5, 6, 7))


def main() -> None:
    """Confine this process, then answer papermill until it ends."""
    connection, folder = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    port, seconds, memory_mb = int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    sandbox.end_with_parent()
    ports: dict[str, int] = json.loads(connection.read_text())
    app = _app(folder)
    sandbox.bound(seconds, memory_mb)
    with (folder.parent / MISSING).open("w", encoding="utf-8") as said:
        missing = sandbox.confine(folder, [connection], port, [ports[name] for name in _PORTS])
        app.initialize(["-f", str(connection)])
        _await_heartbeat(ports["hb_port"])
        missing += sandbox.settle()
        said.write(json.dumps(missing))
    _show_altair_as_data(app.shell)
    app.start()


def _app(folder: Path) -> Any:
    """Return the application of the kernel, its profile made: later it could make no folder of it."""
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415 - of the extra `reports`
    from IPython.core.profiledir import ProfileDir  # noqa: PLC0415 - the same
    from traitlets.config import Config  # noqa: PLC0415 - the same

    home = folder / ".ipython"
    home.mkdir(exist_ok=True)
    os.environ["IPYTHONDIR"] = str(home)
    cast("Any", ProfileDir).create_profile_dir_by_name(str(home), "default")
    own = Config()
    own.HistoryManager.enabled = False
    own.InteractiveShell.colors = "nocolor"
    return cast("Any", IPKernelApp).instance(config=own, log_level="CRITICAL")


def _await_heartbeat(port: int) -> None:
    """Wait until the thread of the heartbeat has bound its port: the last one that must."""
    until = time.monotonic() + _BIND_SECONDS
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)


def _show_altair_as_data(shell: Any) -> None:
    """Have charts shown as their specification; Altair's own way is a page that loads scripts from elsewhere."""
    for module in _ALTAIR:
        shell.display_formatter.mimebundle_formatter.for_type_by_name(module, "TopLevelMixin", _as_data)


def _as_data(chart: Any, **_: Any) -> Mapping[str, Any]:
    spec = chart.to_dict()
    version = str(spec.get("$schema", "")).rpartition("/v")[2].partition(".")[0]
    return {f"application/vnd.vegalite.v{version}+json": spec, "text/plain": f"<{type(chart).__name__}>"}


if __name__ == "__main__":
    main()
    os._exit(0)
