"""One mapping from codes to HTTP statuses and exit codes, and the one error body (DESIGN sections 5 and 6)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.errors import UpshotError

STATUS: dict[str, int] = {
    "malformed": 400,
    "syntax": 400,
    "refused_statement": 400,
    "refused_function": 400,
    "unknown_table": 400,
    "unknown_column": 400,
    "bad_parameter": 400,
    "engine_error": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "too_large": 413,
    "memory_limit": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
    "disk_full": 507,
}

GUARD_CODES = frozenset({"syntax", "refused_statement", "refused_function", "unknown_table", "unknown_column"})

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED, EXIT_NOT_FOUND = range(5)


def exit_code(code: str) -> int:
    """Return the command line's exit code for an error code."""
    if code in GUARD_CODES:
        return EXIT_REFUSED
    return {"not_found": EXIT_NOT_FOUND, "bad_parameter": EXIT_USAGE}.get(code, EXIT_FAILED)


def code_of_status(status: int) -> str:
    """Return a code for a status that the framework answered by itself."""
    named = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    return named.get(status, "bad_parameter" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal")


def body(error: UpshotError, request_id: str) -> dict[str, Any]:
    """Return the error body of an error."""
    facts: dict[str, Any] = {"code": error.code, "message": error.message}
    for name in ("line", "col", "length", "hint"):
        if (value := getattr(error, name)) is not None:
            facts[name] = value
    return {"error": {**facts, "request_id": request_id}}
