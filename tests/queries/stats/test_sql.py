"""The statistics that SQL may call, against scipy, statsmodels, plain numpy and the report's own jackknife."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import proportion as statsmodels_proportion

from queries.stats import columns
from queries.stats.aggregates import Units
from queries.stats.comparison import SMALLEST_P, interval
from queries.stats.jackknife import estimate
from queries.stats.sql import NAMES, STATISTICS, register
from tests.support.command import ROOT
from warehouse.engine import Error, connect, lock, rows_of
from warehouse.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.engine import Connection

proportion = cast("Any", statsmodels_proportion)

PAGE = (ROOT / "docs" / "statistics-in-sql.md").read_text()

CALLS = ("mean_ci(x)", "wilson_ci(x)", "prop_test(x, arm, 'a', 'b')", "cluster_mean(x, unit)", "srm_p(arm, {})")
EACH = [call.replace("{}", "MAP {'a': 1, 'b': 2}") for call in CALLS]

finite = st.floats(-1e6, 1e6).map(lambda x: round(x, 6))
"""No steps below 1e-6: the square of 1e-186 is 0, and so is the variance of such values."""

level = st.sampled_from([0.5, 0.9, 0.95, 0.999])
maybe_boolean = st.none() | st.booleans()


@pytest.fixture(scope="module")
def con() -> Iterator[Connection]:
    """A locked engine with the statistics, made in the order the product makes it."""
    made = connect(memory="1GB")
    register(made)
    lock(made)
    yield made
    made.close()


def over(con: Connection, call: str, **data: Any) -> Any:
    """Return what `call` says over rows with these columns; with the types that Python's values have in Arrow."""
    arrays: dict[str, pa.Array[Any]] = {name: pa.array(values) for name, values in data.items()}
    con.register("_given", pa.table(arrays))
    try:
        return rows_of(con, f"SELECT {call} AS r FROM _given").column("r")[0].as_py()
    finally:
        con.unregister("_given")


def one(con: Connection, sql: str) -> Any:
    """Return the only value of a statement."""
    [value] = rows_of(con, sql).column(0).to_pylist()
    return value


# mean_ci


