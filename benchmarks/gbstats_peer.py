"""GrowthBook's gbstats on sufficient statistics: run by `benchmarks.report` in an environment of its own.

Reads a JSON list of comparisons from stdin, each two arms of {n, m, mm, d, dd, md}: units, and sums over units of
scores, their squares, runs, their squares, and products. Prints the seconds of all tests and each p and interval.
"""

import importlib
import json
import sys
import time
from typing import Any

tests: Any = importlib.import_module("gbstats.frequentist.tests")  # by name: it is not in this project's environment
statistics: Any = importlib.import_module("gbstats.models.statistics")


def ratio(arm: dict[str, float]) -> Any:
    """Return an arm's mean per run as a ratio of sums over units."""
    n = int(arm["n"])
    scores = statistics.SampleMeanStatistic(n=n, sum=arm["m"], sum_squares=arm["mm"])
    runs = statistics.SampleMeanStatistic(n=n, sum=arm["d"], sum_squares=arm["dd"])
    return statistics.RatioStatistic(n=n, m_statistic=scores, d_statistic=runs, m_d_sum_of_products=arm["md"])


comparisons: Any = json.load(sys.stdin)
config = tests.FrequentistConfig(difference_type="absolute")
began = time.perf_counter()
found: list[Any] = [
    tests.TwoSidedTTest(ratio(first), ratio(second), config).compute_result() for first, second in comparisons
]
seconds = time.perf_counter() - began
json.dump(
    {"seconds": seconds, "p": [r.p_value for r in found], "ci": [list(map(float, r.ci)) for r in found]}, sys.stdout
)
