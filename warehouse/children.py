"""Child processes that read questions from a pipe and end when it closes."""

from __future__ import annotations

import contextlib
import subprocess


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Close a child's input and wait until it has ended, so long at the most; then kill it."""
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
