"""The unit proposal and the assignment audit, over workspaces whose assignments are hashed here as the SDK hashes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.experiments import audit
from queries.experiments.audit import assignment_audit, unit_proposal
from queries.experiments.statements import Asker, Statement
from tests.queries.experiments.workspace import START, Workspace
from tests.support.rows import NOW, assignment, run
from warehouse.engine import rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from tests.support.rows import Warehouse

HOUR = dt.timedelta(hours=1)
EQUAL = {"a": 1, "b": 1}
UNEQUAL = {"a": 70, "b": 30}

ASSIGNED = Statement(
    """SELECT variant, run_id, coalesce(unit, run_id) AS unit, unit IS NOT NULL AS known, weights::VARCHAR AS weights,
       strategy, ts FROM assignments WHERE experiment = ?""",
    ("e",),
)


def hashed(key: str | None, weights: Mapping[str, float]) -> str:
    """Return the variant by the SDK's loop; the names sort alike by bytes and by `localeCompare`."""
    h = int(hashlib.sha256((key or "").encode()).hexdigest()[:8], 16) / 2**32
    cursor = 0.0
    for variant, weight in sorted(weights.items()):
        cursor += weight / sum(weights.values())
        if h < cursor:
            return variant
    return max(weights)


def bucketed(run_id: str, key: str | None, weights: Mapping[str, float] = EQUAL, **columns: Any) -> dict[str, Any]:
    """Return an assignment by `bucket` whose record names no unit."""
    made = {"run_id": run_id, "variant": hashed(key, weights), "strategy": "bucket", "weights": json.dumps(weights)}
    return made | columns


def sessions(workspace: Workspace, key: str, ids: Mapping[str, str]) -> None:
    workspace.insert(
        "session_runs",
        [{"session_key": key, "session_id": id_, "run_id": run_id, "ts": START} for run_id, id_ in ids.items()],
    )


def traffic(weights: Mapping[str, float] = EQUAL, accounts: int = 60, runs: int = 600) -> Workspace:
    """Return runs of accounts, with users and threads beside; the account was hashed."""
    workspace = Workspace()
    names = [f"run-{at}" for at in range(runs)]
    account = {name: f"account-{accounts * at * at // runs**2}" for at, name in enumerate(names)}
    workspace.assign(bucketed(name, account[name], weights) for name in names)
    sessions(workspace, "account", account)
    sessions(workspace, "thread", {name: f"thread-{at // 3}" for at, name in enumerate(names)})
    workspace.insert(
        "runs",
        [
            {"id": name, "user_id": f"user-{at % 200}", "attributes": json.dumps({"model": "x", "ticket": at})}
            for at, name in enumerate(names)
        ],
    )
    return workspace


def proposal(workspace: Workspace) -> dict[str, Any]:
    found = unit_proposal(Asker(workspace.rows), ASSIGNED, "e")
    assert found is not None
    json.dumps(found, allow_nan=False)
    return found


def audited(workspace: Workspace) -> dict[str, Any]:
    found = assignment_audit(Asker(workspace.rows), ASSIGNED)
    assert found.figures is not None
    json.dumps(found.figures, allow_nan=False)
    return found.figures


@pytest.mark.parametrize("weights", [EQUAL, UNEQUAL, {"a": 1, "b": 2, "c": 3}])
def test_the_hashed_session_key_is_proposed(weights: dict[str, float]) -> None:
    """It agrees on all runs; a wrong one with many keys on about what chance has, never over the largest share."""
    made = proposal(traffic(weights))
    assert made["proposed"] == "session:account"
    assert made["candidates"][0] == {"unit": "session:account", "runs": 600, "agreement": 1.0}
    wrong = {c["unit"]: c for c in made["candidates"][1:]}
    assert set(wrong) == {"run", "session:thread", "user_id", "attribute:model", "attribute:ticket"}
    largest = max(weights.values()) / sum(weights.values())
    for unit, keys in {"run": 600, "session:thread": 200, "user_id": 200, "attribute:ticket": 600}.items():
        assert wrong[unit]["runs"] == 600
        assert wrong[unit]["agreement"] < largest + 4 * math.sqrt(largest * (1 - largest) / keys)
    assert "declare unit = session:account" in made["message"]
    assert "`upshot experiment report e -o unit=session:account`" in made["message"]
    assert "`upshot experiment declare e --unit session:account`" in made["message"]
    assert "100 % of 600 runs (60 distinct keys)" in made["message"]
    assert "Looked at" not in made["message"]