@given(st.lists(st.none() | finite, max_size=30), level)
def test_mean_and_t_interval_are_scipys(con: Connection, rows: list[float | None], asked: float) -> None:
    """Over any rows with nulls; without variance there is no interval."""
    made = over(con, f"mean_ci(x::DOUBLE, {asked})", x=rows)
    values = np.array([x for x in rows if x is not None])
    assert len(values) == made["n"]
    if len(values) == 0:
        assert (None, None, None) == (made["mean"], made["low"], made["high"])
        return
    assert made["mean"] == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
    if values.min() == values.max():
        assert (None, None) == (made["low"], made["high"])
        return
    oracle = stats.ttest_1samp(values, 0).confidence_interval(asked)
    scale = float(np.abs(values).max())
    assert (made["low"], made["high"]) == pytest.approx((oracle.low, oracle.high), rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("type_", ["BOOLEAN", "TINYINT", "HUGEINT", "UBIGINT", "DECIMAL(18, 3)", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("call", ["mean_ci(x)", "wilson_ci(x)", "cluster_mean(x, unit)"])
def test_a_boolean_counts_as_one_or_zero(con: Connection, call: str, type_: str) -> None:
    """Every type of number, and booleans, say the same."""
    rows = "(VALUES (1, 'u'), (0, 'u'), (1, 'v'), (NULL, 'v'), (1, NULL)) t(v, unit)"
    made = one(con, f"SELECT {call} FROM (SELECT v::{type_} AS x, unit FROM {rows})")
    assert one(con, f"SELECT {call} FROM (SELECT v::DOUBLE AS x, unit FROM {rows})") == made
    assert ("cluster" in call and 3) or 4 == made["n"]


def test_values_far_from_zero_keep_their_variance(con: Connection) -> None:
    """Values near a billion with a standard deviation near 1: sums of squares would lose it."""
    values = np.random.default_rng(1).normal(1e9, 1, 500)
    oracle = stats.ttest_1samp(values, 0).confidence_interval()
    low, high = (over(con, f"mean_ci(x).{end}", x=values) for end in ("low", "high"))
    assert (low - 1e9, high - 1e9) == pytest.approx((oracle.low - 1e9, oracle.high - 1e9), abs=1e-5)
    clustered = over(con, "cluster_mean(x, row)", x=values, row=range(500))
    assert clustered["se"] == pytest.approx(stats.sem(values), rel=1e-6)


# wilson_ci and prop_test


@given(st.lists(maybe_boolean, max_size=40), level)
def test_rate_and_interval_are_wilsons(con: Connection, rows: list[bool | None], asked: float) -> None:
    """The Wilson interval of statsmodels, for booleans with nulls."""
    made = over(con, f"wilson_ci(x::BOOLEAN, {asked})", x=rows)
    hits, n = rows.count(True), len(rows) - rows.count(None)
    assert (n, hits, 0) == (made["n"], made["successes"], made["neither"])
    if n == 0:
        assert (None, None, None) == (made["rate"], made["low"], made["high"])
        return
    oracle: Any = proportion.proportion_confint(hits, n, 1 - asked, method="wilson")
    assert (made["rate"], made["low"], made["high"]) == pytest.approx((hits / n, *oracle), rel=1e-9, abs=1e-12)
    assert 0 <= made["low"] <= made["rate"] <= made["high"] <= 1


counts = st.tuples(st.integers(0, 30), st.integers(0, 30))
"""Successes and failures."""


@given(counts, counts, level)
def test_two_arms_are_compared_as_statsmodels_compares_them(
    con: Connection, first: tuple[int, int], second: tuple[int, int], asked: float
) -> None:
    """Pooled z and Newcombe's interval; rows of a third arm and without arm change nothing."""
    arms = ["a"] * sum(first) + ["b"] * sum(second) + ["c", None, "a"]
    rows = [True] * first[0] + [False] * first[1] + [True] * second[0] + [False] * second[1] + [True, True, None]
    made = over(con, f"prop_test(x, arm, 'a', 'b', level := {asked})", x=rows, arm=arms)
    assert (sum(first), sum(second), 0) == (made["n_a"], made["n_b"], made["neither"])
    if 0 in {sum(first), sum(second)}:
        assert (None, None, None, None) == (made["difference"], made["low"], made["high"], made["p"])
        return
    sides = (first[0], sum(first), second[0], sum(second))
    ends: Any = proportion.confint_proportions_2indep(*sides, method="newcomb", compare="diff", alpha=1 - asked)
    assert (made["low"], made["high"]) == pytest.approx(tuple(ends), rel=1e-9, abs=1e-12)
    assert made["difference"] == made["rate_a"] - made["rate_b"]
    if first[0] + second[0] in {0, sum(first) + sum(second)}:
        assert made["p"] is None
        return
    z_test: Any = proportion.proportions_ztest([first[0], second[0]], [sum(first), sum(second)])
    assert made["p"] == pytest.approx(z_test[1], rel=1e-9)


def test_exchanging_the_arms_turns_the_sign(con: Connection) -> None:
    """And nothing else; a p too small for a double is not 0."""
    arms, rows = ["a"] * 9000 + ["b"] * 9000, [1] * 8000 + [0] * 1000 + [0] * 8990 + [1] * 10
    there = over(con, "prop_test(x, arm, 'a', 'b')", x=rows, arm=arms)
    back = over(con, "prop_test(x, arm, 'b', 'a')", x=rows, arm=arms)
    assert (-there["difference"], -there["high"], -there["low"]) == pytest.approx(
        (back["difference"], back["low"], back["high"])
    )
    assert SMALLEST_P == there["p"] == back["p"]


@pytest.mark.parametrize("other", [0.5, -1, 2, math.nan, math.inf])
def test_what_is_no_proportion_has_no_rate(con: Connection, other: float) -> None:
    """A scorer's default of 0.5 among 1 and 0 is counted, and nothing is said of a rate."""
    made = over(con, "wilson_ci(x)", x=[1.0, 0.0, other, None])
    assert {"n": 3, "successes": 1, "neither": 1, "rate": None, "low": None, "high": None} == made
    made = over(con, "prop_test(x, arm, 'a', 'b')", x=[1.0, 0.0, other, 1.0], arm=["a", "a", "b", "b"])
    assert (2, 2, 1) == (made["n_a"], made["n_b"], made["neither"])
    assert {None} == {made[name] for name in ("rate_a", "rate_b", "difference", "low", "high", "p")}


# cluster_mean


def left_out(values: np.ndarray, owner: np.ndarray) -> tuple[float, float]:
    """Return mean and standard error by computing the mean again without each unit in turn, in plain numpy."""
    whole, names = values.mean(), np.unique(owner)
    without = np.array([values[owner != name].mean() for name in names])
    return float(whole), math.sqrt((len(names) - 1) / len(names) * float(((without - whole) ** 2).sum()))


clustered = st.lists(st.tuples(st.none() | finite, st.none() | st.sampled_from("pqrstuvw")), max_size=40)


@given(clustered, level)
def test_clustered_mean_is_the_reports_jackknife(
    con: Connection, rows: list[tuple[float | None, str | None]], asked: float
) -> None:
    """Equal to `jackknife.estimate`, with the interval the report gives its arms."""
    made = over(
        con, f"cluster_mean(x::DOUBLE, u::VARCHAR, {asked})", x=[x for x, _ in rows], u=[unit for _, unit in rows]
    )
    units: dict[str, list[float]] = {}
    for x, unit in rows:
        if x is not None and unit is not None:
            units.setdefault(unit, []).append(x)
    own = estimate(
        Units(np.array([len(v) for v in units.values()], float), np.array([sum(v) for v in units.values()], float))
    )
    assert (len(units), sum(map(len, units.values()))) == (made["units"], made["n"])
    if own is None:
        assert (None, None, None) == (made["mean"], made["se"], made["effective_units"])
        return
    scale = max(abs(x) for values in units.values() for x in values)
    assert made["mean"] == pytest.approx(own.mean, rel=1e-9, abs=1e-9 * scale)
    assert made["effective_units"] == pytest.approx(own.effective_units, rel=1e-9)
    if own.variance is None:
        assert made["se"] is None
    else:
        assert made["se"] == pytest.approx(math.sqrt(own.variance), rel=1e-9, abs=1e-9 * scale)
    if not made["se"]:
        assert (None, None) == (made["low"], made["high"])
    elif own.variance is not None and own.df > 0:
        ends = interval(own.mean, own.variance, own.df, 1 - asked)
        width = ends[1] - ends[0]
        assert (made["low"], made["high"]) == pytest.approx(ends, rel=1e-6, abs=1e-9 * (scale + width))


@pytest.mark.parametrize("seed", range(5))
def test_clustered_error_is_that_of_explicit_refits(con: Connection, seed: int) -> None:
    """Leaving out one unit at a time in plain numpy, over units of very unequal size."""
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(25), generator.geometric(0.1, 25))
    values = generator.normal(size=25)[owner] + generator.normal(size=len(owner))
    order = generator.permutation(len(owner))
    made = over(con, "cluster_mean(x, u)", x=values[order], u=owner[order])
    assert (made["mean"], made["se"]) == pytest.approx(left_out(values, owner), rel=1e-9)
    sizes = np.bincount(owner)
    df = sizes.sum() ** 2 / (sizes**2).sum() - 1
    oracle = stats.t.interval(0.95, df, made["mean"], made["se"])
    assert (made["low"], made["high"]) == pytest.approx(oracle, rel=1e-9)


def test_with_one_row_a_unit_it_is_the_plain_interval(con: Connection) -> None:
    """Then units are the rows, and `cluster_mean` says what `mean_ci` says."""
    values = np.random.default_rng(7).normal(size=40)
    flat, nested = (over(con, call, x=values, u=range(40)) for call in ("mean_ci(x)", "cluster_mean(x, u)"))
    assert (nested["mean"], nested["low"], nested["high"]) == pytest.approx((flat["mean"], flat["low"], flat["high"]))


def test_only_the_clustered_interval_holds_over_runs() -> None:
    """The figures of the page: the truth is in 94 % of clustered intervals and in 56 % of those over runs."""
    generator, units, draws, rate, icc = np.random.default_rng(1), 40, 1000, 0.7, 0.3
    level, spread = np.array([0.95]), (1 - icc) / icc
    held = np.zeros(3)
    for _ in range(draws):
        owner = np.repeat(np.arange(units), 1 + generator.geometric(0.1, units))
        each = generator.beta(rate * spread, (1 - rate) * spread, units)
        x = (generator.random(len(owner)) < each[owner]).astype(float)
        n = np.array([len(x)], float)
        own = columns.clusters(np.zeros(units, np.int64), 1, owner, x)
        ends = (
            columns.wilson(x.sum(keepdims=True), n, level),
            columns.t_interval(own.mean, np.array([stats.sem(x)]), n - 1, level),
            columns.t_interval(own.mean, own.se, own.effective_units - 1, level),
        )
        held += [low[0] <= rate <= high[0] for low, high in ends]
    assert list(held / draws) == pytest.approx([0.56, 0.56, 0.94], abs=0.05)


# srm_p


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.01, 10)), min_size=2, max_size=5))
def test_sample_ratio_is_scipys_chi_square(con: Connection, variants: list[tuple[int, float]]) -> None:
    """Over any counts and weights; a variant nobody saw is a count of 0."""
    rows = [f"v{at}" for at, (count, _) in enumerate(variants) for _ in range(count)]
    weights = ", ".join(f"'v{at}': {weight!r}" for at, (_, weight) in enumerate(variants))
    made = over(con, f"srm_p(v::VARCHAR, MAP {{{weights}}})", v=[*rows, None])
    if not rows:
        assert made is None
        return
    observed, shares = np.array([n for n, _ in variants]), np.array([w for _, w in variants])
    p = stats.chisquare(observed, shares / shares.sum() * observed.sum()).pvalue
    assert made == pytest.approx(max(p, SMALLEST_P), rel=1e-9)


