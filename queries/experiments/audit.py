"""Whether the assignments are what Inngest's hash makes of their keys, and which key that was when none is known.

The unit that was hashed gives itself away: hashed again with the recorded weights it reproduces every assignment, and
any other key agrees about as often as the shares of the variants have it.
"""

from __future__ import annotations

import json
import math
import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from queries.experiments.bucketing import BUCKET, WEIGHTED, Cuts, as_number, number_text
from queries.experiments.declared import Note, json_object
from queries.experiments.statements import Statement
from warehouse.clock import iso
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from queries.experiments.statements import Asker

LARGEST_SAMPLE = 20_000
"""Runs a proposal looks at: the first by the MD5 of their id."""

MOST_CANDIDATES = 200
MOST_HASHES = 500_000
"""Keys a proposal hashes; with many candidates it looks at fewer runs for each."""

MOST_JSON_BYTES = 16_777_216
"""Bytes of attributes a proposal reads; the rest of the sample is looked at without them."""

LONGEST_KEY = 1_024
"""Bytes of an attribute's value above which it is no key."""

FEWEST_KEYS = 20
PROPOSED_AGREEMENT = 0.99
FALSE_PROPOSAL = 0.001
"""Chance, at most, that any of the candidates would agree so well although it was not what was hashed."""

MOST_AUDITED = 200_000
"""Keys an audit hashes: beyond, the first by their MD5, each with all its runs."""

LISTED = 20
_CHANGES_READ = 1_000

_CANDIDATE_KINDS = ("run", "session", "user_id", "attribute")
"""Which to propose when several agree on as many runs."""

_PROPOSAL = f"""
sample AS (
    SELECT run_id, variant, weights, row_number() OVER (ORDER BY md5(run_id), run_id) AS place
    FROM assigned
    WHERE strategy = '{BUCKET}' OR ((strategy IS NULL OR strategy = '{WEIGHTED}') AND weights IS NOT NULL)
    ORDER BY md5(run_id), run_id LIMIT {LARGEST_SAMPLE}),
described AS (
    SELECT run_id, user_id, bytes > {MOST_JSON_BYTES} AS unread,
           CASE WHEN bytes <= {MOST_JSON_BYTES} THEN TRY_CAST(attributes AS MAP(VARCHAR, JSON)) END AS attributes
    FROM (SELECT s.run_id, r.user_id, r.attributes, sum(strlen(r.attributes::VARCHAR)) OVER (ORDER BY s.place) AS bytes
          FROM sample s JOIN runs r ON r.id = s.run_id)),
named AS (
    SELECT run_id, 'run' AS candidate, run_id AS value, false AS is_number FROM sample
    UNION ALL
    SELECT run_id, 'user_id', user_id, false FROM described WHERE user_id IS NOT NULL
    UNION ALL
    SELECT run_id, 'session:' || session_key, min(session_id), false FROM session_runs
    WHERE run_id IN (SELECT run_id FROM sample) AND trim(session_key) <> '' GROUP BY run_id, session_key
    UNION ALL
    SELECT run_id, 'attribute:' || e.key, e.value ->> '$', json_type(e.value) <> 'VARCHAR'
    FROM (SELECT run_id, unnest(map_entries(attributes)) AS e FROM described)
    WHERE trim(e.key) <> '' AND e.key[1] NOT IN ('$', '/') AND strlen(e.value) <= {LONGEST_KEY}
      AND json_type(e.value) IN ('VARCHAR', 'BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')),
candidates AS (
    SELECT candidate, count(*) OVER () AS found FROM (
        SELECT candidate, count(*) AS runs, count(DISTINCT value) >= {FEWEST_KEYS} AS proposable
        FROM named GROUP BY candidate)
    ORDER BY proposable DESC, runs DESC, starts_with(candidate, 'attribute:'), candidate LIMIT {MOST_CANDIDATES})
SELECT n.candidate, n.value, n.is_number, s.variant, s.weights, count(*) AS runs, c.found,
       (SELECT count(*) FROM assigned) AS assigned, (SELECT count(*) FROM sample) AS sampled,
       (SELECT count(*) FROM described WHERE unread) AS unread
FROM named n JOIN candidates c ON c.candidate = n.candidate JOIN sample s ON s.run_id = n.run_id
WHERE s.place <= {MOST_HASHES} // greatest((SELECT count(*) FROM candidates), 1)
GROUP BY ALL ORDER BY n.candidate, n.value, n.is_number, s.variant, s.weights"""