@pytest.mark.parametrize(
    ("unit", "columns"),
    [
        ("user_id", {"user_id": "u{}"}),
        ("attribute:plan", {"attributes": '{{"plan": "p{}", "deep": {{"plan": [1]}}}}'}),
        ("attribute:a.b c's", {"attributes": '{{"a.b c\'s": "p{}"}}'}),
        ("attribute:whole", {"attributes": '{{"whole": {}}}'}),
        ("attribute:float", {"attributes": '{{"float": {}.0}}'}),
        ("attribute:half", {"attributes": '{{"half": {}.50}}'}),
        ("run", {}),
    ],
)
def test_any_other_key_is_found_too(unit: str, columns: dict[str, str]) -> None:
    """User, attributes of any name, numbers as JavaScript writes them, and the run's own id."""
    workspace = Workspace()
    key = {"user_id": "u{}", "attribute:whole": "{}", "attribute:float": "{}", "attribute:half": "{}.5"}.get(
        unit, "p{}"
    )
    names = [f"r{at}" for at in range(400)]
    keys = names if unit == "run" else [key.format(at % 40) for at in range(400)]
    workspace.assign(bucketed(name, hashed_key) for name, hashed_key in zip(names, keys, strict=True))
    workspace.insert(
        "runs",
        [{"id": name} | {c: text.format(at % 40) for c, text in columns.items()} for at, name in enumerate(names)],
    )
    assert proposal(workspace)["proposed"] == unit


def test_weights_changed_midway() -> None:
    """Each run is held against the weights recorded on it."""
    workspace = Workspace()
    for at in range(300):
        weights = EQUAL if at < 150 else {"a": 5, "b": 95}
        workspace.assign([bucketed(f"r{at}", f"acc{at % 40}", weights, ts=START + at * HOUR)])
    sessions(workspace, "account", {f"r{at}": f"acc{at % 40}" for at in range(300)})
    made = proposal(workspace)
    assert (made["proposed"], made["candidates"][0]["agreement"]) == ("session:account", 1.0)


def test_bucket_without_weights_is_equal() -> None:
    """Inngest records no weights when every variant weighs 1."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"acc{at % 50}") | {"weights": None} for at in range(300))
    sessions(workspace, "account", {f"r{at}": f"acc{at % 50}" for at in range(300)})
    assert proposal(workspace)["proposed"] == "session:account"


def test_weighted_hashes_the_run() -> None:
    """The strategy `weighted` is reproduced by the run's id."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"r{at}", strategy="weighted") for at in range(200))
    sessions(workspace, "account", {f"r{at}": f"acc{at % 40}" for at in range(200)})
    made = proposal(workspace)
    assert made["proposed"] == "run"


def test_nothing_reproduces_it() -> None:
    """The key that was hashed is not recorded: nothing is proposed and the message says so."""
    workspace = traffic()
    workspace.connection.execute("DELETE FROM session_runs WHERE session_key = 'account'")
    made = proposal(workspace)
    assert made["proposed"] is None
    assert "nothing recorded reproduces" in made["message"]


@pytest.mark.parametrize(("keys", "proposed"), [(19, None), (20, "session:account")])
def test_twenty_distinct_keys_at_least(keys: int, proposed: str | None) -> None:
    """With fewer, agreement may be chance, whatever the runs."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"k{at % keys}") for at in range(400))
    sessions(workspace, "account", {f"r{at}": f"k{at % keys}" for at in range(400)})
    made = proposal(workspace)
    assert made["candidates"][0] == {"unit": "session:account", "runs": 400, "agreement": 1.0}
    assert made["proposed"] == proposed
    assert ("may be chance" in made["message"]) == (proposed is None)


def test_one_large_arm_proves_nothing() -> None:
    """At 97 to 3, thirty wrong keys agree by chance more often than not."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"k{at % 30}", {"a": 97, "b": 3}) for at in range(400))
    sessions(workspace, "account", {f"r{at}": f"k{at % 30}" for at in range(400)})
    assert proposal(workspace)["proposed"] is None