@pytest.mark.parametrize(
    "weights", ["MAP {'a': 1, 'b': 3}", "{'a': 0.5, 'b': 1.5}", """'{"a": 1, "b": 3}'::JSON""", """'{"b":3,"a":1}'"""]
)
def test_weights_may_be_a_map_a_struct_or_json(con: Connection, weights: str) -> None:
    """And one of weight 0 is left out with its degree of freedom."""
    rows = ["a"] * 30 + ["b"] * 70
    oracle = stats.chisquare([30, 70], [25, 75]).pvalue
    assert over(con, f"srm_p(v, {weights})", v=rows) == pytest.approx(oracle)
    assert over(con, f"srm_p(v, any_value({weights}))", v=rows) == pytest.approx(oracle)
    assert over(con, "srm_p(v, MAP {'a': 1, 'b': 3, 'c': 0})", v=[*rows, "c"]) == pytest.approx(oracle)


def test_a_p_is_never_zero(con: Connection) -> None:
    """One too small for a double is the smallest there is."""
    assert SMALLEST_P == over(con, "srm_p(v, {'a': 1, 'b': 1})", v=["a"] * 5000)


@pytest.mark.parametrize(
    "weights",
    [
        "NULL",
        "MAP {}",
        "{'a': 1}",
        "{'a': 1, 'c': 1}",
        "{'a': 1, 'b': 9, 'c': -0.1}",
        "{'a': 1, 'b': NULL}",
        "'[1, 2]'",
        "'7'",
    ],
)
def test_weights_that_say_nothing_give_no_p(con: Connection, weights: str) -> None:
    """No weights, one variant, a variant they do not name, a negative or unknown weight."""
    assert over(con, f"srm_p(v, {weights})", v=["a", "b", "b"]) is None


