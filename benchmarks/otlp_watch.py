"""What a process and its descendants use, from Linux' /proc: memory while it lasts, CPU seconds; and bytes on disk."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SAMPLE_SECONDS = 0.5
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PPID, _UTIME, _CSTIME = 1, 11, 14
"""Positions in /proc/PID/stat after the command, which may itself hold blanks and brackets (proc(5)).

The CPU time of the process in user and kernel mode, and the same of children that ended, stand side by side.
"""


class Memory(NamedTuple):
    """Of a process, MB."""

    name: str
    """The module that Python runs, else the program, and the process's id."""
    resident: float
    """Pages that it shares with others included."""
    share: float
    """Each shared page divided by those who share it (PSS), so that processes add up to what they take together."""


@dataclass
class Peak:
    """The most memory that a process tree took, MB."""

    resident: float = 0.0
    """Of all processes at one time; a page that processes share counts in each of them."""
    shared_once: float = 0.0
    """The same with each page counted once."""
    each: dict[str, float] = field(default_factory=dict[str, float])
    """Resident memory of each process at any time, by its name and id."""


@contextlib.contextmanager
def watching(pid: int) -> Iterator[Peak]:
    """Sample the memory of a process tree until the block ends."""
    peak, done = Peak(), threading.Event()

    def sample() -> None:
        while True:
            now = memory(pid)
            peak.resident = max(peak.resident, sum(each.resident for each in now))
            peak.shared_once = max(peak.shared_once, sum(each.share for each in now))
            for each in now:
                peak.each[each.name] = max(peak.each.get(each.name, 0.0), each.resident)
            if done.wait(SAMPLE_SECONDS):
                return

    thread = threading.Thread(target=sample, name="watch", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def memory(pid: int) -> list[Memory]:
    """Return the memory of a process and its descendants."""
    found: list[Memory] = []
    for each in _tree(pid):
        folder = _PROC / str(each)
        try:
            facts = dict(line.split(":", 1) for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:  # it ended meanwhile
            continue
        mb = {name: int(facts[name].split()[0]) / 1000 for name in ("Rss", "Pss")}
        found.append(Memory(f"{_name(command)} {each}", mb["Rss"], mb["Pss"]))
    return found


def cpu_seconds(pid: int, since: Mapping[str, float] = MappingProxyType({})) -> dict[str, float]:
    """Return the CPU seconds that a process and its descendants have used, by what they run; less those of before.

    The account of a process includes the children that it has waited for; those that live have their own.
    """
    used = {name: -seconds for name, seconds in since.items()}
    for each, stat in _tree(pid).items():
        try:
            name = _name((_PROC / str(each) / "cmdline").read_text().split("\0"))
        except OSError:  # it ended meanwhile
            continue
        used[name] = used.get(name, 0.0) + sum(map(int, stat[_UTIME : _CSTIME + 1])) / _TICKS
    return used


def disk_bytes(folder: Path, pattern: str = "*") -> int:
    """Return the bytes of a folder's files; those that go while it looks count nothing."""
    total = 0
    for path in folder.rglob(pattern):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


def _tree(pid: int) -> dict[int, list[str]]:
    """Return the fields of /proc/PID/stat after the command, of a process and its descendants."""
    stats: dict[int, list[str]] = {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
    found = {pid} & set(stats)
    while more := {each for each, stat in stats.items() if int(stat[_PPID]) in found} - found:
        found |= more
    return {each: stats[each] for each in sorted(found)}


def _name(command: list[str]) -> str:
    """Return the module that Python runs, else the program."""
    options = command[1:4]
    if "-c" in options:
        return "python"
    if "-m" in options:
        return command[command.index("-m") + 1]
    words = (Path(word).name for word in command if word and not word.startswith("-"))
    return next((word for word in words if "python" not in word), "python")