@pytest.mark.parametrize(("wrong", "proposed"), [(4, "session:account"), (5, None)])
def test_ninety_nine_percent_at_least(wrong: int, proposed: str | None) -> None:
    """4 disagreements in 401 runs are borne, 5 are not."""
    workspace = Workspace()
    rows = [bucketed(f"r{at}", f"k{at % 100}") for at in range(401)]
    for row in rows[:wrong]:
        row["variant"] = "ab"[row["variant"] == "a"]
    workspace.assign(rows)
    sessions(workspace, "account", {f"r{at}": f"k{at % 100}" for at in range(401)})
    made = proposal(workspace)
    assert made["candidates"][0]["agreement"] == (401 - wrong) / 401
    assert made["proposed"] == proposed


def test_false_proposals_are_rare() -> None:
    """2,000 wrong keys of 20 to 60 values against assignments at 50:50 and 90:10: none is proposed."""
    for weights in (EQUAL, {"a": 9, "b": 1}):
        for number in range(10):
            workspace = Workspace()
            workspace.assign(bucketed(f"r{at}", f"hidden-{number}-{at}", weights) for at in range(120))
            attributes = [json.dumps({f"k{n}": f"{n}-{at % (20 + n % 41)}" for n in range(100)}) for at in range(120)]
            workspace.insert("runs", [{"id": f"r{at}", "attributes": text} for at, text in enumerate(attributes)])
            assert proposal(workspace)["proposed"] is None


def test_of_two_equal_keys_the_session_is_named() -> None:
    """The same value in several places: the one on more runs, then the session key, deterministically."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"k{at % 50}") for at in range(300))
    workspace.insert(
        "runs",
        [
            {"id": f"r{at}", "user_id": f"k{at % 50}", "attributes": json.dumps({"k": f"k{at % 50}"})}
            for at in range(300)
        ],
    )
    sessions(workspace, "z", {f"r{at}": f"k{at % 50}" for at in range(300)})
    assert proposal(workspace)["proposed"] == "session:z"
    workspace.connection.execute("DELETE FROM session_runs WHERE run_id = 'r7'")
    assert proposal(workspace)["proposed"] == "user_id"


def test_bounds_are_kept_and_said() -> None:
    """More runs and keys than the bounds: a sample, the same every time, and the message says of how many."""
    workspace = Workspace()
    names = [f"r{at}" for at in range(20_500)]
    workspace.assign(bucketed(name, f"acc{at % 97}") for at, name in enumerate(names))
    sessions(workspace, "account", {name: f"acc{at % 97}" for at, name in enumerate(names)})
    few = json.dumps({f"k{n}": f"x{n}" for n in range(250)})
    workspace.insert("runs", [{"id": name, "attributes": few} for name in names[:300]])
    made = proposal(workspace)
    assert made["proposed"] == "session:account"
    assert len(made["candidates"]) == 200
    assert made["candidates"][0]["runs"] == audit.MOST_HASHES // 200
    assert made["message"].endswith("Looked at 20,000 of 20,500 runs, 200 of 252 candidate keys.")
    assert made == proposal(workspace)


def test_no_more_than_16_mib_of_attributes_are_read() -> None:
    """Of 60 runs with 600 kB each 27 are read, and the message says so; a key found before the bound is found."""
    workspace = Workspace()
    names = [f"r{at}" for at in range(60)]
    workspace.assign(bucketed(name, f"k{at % 30}") for at, name in enumerate(names))
    text = "x" * 600_000
    workspace.insert(
        "runs",
        [{"id": name, "attributes": json.dumps({"t": text, "k": f"k{at % 30}"})} for at, name in enumerate(names)],
    )
    made = proposal(workspace)
    assert {c["unit"]: c["runs"] for c in made["candidates"]} == {"run": 60, "attribute:k": 27}
    assert made["message"].endswith("Looked at 27 of 60 runs' attributes.")


def test_odd_attributes_are_no_keys() -> None:
    """Nested, empty, very long, null and boolean values, names that are paths, documents that are no objects."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"acc{at % 40}") for at in range(200))
    documents = [
        json.dumps({"list": [1], "map": {"x": 1}, "long": "x" * 2000, "none": None, "yes": True, "$.a": "p", "/b": "q",
                    "": "e", " ": "s", "good": f"acc{at % 40}"})
        for at in range(200)
    ]  # fmt: skip
    documents[:4] = ["[1, 2]", "5", '"text"', "null"]
    rows: list[dict[str, Any]] = [{"id": f"r{at}", "attributes": text} for at, text in enumerate(documents)]
    rows[4]["attributes"] = None
    workspace.insert("runs", rows)
    made = proposal(workspace)
    assert {c["unit"]: c["runs"] for c in made["candidates"]} == {"run": 200, "attribute:good": 195}
    assert made["proposed"] == "attribute:good"