# `key` is what was hashed. Runs of one key, weights and variant agree or disagree together, so they are hashed once,
# however many they are; they also have one unit.
_AUDITED = f"""
audited AS (
    SELECT run_id, variant, weights, strategy, ts, CASE WHEN known THEN unit END AS unit,
           CASE WHEN strategy = '{WEIGHTED}' THEN run_id WHEN known THEN unit END AS key
    FROM assigned WHERE strategy IN ('{BUCKET}', '{WEIGHTED}') AND weights IS NOT NULL)"""

_AUDIT = f"""{_AUDITED},
grouped AS (
    SELECT strategy, key, weights, variant, min(unit) AS unit, count(*) AS runs, min(run_id) AS run_id
    FROM audited GROUP BY strategy, key, weights, variant),
picked AS (
    SELECT key FROM (SELECT DISTINCT key FROM grouped WHERE key IS NOT NULL)
    ORDER BY md5(key), key LIMIT {MOST_AUDITED}),
moved AS (
    SELECT unit, list_sort(list(DISTINCT variant)) AS variants, count(*) OVER () AS units
    FROM grouped WHERE unit IS NOT NULL GROUP BY unit HAVING min(variant) <> max(variant)
    ORDER BY unit LIMIT {LISTED})
SELECT 'group' AS part, key, weights, variant, runs, run_id
FROM grouped WHERE key IS NULL OR key IN (FROM picked)
UNION ALL BY NAME
SELECT 'moved' AS part, unit, variants, units FROM moved
UNION ALL BY NAME
SELECT 'all' AS part, sum(runs)::BIGINT AS runs FROM grouped
ORDER BY part, run_id, unit"""

_DISAGREEING = f"""{_AUDITED},
disagreeing AS (SELECT key AS first_run, value ->> '$' AS expected FROM json_each(?))
SELECT a.run_id, a.unit, a.variant, d.expected
FROM disagreeing d JOIN audited f ON f.run_id = d.first_run
JOIN audited a ON a.strategy = f.strategy AND a.key IS NOT DISTINCT FROM f.key AND a.weights = f.weights
              AND a.variant = f.variant
ORDER BY a.key IS NULL, a.run_id LIMIT {LISTED}"""

_CHANGES = f"""{_AUDITED}
SELECT epoch_us(ts) AS at, before, weights FROM (
    SELECT ts, run_id, weights, lag(weights) OVER (ORDER BY ts, run_id) AS before FROM audited)
WHERE before <> weights ORDER BY ts, run_id LIMIT {_CHANGES_READ}"""


_NOT_HASHED = Note(
    "audit.assignment", "not_hashed", "no run was assigned by `bucket` or `weighted` with its weights recorded"
)
_NO_KEYS = Note("audit.assignment", "unit_unknown", "no run that `bucket` assigned has a unit to hash")


@dataclass(frozen=True, slots=True)
class AssignmentAudit:
    """`audit.assignment` of the report, None when nothing can be recomputed, and the notes on it."""

    figures: dict[str, Any] | None
    notes: tuple[Note, ...]