# In a query


def sample(con: Connection) -> str:
    """Return a SELECT of rows in 7 groups, some small, one without values."""
    assert con
    return (
        "SELECT range % 7 AS g, CASE WHEN range % 7 < 6 THEN (hash(range) % 2)::DOUBLE END AS x, "
        "'u' || hash(range) % 11 AS unit, CASE WHEN hash(range + 1) % 3 = 0 THEN 'a' ELSE 'b' END AS arm "
        "FROM range(400)"
    )


@pytest.mark.parametrize("call", EACH)
def test_groups_are_what_each_alone_would_be(con: Connection, call: str) -> None:
    """GROUP BY, in a CTE and joined, says for each group what a query over that group alone says."""
    rows = sample(con)
    grouped = rows_of(
        con,
        f"WITH t AS ({rows}), s AS (SELECT g, {call} AS r FROM t GROUP BY g) "
        "SELECT g, r FROM s JOIN (SELECT DISTINCT g FROM t) USING (g) ORDER BY g",
    ).to_pylist()
    alone = [one(con, f"SELECT {call} FROM ({rows}) WHERE g = {g}") for g in range(7)]
    assert [{"g": g, "r": pytest.approx(own, nan_ok=False)} for g, own in enumerate(alone)] == grouped
    assert len({str(own) for own in alone}) > 1