@pytest.mark.parametrize(
    "columns", [{"strategy": "fixed"}, {"strategy": "custom"}, {"strategy": None, "weights": None}]
)
def test_nothing_to_propose(columns: dict[str, Any]) -> None:
    """Without runs, or without any that a hash assigned, there is no proposal and no audit; the audit says why."""
    workspace = Workspace()
    assert unit_proposal(Asker(workspace.rows), ASSIGNED, "e") is None
    workspace.assign(bucketed(f"r{at}", f"k{at}") | columns for at in range(50))
    assert unit_proposal(Asker(workspace.rows), ASSIGNED, "e") is None
    found = assignment_audit(Asker(workspace.rows), ASSIGNED)
    assert found.figures is None
    assert [note.code for note in found.notes] == ["not_hashed"]


@pytest.mark.parametrize(
    ("weights", "said"),
    [('{"a": 0, "b": 0}', "sum to 0"), ("[1, 2]", "0 variants"), ('{"a": -1, "b": 2}', "'a' is -1"),
     ('{"contrôle": 1, "b": 1}', "contrôle"), ('{"a": "x"}', "must be a finite number")],
)  # fmt: skip
def test_weights_that_cannot_be_used(weights: str, said: str) -> None:
    """No guess: neither a candidate nor a checked run, and the reason."""
    workspace = Workspace()
    workspace.assign(
        {"run_id": f"r{at}", "unit": f"u{at}", "variant": "b", "strategy": "bucket", "weights": weights}
        for at in range(50)
    )
    made = proposal(workspace)
    assert (made["candidates"], made["proposed"]) == ([], None)
    assert said in made["message"]
    found = assignment_audit(Asker(workspace.rows), ASSIGNED)
    assert found.figures is not None
    assert (found.figures["checked"], found.figures["agreed"], found.figures["disagreements"]) == (0, 0, [])
    (note,) = found.notes
    assert (note.path, note.code) == ("audit.assignment.checked", "not_recomputable")
    assert said in note.message


def test_one_variant_has_no_choice() -> None:
    """Everything agrees, so nothing is proposed and the audit has nothing to say."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", None, {"a": 1}, unit=f"u{at}") for at in range(50))
    assert proposal(workspace)["proposed"] is None
    assert audited(workspace)["agreed"] == 50


def test_an_audit_where_all_is_well() -> None:
    """Every figure of the contract, nothing to complain of."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", f"u{at % 9}", UNEQUAL, unit=f"u{at % 9}") for at in range(90))
    assert audited(workspace) == {
        "checked": 90, "agreed": 90, "disagreements": [], "disagreeing_runs": 0, "null_keys": 0, "weight_changes": [],
        "moved_units": [], "moved_unit_count": 0,
    }  # fmt: skip