@dataclass(slots=True)
class _Candidate:
    """How well a key reproduces the assignments. A chance is that of a key nobody hashed, at most."""

    unit: str
    runs: int = 0
    agreeing: int = 0
    by_key: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    """Runs, agreeing runs and summed chances of each distinct key."""

    def add(self, key: str, runs: int, chance: float, *, agrees: bool) -> None:
        self.runs += runs
        self.agreeing += runs * agrees
        sums = self.by_key[key]
        for at, value in enumerate((runs, runs * agrees, runs * chance)):
            sums[at] += value

    @property
    def agreement(self) -> float:
        return self.agreeing / self.runs if self.runs else 0.0

    @property
    def chance(self) -> float:
        """Return how often a wrong key would agree, each key weighing the same."""
        return sum(chances / runs for runs, _, chances in self.by_key.values()) / max(len(self.by_key), 1)

    @property
    def log_chance(self) -> float:
        """Return the log of a bound on the chance that a wrong key agrees so well (Hoeffding 1963, theorem 1).

        The hash places each distinct key on its own, so agreements of keys are independent and lie in 0..1.
        """
        keys = len(self.by_key)
        share = sum(agreeing / runs for runs, agreeing, _ in self.by_key.values()) / max(keys, 1)
        chance = self.chance
        if not 0 < chance < share:
            return 0.0
        apart = share * math.log(share / chance)
        return -keys * (apart + ((1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0))

    @property
    def rank(self) -> tuple[int, int, str]:
        """Return the place among candidates: most runs reproduced, then kind, then name."""
        return -self.agreeing, _CANDIDATE_KINDS.index(self.unit.partition(":")[0]), self.unit


def unit_proposal(ask: Asker, assigned: Statement, experiment: str) -> dict[str, Any] | None:
    """Return which key was hashed to assign the runs, for `audit.unit` of an experiment whose unit is not known.

    Tried are the run's id, every session key, `user_id` and every attribute at the top level, on a bounded sample.
    Named is one that agrees on at least 99 % of the runs that have it and has at least 20 distinct values, when the
    chance that any wrong candidate would do as well is at most 0.1 %.

    Args:
        ask: runs the statement and keeps it for the receipt.
        assigned: yields (run_id, variant, weights JSON text, strategy), a row per assigned run that counts.
        experiment: its name, for the message.

    Returns:
        The candidates, the best first, the proposed unit or None, and a message in plain words; None without a run
        that was, or may have been, assigned by hash.
    """
    table = ask.run(_over(assigned, _PROPOSAL))
    if not table.num_rows:
        return None
    cuts = _Cuts(str(variant) for variant in table["variant"].unique().to_pylist())
    candidates: dict[str, _Candidate] = {}
    columns = ("candidate", "value", "is_number", "variant", "weights", "runs")
    for unit, value, is_number, variant, weights, runs in zip(*(table[c].to_pylist() for c in columns), strict=True):
        candidate = candidates.get(unit)
        if candidate is None:
            candidate = candidates[unit] = _Candidate(unit)
        cut = cuts.of(weights)
        if cut is not None:
            key = number_text(float(value)) if is_number else value
            candidate.add(key, runs, cut.largest_share, agrees=cut.variant(key) == variant)
    tried = sorted((c for c in candidates.values() if c.runs), key=lambda c: (-c.agreement, c.rank))
    proposed = min((c for c in tried if _proposable(c, len(tried))), key=lambda c: c.rank, default=None)
    message = _proposal(proposed, experiment) if proposed else _no_proposal(tried, cuts)
    return {
        "candidates": [{"unit": c.unit, "runs": c.runs, "agreement": c.agreement} for c in tried],
        "proposed": proposed and proposed.unit,
        "message": message + _looked_at(table.slice(0, 1).to_pylist()[0], len(candidates)),
    }


def _over(assigned: Statement, sql: str, *parameters: object) -> Statement:
    return Statement(f"WITH assigned AS (\n{assigned.sql}),{sql}", (*assigned.parameters, *parameters))


class _Cuts:
    """The cuts of each recorded choice of weights, made once, and why some could not be made."""

    def __init__(self, variants: Iterable[str]) -> None:
        self._made: dict[str | None, Cuts | None] = {}
        self._equal = dict.fromkeys(sorted(set(variants)), 1.0)
        self.refused: list[str] = []

    def of(self, weights: str | None) -> Cuts | None:
        """Return the cuts; without weights, those of equal ones, as `bucket` has it; None when there are none."""
        if weights not in self._made:
            try:
                self._made[weights] = Cuts.of(self._equal if weights is None else json_object(weights))
            except InputError as error:
                self._made[weights] = None
                self.refused.append(error.message)
        return self._made[weights]


def _proposable(candidate: _Candidate, tried: int) -> bool:
    return (
        len(candidate.by_key) >= FEWEST_KEYS
        and candidate.agreement >= PROPOSED_AGREEMENT
        and candidate.log_chance <= math.log(FALSE_PROPOSAL / tried)
    )


def _percent(share: float) -> str:
    """Return a share in percent, cut and not rounded: 100 % are all."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:g} %"


def _proposal(proposed: _Candidate, experiment: str) -> str:
    unit = proposed.unit
    name, option = shlex.quote(experiment), shlex.quote(f"unit={unit}")
    return (
        f"declare unit = {unit}: hashed with the weights in force it reproduces the variant of "
        f"{_percent(proposed.agreement)} of {proposed.runs:,} runs ({len(proposed.by_key):,} distinct keys), where a "
        f"wrong key would agree on about {_percent(proposed.chance)}; see it with `upshot experiment report {name} "
        f'-o {option}`, then add "unit" to what is declared: `upshot experiment declare {name} '
        f"--unit {shlex.quote(unit)}` (it replaces the options declared before)"
    )


def _no_proposal(tried: list[_Candidate], cuts: _Cuts) -> str:
    if not tried:
        return f"no assignment can be recomputed: {cuts.refused[0]}; declare the unit that was assigned"
    best = tried[0]
    told = f"{shown(best.unit)} agrees on {_percent(best.agreement)} of {best.runs:,} runs"
    if best.agreement >= PROPOSED_AGREEMENT:
        return (
            f"{told}, but with {len(best.by_key):,} distinct keys and a largest share of {_percent(best.chance)} that "
            f"may be chance; at least {FEWEST_KEYS} keys are needed, more when one variant gets most of the traffic"
        )
    return (
        f"nothing recorded reproduces the assignments: the nearest, {told}, and a wrong key would on about "
        f"{_percent(best.chance)}; send the unit with each assignment, or declare it"
    )


def _looked_at(row: Mapping[str, Any], tried: int) -> str:
    """Return what was left out, beginning with the full stop of the message."""
    limits = [
        ("runs", row["sampled"], row["assigned"]),
        ("candidate keys", tried, row["found"]),
        ("runs' attributes", row["sampled"] - row["unread"], row["sampled"]),
    ]
    said = [f"{seen:,} of {all_:,} {what}" for what, seen, all_ in limits if seen < all_]
    return f". Looked at {', '.join(said)}." if said else "."


def assignment_audit(ask: Asker, assigned: Statement) -> AssignmentAudit:
    """Return the recomputed assignments, for `audit.assignment` of an experiment whose unit is known.

    Audited are the runs of strategies `bucket` (the unit was hashed) and `weighted` (the run's id was) with the weights
    recorded on each. A bucket run without a unit counts as a null key: Inngest gives all of those the variant of the
    empty string. At most 200,000 distinct keys are hashed, each with all its runs; units that moved and null keys are
    always counted over all runs.

    Args:
        ask: runs the statement and keeps it for the receipt.
        assigned: yields (variant, run_id, unit, known, weights JSON text, strategy, ts TIMESTAMPTZ), a row per
            assigned run that counts.

    Returns:
        No figures when no run was assigned by hash with weights recorded, or none has a key.
    """
    table = ask.run(_over(assigned, _AUDIT))
    groups, moved, whole = (table.filter(pc.field("part") == part) for part in ("group", "moved", "all"))
    keys: list[str | None] = groups["key"].to_pylist()
    if all(key is None for key in keys):
        return AssignmentAudit(None, (_NO_KEYS if keys else _NOT_HASHED,))
    cuts = _Cuts(())
    wrong: list[tuple[bool, str, str]] = []
    checked = refused = disagreeing = null_keys = 0
    columns = [groups[name].to_pylist() for name in ("weights", "variant", "runs", "run_id")]
    for key, weights, variant, runs, run_id in zip(keys, *columns, strict=True):
        null_keys += runs * (key is None)
        cut = cuts.of(weights)
        if cut is None:
            refused += runs
            continue
        checked += runs
        expected = _expected(cut, key, variant)
        if expected != variant:
            disagreeing += runs
            wrong.append((key is None, run_id, expected))
    disagreements: list[dict[str, Any]] = []
    if wrong:
        # The first runs of all are in the groups whose own first runs come first.
        firsts = {run_id: expected for _, run_id, expected in sorted(wrong)[:LISTED]}
        listed = _over(assigned, _DISAGREEING, json.dumps(firsts, ensure_ascii=False))
        disagreements = ask.run(listed).to_pylist()
    changes: list[dict[str, Any]] = []
    if len(set(columns[0])) > 1:
        changes = list(_changes(ask.run(_over(assigned, _CHANGES)).to_pylist()))[:LISTED]
    figures = {
        "checked": checked,
        "agreed": checked - disagreeing,
        "disagreements": disagreements,
        "disagreeing_runs": disagreeing,
        "null_keys": null_keys,
        "weight_changes": changes,
        "moved_units": [{"unit": row["unit"], "variants": row["variants"]} for row in moved.to_pylist()],
        "moved_unit_count": moved["units"][0].as_py() if moved.num_rows else 0,
    }
    return AssignmentAudit(figures, tuple(_notes(checked, refused, whole["runs"][0].as_py(), cuts)))


def _expected(cut: Cuts, key: str | None, variant: str) -> str:
    """Return what the SDK chose. A key that reads as a number may have been hashed as JavaScript writes the number."""
    expected = cut.variant(key)
    number = None if key is None or expected == variant else as_number(key)
    return variant if number is not None and cut.variant(number) == variant else expected


def _changes(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the times from which other weights were in force; the same weights written otherwise are no change."""
    for row in rows:
        weights = json_object(row["weights"])
        if weights != json_object(row["before"]):
            yield {"at": iso(row["at"]), "weights": weights}


def _notes(checked: int, refused: int, runs: int, cuts: _Cuts) -> Iterator[Note]:
    path = "audit.assignment.checked"
    if refused:
        yield Note(path, "not_recomputable", f"{refused:,} runs cannot be recomputed: {cuts.refused[0]}")
    left_out = runs - checked - refused
    if left_out:
        message = f"{left_out:,} of {runs:,} runs are not checked: {MOST_AUDITED:,} keys are, chosen by their MD5"
        yield Note(path, "sampled", message)