@pytest.mark.parametrize("call", EACH)
def test_no_rows_are_a_result_and_not_a_failure(con: Connection, call: str) -> None:
    """Counts are 0, all else is null; without groups there is one row, with groups none."""
    rows = sample(con)
    made = one(con, f"SELECT {call} FROM ({rows}) WHERE false")
    if made is not None:
        assert {0, None} == set(made.values())
    assert rows_of(con, f"SELECT g, {call} FROM ({rows}) WHERE false GROUP BY g").num_rows == 0


@pytest.mark.parametrize("call", EACH)
def test_a_condition_goes_inside(con: Connection, call: str) -> None:
    """FILTER is refused in words; CASE WHEN is the same as WHERE."""
    rows = sample(con)
    with pytest.raises(Error, match="FILTER"):
        con.execute(f"SELECT {call} FILTER (WHERE g = 1) FROM ({rows})")
    inside = re.sub(
        r"\((x|arm),", r"(CASE WHEN g = 1 THEN \1 END,", call.replace("(x)", "(x,)").replace(",)", ", 0.95)")
    )
    assert one(con, f"SELECT {call} FROM ({rows}) WHERE g = 1") == one(con, f"SELECT {inside} FROM ({rows})")


def test_columns_may_be_called_as_the_parameters_are(con: Connection) -> None:
    """No name of a macro's own captures a name of the query."""
    rows = "(SELECT range % 2 AS level, 'a' AS arm, range % 2 AS a, 'b' AS b, range % 3 AS unit, 5 AS x FROM range(9))"
    renamed = "(SELECT range % 2 AS c1, 'a' AS c2, range % 2 AS c3, 'b' AS c4, range % 3 AS c5, 5 AS c6 FROM range(9))"
    for call, plain in [
        ("mean_ci(level)", "mean_ci(c1)"),
        ("mean_ci(unit, level := 0.5)", "mean_ci(c5, 0.5)"),
        ("wilson_ci(a)", "wilson_ci(c3)"),
        ("prop_test(a, level, 0, 1)", "prop_test(c3, c1, 0, 1)"),
        ("prop_test(level, arm || b, 'ab', b)", "prop_test(c1, c2 || c4, 'ab', c4)"),
        ("cluster_mean(unit, a)", "cluster_mean(c5, c3)"),
        ("cluster_mean(a, x)", "cluster_mean(c3, c6)"),
        ("srm_p(level, {'0': 1, '1': 1})", "srm_p(c1, {'0': 1, '1': 1})"),
    ]:
        assert one(con, f"SELECT {plain} FROM {renamed}") == one(con, f"SELECT {call} FROM {rows}")


@pytest.mark.parametrize("bad", ["0", "1", "95", "-0.5", "'nan'::DOUBLE"])
@pytest.mark.parametrize("call", ["mean_ci(x, {})", "wilson_ci(x, {})", "cluster_mean(x, unit, level := {})"])
def test_a_level_that_is_none_is_an_error(con: Connection, call: str, bad: str) -> None:
    """The message names value and bounds."""
    with pytest.raises(Error, match=r"level is .*, must be between 0 and 1"):
        con.execute(f"SELECT {call.format(bad)} FROM ({sample(con)})")


def test_windows_work_where_the_page_says(con: Connection) -> None:
    """One aggregate: a window gives every row its group's result; several: DuckDB says no."""
    rows = sample(con)
    for call in EACH[3:]:
        made = rows_of(con, f"SELECT DISTINCT g, {call} OVER (PARTITION BY g) AS r FROM ({rows}) ORDER BY g")
        assert (
            rows_of(con, f"SELECT g, {call} AS r FROM ({rows}) GROUP BY g ORDER BY g").to_pylist() == made.to_pylist()
        )
    for call in EACH[:3]:
        with pytest.raises(Error, match="exactly one aggregate"):
            con.execute(f"SELECT {call} OVER () FROM ({rows})")