def test_planted_faults_are_found() -> None:
    """A disagreement, a null key that went elsewhere, changes of weights with their times, and who moved."""
    workspace = Workspace()
    rows = [
        bucketed("r1", "account_123", unit="account_123"),  # a
        bucketed("r2", "account_123", unit="account_123", variant="b", ts=START + HOUR),
        bucketed("r3", None),  # b
        bucketed("r0", None, variant="a"),
        bucketed("r4", "42", UNEQUAL, unit="42", ts=START + 2 * HOUR),  # a
        bucketed("r5", "42", {"b": 30, "a": 70}, unit="42", ts=START + 3 * HOUR),
        bucketed("r6", "r6", strategy="weighted", unit="user-1", ts=START + 4 * HOUR),  # a
        bucketed("r7", "user-1", unit="user-1", strategy="fixed", variant="a"),
        bucketed("r8", "user-1", unit="user-1", variant="other", ts=START),
    ]
    workspace.assign(rows)
    made = audited(workspace)
    assert made == {
        "checked": 8,
        "agreed": 5,
        "disagreements": [
            {"run_id": "r2", "unit": "account_123", "variant": "b", "expected": "a"},
            {"run_id": "r8", "unit": "user-1", "variant": "other", "expected": "b"},
            {"run_id": "r0", "unit": None, "variant": "a", "expected": "b"},
        ],
        "disagreeing_runs": 3,
        "null_keys": 2,
        "weight_changes": [
            {"at": "2026-10-01T02:00:00.000000Z", "weights": {"a": 70, "b": 30}},
            {"at": "2026-10-01T04:00:00.000000Z", "weights": {"a": 1, "b": 1}},
        ],
        "moved_units": [
            {"unit": "account_123", "variants": ["a", "b"]},
            {"unit": "user-1", "variants": ["a", "other"]},
        ],
        "moved_unit_count": 2,
    }


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["k1", "k2", "k3", "7.0", None]), st.sampled_from("abc"),
            st.sampled_from([EQUAL, UNEQUAL, {"a": 0, "b": 1, "c": 1}]), st.sampled_from(["bucket", "weighted"]),
        ),
        min_size=1, max_size=60,
    )
)  # fmt: skip
def test_the_audit_is_what_a_loop_over_runs_says(
    runs: list[tuple[str | None, str, dict[str, float], str]],
) -> None:
    """Any assignments: counts, the first 20 disagreements and moves as a plain loop finds them."""
    workspace = Workspace()
    wrong: list[dict[str, Any]] = []
    variants: dict[str, set[str]] = {}
    nulls = 0
    for at, (unit, variant, weights, strategy) in enumerate(runs):
        run_id = f"r{at:02}"
        row = bucketed(run_id, None, weights, unit=unit, variant=variant, strategy=strategy)
        workspace.assign([row])
        key = run_id if strategy == "weighted" else unit
        nulls += key is None
        if variant not in {hashed(key, weights), hashed("7" if key == "7.0" else key, weights)}:
            wrong.append({"run_id": run_id, "unit": unit, "variant": variant, "expected": hashed(key, weights)})
        if unit is not None:
            variants.setdefault(unit, set()).add(variant)
    found = assignment_audit(Asker(workspace.rows), ASSIGNED).figures
    if nulls == len(runs):
        assert found is None
        return
    assert found is not None
    is_null = {f"r{at:02}": strategy == "bucket" and unit is None for at, (unit, _, _, strategy) in enumerate(runs)}
    wrong.sort(key=lambda row: (is_null[row["run_id"]], row["run_id"]))
    moved = [{"unit": unit, "variants": sorted(met)} for unit, met in sorted(variants.items()) if len(met) > 1]
    assert (found["checked"], found["agreed"]) == (len(runs), len(runs) - len(wrong))
    assert (found["disagreements"], found["disagreeing_runs"]) == (wrong[:20], len(wrong))
    assert (found["null_keys"], found["moved_units"], found["moved_unit_count"]) == (nulls, moved, len(moved))
    settings_met = [weights for _, _, weights, _ in runs]
    assert bool(found["weight_changes"]) == any(weights != settings_met[0] for weights in settings_met)


def test_a_number_was_hashed_as_javascript_writes_it() -> None:
    """An attribute sent as 4.0 reads so in SQL; the SDK hashed 4. The text itself is as good; any other is not."""
    workspace = Workspace()
    assert (hashed("4.0", EQUAL), hashed("4", EQUAL)) == ("b", "a")
    workspace.assign(
        bucketed(f"r{at}", None, unit=unit, variant=variant)
        for at, (unit, variant) in enumerate([("4.0", "a"), ("4.0", "b"), ("4", "b"), ("4.0", "c")])
    )
    assert [row["run_id"] for row in audited(workspace)["disagreements"]] == ["r2", "r3"]


