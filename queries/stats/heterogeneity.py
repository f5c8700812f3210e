"""Does a difference differ between segments: Cochran's Q."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy import special

from queries.stats.comparison import SMALLEST_P

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Q:
    """Cochran's Q: a chi-square with `df` degrees of freedom when the true difference is the same in every segment."""

    statistic: float
    df: int
    p: float


def cochran_q(differences: Sequence[float], variances: Sequence[float | None]) -> Q | None:
    """Return the test that all segments have one difference; None with fewer than two that can be compared.

    Q = sum (d_i - d)^2 / V_i around the mean d weighted by 1 / V_i (Cochran 1954). It takes the variances as known, so
    segments of very few units make its p too small. A segment without variance (None or 0) does not count.
    """
    known = [(d, v) for d, v in zip(differences, variances, strict=True) if v is not None and v > 0]
    if len(known) < 2:  # noqa: PLR2004 - one segment has nothing to differ from
        return None
    sharpest = min(v for _, v in known)
    weights = [sharpest / v for _, v in known]  # of the sharpest one, so that none overflows
    mean = math.fsum(w * d for w, (d, _) in zip(weights, known, strict=True)) / math.fsum(weights)
    statistic = math.fsum((d - mean) / v * (d - mean) for d, v in known)
    df = len(known) - 1
    return Q(statistic, df, max(float(special.chdtrc(df, statistic)), SMALLEST_P)) if math.isfinite(statistic) else None