def test_rows_are_streamed_through_the_functions(con: Connection) -> None:
    """Read as the product reads, in batches from a cursor, with both threads at work: no lock is waited for twice."""
    cursor = con.cursor()
    reader = cursor.sql(
        "SELECT g, mean_ci(x).mean, cluster_mean(x, u).units FROM "
        "(SELECT range % 50000 AS g, range % 2 AS x, range AS u FROM range(200000)) GROUP BY g"
    ).to_arrow_reader(10_000)
    assert sum(batch.num_rows for batch in reader) == 50_000


@pytest.mark.parametrize("call", EACH)
def test_a_million_groups_stay_bounded(con: Connection, call: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each group costs what its aggregates cost, in an engine of 1 GB."""
    started = time.perf_counter()
    made = one(
        con,
        f"SELECT count(r) FROM (SELECT g, {call} AS r FROM "
        "(SELECT range AS g, range % 2 AS x, range AS unit, 'a' AS arm FROM range(1000000)) GROUP BY g)",
    )
    with capsys.disabled():
        print(f"\n{call}: a million groups in {time.perf_counter() - started:.1f} s")  # noqa: T201
    assert made == 1_000_000


# The lock


stray = pa.table({"x": [1, 2]})
"""A table that an engine would find by its Python name, were it let."""

FORBIDDEN = (
    "SELECT * FROM read_text('/etc/hostname')",
    "SELECT * FROM read_csv('/etc/hostname')",
    "SELECT * FROM glob('/*')",
    "COPY (SELECT 1) TO '/tmp/never'",
    "ATTACH '/tmp/never.db'",
    "EXPORT DATABASE '/tmp/never'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET python_enable_replacements = true",
    "SET memory_limit = '64GB'",
    "SELECT * FROM stray",
    "SELECT mean_ci(x) FROM stray",
    "SELECT getenv('HOME')",
    "SELECT _mean_ci('/etc/hostname', 1, 1, 1)",
    "SELECT _cluster_mean('/etc/hostname', 1)",
)


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_the_lock_holds_as_without_them(con: Connection, sql: str) -> None:
    """What a locked engine refuses it refuses with the functions in it, in the same kind of words."""
    bare = connect()
    lock(bare)
    with pytest.raises(Error) as without:
        bare.execute(sql)
    bare.close()
    with pytest.raises(Error) as having:
        con.cursor().execute(sql)
    if not re.search(r"_ci|_mean", sql):
        assert str(without.value) == str(having.value)


def test_nothing_but_the_functions_is_new(con: Connection) -> None:
    """The catalogue grows by these names, and the settings stay as they are."""
    bare = connect(memory="1GB")
    lock(bare)
    functions, settings = (
        "SELECT DISTINCT function_name FROM duckdb_functions()",
        "SELECT name, value FROM duckdb_settings()",
    )
    new = set(rows_of(con, functions).column(0).to_pylist()) - set(rows_of(bare, functions).column(0).to_pylist())
    assert NAMES | {f"_{name}" for name in NAMES} | {"_level"} == new
    assert rows_of(bare, settings).to_pylist() == rows_of(con, settings).to_pylist()
    bare.close()


_events: list[str] | None = None


def _heard(event: str, _: tuple[Any, ...]) -> None:
    if _events is not None and event.partition(".")[0] in {
        "open",
        "os",
        "socket",
        "subprocess",
        "exec",
        "import",
        "ctypes",
    }:
        _events.append(event)


sys.addaudithook(_heard)  # cannot be taken away again: it listens only while `_events` is a list

SRM = "srm_p(v, MAP {'/etc/passwd': 1, 'a': 1})"

names = st.sampled_from(["/etc/passwd", "a", "'; DROP TABLE runs; --", "__import__('os')", "../..", "\0", ""])


@given(st.lists(st.tuples(st.none() | st.floats(), names), max_size=8))
def test_the_functions_open_import_and_run_nothing(con: Connection, rows: list[tuple[float | None, str]]) -> None:
    """Python's own audit hears no file, socket, process, import or code while they work on any values and names."""
    global _events  # noqa: PLW0603 - the hook outlives the test
    table = pa.table(
        {"x": pa.array([x for x, _ in rows], pa.float64()), "v": pa.array([v for _, v in rows], pa.string())}
    )
    con.register("_given", table)
    _events = []
    (ROOT / "README.md").read_bytes()
    assert "open" in _events
    _events.clear()
    for call in ("mean_ci(x)", "wilson_ci(x)", "prop_test(x, v, 'a', '')", "cluster_mean(x, v)", SRM):
        con.execute(f"SELECT {call} FROM _given").fetchall()
    heard, _events = _events, None
    con.unregister("_given")
    assert [] == heard


SHUT_IN = """
import sys
from queries.stats.sql import register
from warehouse.engine import connect, lock
con = connect()
register(con)
lock(con)

def refuse(event, arguments):
    if event in {"open", "import", "exec", "compile"} or event.startswith(("os.", "socket.", "subprocess.")):
        raise PermissionError(event, arguments)

sys.addaudithook(refuse)
for call in sys.argv[1:]:
    for rows in ("range(9)", "range(1)", "range(0)"):
        given = f"(SELECT nullif(range % 3, 2) AS x, nullif(range, 7) AS unit, 'a' AS arm FROM {rows})"
        print(con.execute(f"SELECT {call}, {call.replace('2}', 'NULL}')} FROM {given}").fetchone())
con.close()
"""


def test_registering_leaves_nothing_to_load() -> None:
    """A process that may open, import and run nothing any more still answers, from the first call on."""
    done = subprocess.run([sys.executable, "-c", SHUT_IN, *EACH], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert 3 * len(EACH) == len(done.stdout.splitlines())


# The page


def test_every_function_is_on_the_page_with_its_fields() -> None:
    """Heading, and each field of the result in the first column of its table."""
    parts = {part.partition("(")[0]: part for part in PAGE.split("\n### `")[1:]}
    assert {own.name for own in STATISTICS} == NAMES == set(parts)
    for own in STATISTICS:
        assert parts[own.name].startswith(f"{own.name}({own.parameters})`\n")
        fields = re.findall(r"(\w+) (?:BIGINT|DOUBLE)", own.result)
        told = [name for row in re.findall(r"^\| (`.*?) \|", parts[own.name], re.MULTILINE) for name in row.split(", ")]
        assert [f"`{name}`" for name in fields] == told


@pytest.mark.parametrize(
    "sql", re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL), ids=lambda sql: sql.split("(")[1][:12]
)
def test_the_examples_run(con: Connection, sql: str) -> None:
    """Each over the public tables, whose columns it must name rightly."""
    cursor = con.cursor()
    cursor.execute("BEGIN")
    for table in TABLES:
        made = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        cursor.execute(f'CREATE TABLE "{table.name}"({made})')
    cursor.execute(
        "INSERT INTO experiment_scores BY NAME SELECT 'prompt-v2' AS experiment, 'task-solved' AS score, "
        "CASE WHEN range % 2 = 0 THEN 'treatment' ELSE 'control' END AS variant, 'u' || range % 20 AS unit, "
        "(hash(range) % 2)::DOUBLE AS value, now() AS started_at FROM range(200)"
    )
    cursor.execute("INSERT INTO runs BY NAME SELECT 'r' AS id, 'Completed' AS status, 'live' AS environment")
    cursor.execute("INSERT INTO spans BY NAME SELECT 'r' AS run_id, 'm' AS request_model, 0.1 AS cost_usd")
    cursor.execute(
        "INSERT INTO assignments BY NAME SELECT 'e' AS experiment, 'u' || range AS unit, "
        "CASE WHEN range % 3 = 0 THEN 'treatment' ELSE 'control' END AS variant FROM range(90)"
    )
    made = cast("Callable[[str], Any]", cursor.sql)(sql).to_arrow_table()
    cursor.execute("ROLLBACK")
    assert made.num_rows > 0
    assert any(value is not None for value in made.column(made.num_columns - 1).to_pylist()) or made.num_rows == 1
