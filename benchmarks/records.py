"""A file of runs, assignments and scores, the same for every run of the benchmark."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
START_MS = int(dt.datetime(2026, 9, 1, tzinfo=dt.UTC).timestamp() * 1000)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _ulid(ms: int, tail: int) -> str:
    number = (ms << 80) | tail
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


def records(runs: int, days: int = 10, seed: int = 7) -> Path:
    """Return an NDJSON file of `runs` runs, each with an assignment and two scores, over `days` days."""
    path = DATA / f"runs-{runs}.ndjson"
    if path.exists():
        return path
    DATA.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    units = random.integers(0, max(runs // 100, 2), runs)
    offsets = np.sort(random.integers(0, days * 86_400_000, runs))
    tails = random.integers(0, 2**62, runs)
    quality = random.random(runs)
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        for unit, offset, tail, score in zip(
            units.tolist(), offsets.tolist(), tails.tolist(), quality.tolist(), strict=True
        ):
            ms = START_MS + offset
            id_ = _ulid(ms, tail)
            begun, ended = _iso(ms), _iso(ms + 1500 + tail % 9000)
            file.write(
                f'{{"type":"run","id":"{id_}","app_id":"support","function_id":"answer-ticket","status":"Completed",'
                f'"queued_at":"{begun}","started_at":"{begun}","ended_at":"{ended}","user_id":"user-{unit}",'
                f'"input":{{"ticket":{tail % 100000}}},"attributes":{{"model":"model-{unit % 3}"}}}}\n'
                f'{{"type":"assignment","run_id":"{id_}","experiment":"prompt","variant":"v{unit % 3}",'
                f'"unit":"user-{unit}","ts":"{begun}"}}\n'
                f'{{"type":"score","run_id":"{id_}","name":"solved","value":{"true" if score > 0.4 else "false"},'
                f'"ts":"{ended}"}}\n'
                f'{{"type":"score","run_id":"{id_}","name":"quality","value":{score:.6f},"ts":"{ended}"}}\n'
            )
    partial.rename(path)
    return path


def _iso(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
