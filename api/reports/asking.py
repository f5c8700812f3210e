"""Runs that somebody asked for, on their way from the server to the worker: a file each, until there is an edition."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from api.reports.scheduling import Firing
from warehouse.clock import iso
from warehouse.files import make_folders, sync

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = structlog.get_logger("reports")

State = Literal["waiting", "running", "failed"]

_KEPT_SECONDS = 86_400
"""How long it is said of a run that it failed without an edition."""


class Asked(msgspec.Struct, frozen=True):
    """A run that was asked for, and how far it is."""

    firing: Firing
    state: State = "waiting"
    """failed: it came to no edition at all; a notebook that fails has one."""
    error: str | None = None


def new(workspace: str, report: str, params: Mapping[str, Any], now_us: int, *, deliver: bool = True) -> Firing:
    """Return a run of its own: everything as known now."""
    stamp = dt.datetime.fromtimestamp(now_us / 1e6, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return Firing(workspace, report, f"{stamp}-{secrets.token_hex(4)}", iso(now_us), None, dict(params), deliver)


class Asking:
    """The folder of these files. The server adds, the worker does the rest; both may be killed at any instruction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, firing: Firing) -> None:
        """Ask for a run; durable once it returns. What was asked for already stays as it is."""
        path = self._path(firing)
        if not path.exists():
            make_folders(path.parent, self._folder.parent)
            self._write(Asked(firing))

    def get(self, workspace: str, report: str, edition: str) -> Asked | None:
        """Return a run that was asked for; None when there is none, or its edition is kept."""
        found = _read(self._folder / workspace / f"{edition}.json")
        return found if found and found.firing.report == report else None

    def all(self) -> list[Asked]:
        """Return every run that was asked for; one that cannot be read is logged."""
        paths = sorted(self._folder.glob("*/*.json"))
        return [found for path in paths if (found := _read(path)) is not None]

    def say(self, firing: Firing, state: State, error: str | None = None) -> None:
        """Say how far a run is, if somebody asked for it."""
        if self._path(firing).exists():
            self._write(Asked(firing, state, error))

    def done(self, firing: Firing) -> None:
        """Forget a run: its edition is kept."""
        self._path(firing).unlink(missing_ok=True)

    def forget_failed(self, now: float) -> None:
        """Forget the runs that failed long ago; `now` in seconds since 1970."""
        for asked in self.all():
            path = self._path(asked.firing)
            with contextlib.suppress(FileNotFoundError):
                if asked.state == "failed" and path.stat().st_mtime < now - _KEPT_SECONDS:
                    path.unlink()

    def _path(self, firing: Firing) -> Path:
        return self._folder / firing.workspace / f"{firing.edition}.json"

    def _write(self, asked: Asked) -> None:
        path = self._path(asked.firing)
        half = path.with_suffix(f".{secrets.token_hex(4)}")
        half.write_bytes(msgspec.json.encode(asked))
        sync(half)
        half.rename(path)
        sync(path.parent)


def _read(path: Path) -> Asked | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Asked)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        log.exception("asked_unreadable", file=str(path), error=str(error))
        return None
