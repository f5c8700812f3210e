"""What became of a record that was not accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Code = Literal["malformed", "unknown_type", "unknown_field", "missing_field", "bad_parameter", "too_large"]


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused record.

    `index` counts the records of the request from 0 (blank lines are none); `field` is the path of what is wrong, such
    as `experiment.variant`, or None when it is the record as a whole.
    """

    index: int
    code: Code
    field: str | None
    message: str
