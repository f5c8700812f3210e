"""Lists of dicts as frames of other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upshot._errors import ArgumentError, MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def of_dicts(rows: Sequence[dict[str, Any]], columns: list[str], package: str) -> Any:
    """Return rows as a frame of `pandas` or `polars`; raises MissingPackageError, or ArgumentError for another."""
    try:
        if package == "pandas":
            import pandas as pd  # noqa: PLC0415 - an extra

            return pd.DataFrame(rows, columns=columns)
        if package == "polars":
            import polars as pl  # noqa: PLC0415 - an extra

            return pl.DataFrame(rows, schema=columns, infer_schema_length=None)
    except ImportError as error:
        raise MissingPackageError(f"{package} is not installed", hint=f"pip install 'upshot[{package}]'") from error
    raise ArgumentError(f"frame is {package!r}, must be pandas or polars")
