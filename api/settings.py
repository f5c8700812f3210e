"""Every setting once: its name, default and meaning. Parsed here, at the edge, and nowhere else.

A flag of the command line outranks `UPSHOT_<NAME>` in the environment, which outranks the default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table."""

    name: str
    default: str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable of this setting."""
        return f"UPSHOT_{self.name.upper()}"


SETTINGS: tuple[Setting, ...] = (
    Setting("data", "upshot-data", "Folder that holds everything; made when it is missing."),
    Setting("host", "127.0.0.1", "Address to listen on. Beyond loopback, callers need a key."),
    Setting("port", "8787", "Port of HTTP."),
    Setting("otlp_grpc_port", "4317", "Port of OTLP over gRPC; 0 or empty: none."),
    Setting("otlp_run_ids", "", "Attributes that also name a span's run, after `upshot.run_id`; separated by commas."),
    Setting(
        "otlp_sessions",
        "traceloop.association.properties.session_id=session_id,ai.telemetry.metadata.sessionId=session_id",
        "Attributes that also name a span's session, each with the session's key; separated by commas.",
    ),
    Setting("prices", "", "TOML file of your own prices of models, looked up before the public ones."),
    Setting("query_seconds", "10", "Seconds a query may take when it does not say (a query may ask for up to 30)."),
    Setting("query_rows", "10000", "Rows a query returns when it does not say."),
    Setting("query_memory_mb", "1000", "Memory of a query worker's engine, in MB."),
    Setting("query_answer_mb", "1000", "Size of one answer, in MB, whatever its format."),
    Setting("query_scan_mb", "0", "Size of the files one query may read, in MB; 0: any. A query above it is refused."),
    Setting(
        "public_url", "", "Address under which people reach this server, for links in reports; its own when empty."
    ),
    Setting(
        "reports_database", "", "URL of a Postgres that queues reports' runs; a file in the data folder when empty."
    ),
    Setting(
        "smtp_url", "", "Mail server of reports: smtps://user:password@host, or smtp:// with STARTTLS; empty: no mail."
    ),
    Setting("smtp_from", "", "Address that mail of reports comes from."),
    Setting("report_http", "off", "on or off: deliveries of reports may go to http:// addresses beyond this machine."),
    Setting("request_log", "on", "on or off: one line for each query in logs/ of the data folder, without its text."),
    Setting("log_level", "info", "debug, info, warning or error."),
)

_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, parsed."""

    data: Path
    host: str
    port: int
    otlp_grpc_port: int
    otlp_run_ids: tuple[str, ...]
    otlp_sessions: Mapping[str, str]
    prices: Path | None
    query_seconds: float
    query_rows: int
    query_memory_mb: int
    query_answer_mb: int
    query_scan_mb: int
    public_url: str
    reports_database: str
    smtp_url: str
    smtp_from: str
    report_http: bool
    request_log: bool
    log_level: str
    asked: frozenset[str]
    """Names of those that were given, and are not the defaults of the table."""


def load(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from what was given on the command line and the environment.

    Raises:
        InputError: a value cannot be used; the message names it, its variable and the bound.
    """
    environment = os.environ if environment is None else environment
    given = given or {}
    text = {
        setting.name: str(given[setting.name])
        if given.get(setting.name) is not None
        else environment.get(setting.variable, setting.default)
        for setting in SETTINGS
    }
    asked = frozenset(
        setting.name for setting in SETTINGS if given.get(setting.name) is not None or setting.variable in environment
    )
    assert {*text, "asked"} == {field.name for field in fields(Settings)}  # noqa: S101 - one table, one class
    if text["log_level"] not in _LEVELS:
        raise InputError(f"UPSHOT_LOG_LEVEL is {shown(text['log_level'])}, must be one of {', '.join(_LEVELS)}")
    for name in ("report_http", "request_log"):
        if text[name] not in ("on", "off"):
            raise InputError(f"UPSHOT_{name.upper()} is {shown(text[name])}, must be on or off")
    return Settings(
        data=Path(text["data"]),
        host=text["host"],
        port=_whole("port", text["port"], 0, MAX_PORT),
        otlp_grpc_port=_whole("otlp_grpc_port", text["otlp_grpc_port"] or "0", 0, MAX_PORT),
        otlp_run_ids=_listed(text["otlp_run_ids"]),
        otlp_sessions=dict(_pair("otlp_sessions", item) for item in _listed(text["otlp_sessions"])),
        prices=Path(text["prices"]) if text["prices"] else None,
        query_seconds=_whole("query_seconds", text["query_seconds"], 1, 30),
        query_rows=_whole("query_rows", text["query_rows"], 0, 1_000_000),
        query_memory_mb=_whole("query_memory_mb", text["query_memory_mb"], 100, 1_000_000),
        query_answer_mb=_whole("query_answer_mb", text["query_answer_mb"], 1, 1_000_000),
        query_scan_mb=_whole("query_scan_mb", text["query_scan_mb"], 0, 1_000_000_000),
        public_url=_address("public_url", text["public_url"], ("http://", "https://")),
        reports_database=_address("reports_database", text["reports_database"], ("postgresql://",)),
        smtp_url=text["smtp_url"],
        smtp_from=text["smtp_from"],
        report_http=text["report_http"] == "on",
        request_log=text["request_log"] == "on",
        log_level=text["log_level"],
        asked=asked,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _address(name: str, text: str, schemes: tuple[str, ...]) -> str:
    if text and not text.startswith(schemes):  # not shown: it may hold a password
        raise InputError(f"UPSHOT_{name.upper()} must begin with {' or '.join(schemes)}")
    return text


def _pair(name: str, text: str) -> tuple[str, str]:
    attribute, equals, key = map(str.strip, text.partition("="))
    if not equals or not attribute or not key:
        raise InputError(f"UPSHOT_{name.upper()} has {shown(text)}, must be attribute=key")
    return attribute, key


def _whole(name: str, text: str, low: int, high: int) -> int:
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise InputError(f"UPSHOT_{name.upper()} is {shown(text)}, must be a whole number from {low} to {high}")
    return int(text)
