"""The statistics of `docs/statistics-in-sql.md` as functions of SQL: registered on an engine before it is locked.

Each is a macro of DuckDB aggregates inside one Python function over their results, so a group costs what its
aggregates cost and the function sees some thousand groups a call. The function's name is the macro's with an underscore
before it; the guard knows only the macros. The functions read their arguments, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # here, for a worker that has shut itself in could not load it later

from queries.stats import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.stats.aggregates import Floats
    from queries.stats.columns import Integers
    from warehouse.engine import Connection

    Column = pa.ChunkedArray[Any]
    Answer = pa.Array[Any]
else:
    Column, Answer = pa.ChunkedArray, pa.Array  # DuckDB evaluates the annotations of the functions it is given


@dataclass(frozen=True, slots=True)
class Statistic:
    """A function of SQL: `name(parameters)`, the `inputs` (type and SQL) its `compute` is given, and its result."""

    name: str
    parameters: str
    result: str
    inputs: tuple[tuple[str, str], ...]
    compute: Callable[..., Answer]
    doc: str


def register(con: Connection) -> None:
    """Add every statistic to an engine that is not locked yet; its cursors have them too.

    Close the engine before the process ends: the binding of DuckDB complains on standard error of Python functions in
    an engine that outlives the interpreter.
    """
    untyped: Any = con  # the stubs know the words "arrow" and "special" only as members of duckdb's own enums
    con.execute(f"CREATE MACRO _level(level) AS {_LEVEL}")
    for own in STATISTICS:
        types = [type_ for type_, _ in own.inputs]
        silent = np.errstate(all="ignore")(own.compute)  # what cannot be told is NaN on the way and null in the end
        untyped.create_function(f"_{own.name}", silent, types, own.result, type="arrow", null_handling="special")
        arguments = ", ".join(sql for _, sql in own.inputs)
        con.execute(f"CREATE MACRO {own.name}({own.parameters}) AS _{own.name}({arguments})")


def _mean_ci(n: Column, mean: Column, sd: Column, level: Column) -> Answer:
    count, centre = _floats(n), _floats(mean)
    low, high = columns.t_interval(centre, _floats(sd) / np.sqrt(count), count - 1, _floats(level))
    return _struct({"n": _integers(n), "mean": centre, "low": low, "high": high})


def _wilson_ci(n: Column, successes: Column, failures: Column, level: Column) -> Answer:
    count, hits = _floats(n), _floats(successes)
    neither = _integers(n) - _integers(successes) - _integers(failures)
    low, high = columns.wilson(hits, count, _floats(level))
    rates = _only(neither == 0, {"rate": hits / count, "low": low, "high": high})
    return _struct({"n": _integers(n), "successes": _integers(successes), "neither": neither, **rates})


def _prop_test(  # noqa: PLR0917 - DuckDB hands over each input by its place
    n_a: Column, hits_a: Column, misses_a: Column, n_b: Column, hits_b: Column, misses_b: Column, level: Column
) -> Answer:
    neither = (
        _integers(n_a) + _integers(n_b) - sum(_integers(column) for column in (hits_a, misses_a, hits_b, misses_b))
    )
    k_a, m_a, k_b, m_b = (_floats(column) for column in (hits_a, n_a, hits_b, n_b))
    low, high = columns.newcombe(k_a, m_a, k_b, m_b, _floats(level))
    rates = {
        "rate_a": k_a / m_a,
        "rate_b": k_b / m_b,
        "difference": k_a / m_a - k_b / m_b,
        "low": low,
        "high": high,
        "p": columns.proportions_p(k_a, m_a, k_b, m_b),
    }
    return _struct({"n_a": _integers(n_a), "n_b": _integers(n_b), "neither": neither, **_only(neither == 0, rates)})


def _cluster_mean(rows: Column, level: Column) -> Answer:
    lists = _whole(rows)
    hashes, x = _items(lists, lists.values).flatten()
    codes, distinct = _codes(hashes)
    unit, places = _codes(_array(_owners(lists) * max(len(distinct), 1) + codes))  # a unit of two groups is two units
    made = columns.clusters(_numbers(places) // max(len(distinct), 1), len(lists), unit, _numbers(x))
    low, high = columns.t_interval(made.mean, made.se, made.effective_units - 1, _floats(level))
    return _struct({**made._asdict(), "low": low, "high": high})


def _srm_p(counts: Column, weights: Column) -> Answer:
    observed, wanted = _whole(counts), _whole(weights)
    seen, named = _owners(observed), _owners(wanted)
    codes, distinct = _codes(pa.concat_arrays([_items(observed, observed.keys), _items(wanted, wanted.keys)]))
    places = np.concatenate([seen, named]) * max(len(distinct), 1) + codes  # one number for a variant of a group
    _, in_seen, in_named = np.intersect1d(
        places[: len(seen)], places[len(seen) :], assume_unique=True, return_indices=True
    )
    units = np.zeros(len(named))
    units[in_named] = _numbers(_items(observed, observed.items))[in_seen]
    shares = _numbers(_items(wanted, wanted.items))
    strangers = np.bincount(seen, minlength=len(wanted)) > np.bincount(seen[in_seen], minlength=len(wanted))
    return _array(np.where(strangers, np.nan, columns.sample_ratio_p(named, len(wanted), units, shares)))


def _codes(values: Any) -> tuple[Integers, Answer]:
    """Return each value's place among the distinct ones, and those."""
    encoded = values.dictionary_encode()
    return _numbers(encoded.indices).astype(np.int64), encoded.dictionary


def _whole(column: Column) -> Any:
    return column.combine_chunks()


def _items(lists: Any, children: Any) -> Any:
    """Return the children that lists or maps, none of them null, hold."""
    return children[lists.offsets[0].as_py() : lists.offsets[-1].as_py()]