def test_lists_are_cut_and_counts_are_not() -> None:
    """Thirty of each: twenty listed."""
    workspace = Workspace()
    for at in range(30):
        own = {"a": 1, "b": at + 1}
        right = bucketed(f"r{at:02}x", f"u{at:02}", own, unit=f"u{at:02}", ts=START + at * HOUR)
        other = "ab"[right["variant"] == "a"]
        workspace.assign([right, right | {"run_id": f"r{at:02}y", "variant": other}])
    made = audited(workspace)
    assert (made["disagreeing_runs"], len(made["disagreements"])) == (30, 20)
    assert [f"r{at:02}y" for at in range(20)] == [row["run_id"] for row in made["disagreements"]]
    assert (made["moved_unit_count"], len(made["moved_units"]), len(made["weight_changes"])) == (30, 20, 20)


def test_no_key_at_all() -> None:
    """A bucket experiment whose records name no unit: not audited, and the note says so."""
    workspace = Workspace()
    workspace.assign(bucketed(f"r{at}", "k") for at in range(5))
    found = assignment_audit(Asker(workspace.rows), ASSIGNED)
    assert found.figures is None
    assert [note.code for note in found.notes] == ["unit_unknown"]


def test_beyond_the_bound_keys_are_sampled() -> None:
    """200,100 units: 200,000 are checked with all their runs, the note says how many runs are not."""
    workspace = Workspace()
    workspace.connection.execute(
        """INSERT INTO assignments BY NAME SELECT 'e' AS experiment, 'r' || i AS run_id, 'u' || i // 2 AS unit,
           'a' AS variant, 'bucket' AS strategy, '{"a": 1}' AS weights, TIMESTAMPTZ '2026-10-01' AS ts
           FROM range(400200) t(i)"""
    )
    found = assignment_audit(Asker(workspace.rows), ASSIGNED)
    assert found.figures is not None
    assert (found.figures["checked"], found.figures["agreed"]) == (400_000, 400_000)
    (note,) = found.notes
    assert (note.path, note.code) == ("audit.assignment.checked", "sampled")
    assert note.message.startswith("200 of 400,200 runs are not checked: 200,000 keys are")


def test_statements_can_be_asked_again() -> None:
    """Every statement stands in the finding with its parameters, ordered, and gives the same rows again."""
    workspace = traffic()
    workspace.connection.execute("UPDATE assignments SET unit = 'u' || length(run_id)")
    asked: list[tuple[str, tuple[object, ...], pa.Table]] = []

    def rows(sql: str, parameters: Sequence[object]) -> pa.Table:
        made = workspace.rows(sql, parameters)
        asked.append((sql, tuple(parameters), made))
        return made

    ask = Asker(rows)
    unit_proposal(ask, ASSIGNED, "e")
    assignment_audit(ask, ASSIGNED)
    assert len(ask.receipt) == 3
    for sql, parameters, first in asked:
        assert first.num_rows > 0
        assert "ORDER BY" in sql.splitlines()[-1]
        assert first.equals(workspace.rows(sql, json.loads(json.dumps(parameters))))


@pytest.mark.parametrize("seal", [False, True])
def test_over_the_real_tables(warehouse: Warehouse, *, seal: bool) -> None:
    """The statements run on the locked engine, over sealed rows and over the log's tail."""
    for at in range(60):
        account, weights = f"acc{at % 25}", json.dumps(EQUAL)
        variant = hashed(account, EQUAL)
        warehouse.append(
            "assignments", assignment(f"r{at}", variant, NOW, unit=account, strategy="bucket", weights=weights)
        )
        warehouse.append("runs", run(f"r{at}", attributes=json.dumps({"account": account})))
    if seal:
        warehouse.seal()
    cursor = warehouse.snapshots.engine().cursor()
    ask = Asker(lambda sql, parameters: rows_of(cursor, sql, parameters))
    found = unit_proposal(ask, ASSIGNED, "e")
    assert found is not None
    assert found["proposed"] == "attribute:account"
    checked = assignment_audit(ask, ASSIGNED).figures
    assert checked is not None
    assert (checked["checked"], checked["agreed"]) == (60, 60)
