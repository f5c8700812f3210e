"""Which variant an account gets: Inngest's `bucket` strategy, so that the choice can be recomputed from the account."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STRATEGY = "bucket"


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of the demo: the function it runs in and the weights of its variants, in sorting order."""

    name: str
    function: str
    weights: Mapping[str, float]


SUPPORT_PROMPT = Experiment("support-prompt", "answer-ticket", {"concise": 1.0, "control": 1.0, "empathetic": 1.0})
REPLY_TONE = Experiment("reply-tone", "answer-chat", {"A": 1.0, "B": 1.0})

EXPERIMENTS = {experiment.function: experiment for experiment in (SUPPORT_PROMPT, REPLY_TONE)}
"""The experiment of a function; other functions have none."""


def bucket(value: str, weights: Mapping[str, float]) -> str:
    """Return the variant of `value`: 32 bits of its SHA-256 as a number in [0, 1), cut by the weights.

    The variants' names must stand in the sorting order of JavaScript's `localeCompare`, as in Inngest's SDK
    (`ExperimentStrategies.ts`): shares are added one after another, and the last variant takes what rounding leaves.
    """
    point = int(hashlib.sha256(value.encode()).hexdigest()[:8], 16) / 2**32
    total = sum(weights.values())
    cursor = 0.0
    for variant, weight in weights.items():
        cursor += weight / total
        if point < cursor:
            return variant
    return next(reversed(list(weights)))