def _owners(lists: Any) -> Integers:
    """Return for every child of lists or maps, none of them null, which of them holds it."""
    return np.repeat(np.arange(len(lists)), np.diff(_numbers(lists.offsets)))


def _numbers(values: Any) -> Any:
    """Return numbers as numpy's, null as NaN.

    `to_numpy`, `pa.array` and `pa.scalar` are not for a worker: they import pandas where there is one.
    """
    if values.null_count:
        nothing: Any = np.full(len(values), np.nan)
        values = pc.coalesce(values, pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(nothing)]))
    return np.from_dlpack(values)


def _floats(column: Column) -> Floats:
    return _numbers(_whole(column).cast(pa.float64()))


def _integers(counts: Column) -> Integers:
    return _numbers(_whole(counts))


def _array(values: Any) -> Answer:
    """Return numbers as Arrow's; what is not finite is null."""
    parts: list[Any] = [np.packbits(np.isfinite(values), bitorder="little"), np.ascontiguousarray(values)]
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [pa.py_buffer(part) for part in parts])


def _only(proper: Any, values: dict[str, Floats]) -> dict[str, Floats]:
    return {name: np.where(proper, own, np.nan) for name, own in values.items()}


def _struct(results: Mapping[str, Floats | Integers]) -> Answer:
    return pa.StructArray.from_arrays([_array(own) for own in results.values()], list(results))


_LEVEL = (
    "CASE WHEN level IS NULL OR (level::DOUBLE > 0 AND level::DOUBLE < 1) THEN level::DOUBLE "
    "ELSE error('level is ' || level || ', must be between 0 and 1') END"
)

_LEVEL_INPUT = ("DOUBLE", "_level(level)")


STATISTICS = (
    Statistic(
        name="mean_ci",
        parameters="x, level := 0.95",
        result="STRUCT(n BIGINT, mean DOUBLE, low DOUBLE, high DOUBLE)",
        inputs=(
            ("BIGINT", "count(x::DOUBLE)"),
            ("DOUBLE", "avg(x::DOUBLE)"),
            ("DOUBLE", "CASE WHEN min(x::DOUBLE) < max(x::DOUBLE) THEN stddev_samp(x::DOUBLE) END"),
            _LEVEL_INPUT,
        ),
        compute=_mean_ci,
        doc="Mean of independent rows with Student's t interval.",
    ),
    Statistic(
        name="wilson_ci",
        parameters="x, level := 0.95",
        result="STRUCT(n BIGINT, successes BIGINT, neither BIGINT, rate DOUBLE, low DOUBLE, high DOUBLE)",
        inputs=(
            ("BIGINT", "count(x::DOUBLE)"),
            ("BIGINT", "count(*) FILTER (WHERE x::DOUBLE = 1)"),
            ("BIGINT", "count(*) FILTER (WHERE x::DOUBLE = 0)"),
            _LEVEL_INPUT,
        ),
        compute=_wilson_ci,
        doc="Share of true among independent booleans (or 1 and 0) with Wilson's interval.",
    ),
    Statistic(
        name="prop_test",
        parameters="x, arm, a, b, level := 0.95",
        result=(
            "STRUCT(n_a BIGINT, n_b BIGINT, neither BIGINT, rate_a DOUBLE, rate_b DOUBLE, difference DOUBLE, "
            "low DOUBLE, high DOUBLE, p DOUBLE)"
        ),
        inputs=(
            ("BIGINT", "count(x::DOUBLE) FILTER (WHERE arm = a)"),
            ("BIGINT", "count(*) FILTER (WHERE arm = a AND x::DOUBLE = 1)"),
            ("BIGINT", "count(*) FILTER (WHERE arm = a AND x::DOUBLE = 0)"),
            ("BIGINT", "count(x::DOUBLE) FILTER (WHERE arm = b)"),
            ("BIGINT", "count(*) FILTER (WHERE arm = b AND x::DOUBLE = 1)"),
            ("BIGINT", "count(*) FILTER (WHERE arm = b AND x::DOUBLE = 0)"),
            _LEVEL_INPUT,
        ),
        compute=_prop_test,
        doc="Difference of two arms' shares of true (a minus b) over independent rows: Newcombe's interval, pooled z.",
    ),
    Statistic(
        name="cluster_mean",
        parameters="x, unit, level := 0.95",
        result=(
            "STRUCT(units BIGINT, effective_units DOUBLE, n BIGINT, mean DOUBLE, se DOUBLE, low DOUBLE, high DOUBLE)"
        ),
        inputs=(
            (
                "STRUCT(unit UBIGINT, x DOUBLE)[]",
                "coalesce(list({'unit': hash(unit), 'x': x::DOUBLE}) "
                "FILTER (WHERE x IS NOT NULL AND unit IS NOT NULL), [])",
            ),
            _LEVEL_INPUT,
        ),
        compute=_cluster_mean,
        doc="Mean over rows whose error is that of the units they come from: leave-one-unit-out jackknife.",
    ),
    Statistic(
        name="srm_p",
        parameters="variant, weights",
        result="DOUBLE",
        inputs=(
            ("MAP(VARCHAR, UBIGINT)", "coalesce(histogram(variant::VARCHAR), MAP {})"),
            ("MAP(VARCHAR, DOUBLE)", "coalesce(from_json(weights::JSON, '\"MAP(VARCHAR, DOUBLE)\"'), MAP {})"),
        ),
        compute=_srm_p,
        doc="p of the sample-ratio test: did units, one a row, come in the proportions of the weights?",
    ),
)

NAMES = frozenset(own.name for own in STATISTICS)
"""What a query may call; the functions behind them are refused as any unknown name is."""
