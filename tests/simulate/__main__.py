"""How often the shipped rule errs, beside the usual methods: `make simulate`.

    python -m tests.simulate [--trials N] [--seed S] [--only NAME ...] [--processes 2] [--out docs/simulations.json]

Prints shares with their Monte-Carlo errors and the bounds; progress goes to stderr. The exit code is 1 when a bound is
missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.simulate.cases import CASES
from tests.simulate.measure import Result, measure
from tests.simulate.table import rows, write

SEED = 20_261_121


def main() -> int:
    """Run the cases."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description="How often the shipped rule errs.")
    parser.add_argument("--trials", type=int, help="of every case; by default each has its own number")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    given = parser.parse_args()
    results: dict[str, Result] = {}
    begun = time.monotonic()
    chosen = given.only or list(CASES)
    with ProcessPoolExecutor(given.processes) as pool:
        for name in chosen:
            results[name] = measure(name, given.seed, given.trials or CASES[name].trials, pool)
            print("\n".join(rows(name, results[name])), flush=True)  # noqa: T201 - the table is the output
            print(  # noqa: T201
                f"{len(results)} of {len(chosen)} cases, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True
            )
    if given.out is not None:
        write(given.out, given.seed, results)
    missed = [name for name, r in results.items() if not r.size.passed or (r.loss is not None and not r.loss.passed)]
    print(f"missed: {', '.join(missed) or 'none'}")  # noqa: T201
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
