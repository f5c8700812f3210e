"""Folding: what rows that arrived, and sealed rows of the same keys, come to (DESIGN section 3, Identity).

Pure SQL text over four temporary tables of one connection; the keeper runs it before it writes files, the query worker
over the log's tail, so both see the same rows.

    incoming    stored columns + _day                          rows that arrived
    existing    stored columns + _day, _file, _row, _current   live sealed rows of the same current keys
    folded      stored columns + _day, _current                rows to keep from `incoming`
    hide        _file, _row, _everywhere                       sealed rows that no longer count

Only keys that met (twice in `incoming`, or in `existing`) take the slow path; all others pass unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.schema import STATUS_RANK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.schema import FileTable

_ARRIVAL_DIGITS = 19


def quoted(names: Iterable[str], prefix: str = "") -> str:
    """Return column names as a quoted SQL list."""
    return ", ".join(f'{prefix}"{name}"' for name in names)


def current_key(table: FileTable) -> tuple[str, ...]:
    """Return the columns among whose equals one row is current."""
    return table.current_key or table.key


def clash(table: FileTable) -> str:
    """Return the statement that makes `clash`: the current keys that met."""
    keys = quoted(current_key(table))
    return (
        f"CREATE OR REPLACE TEMP TABLE clash AS SELECT {keys} FROM incoming GROUP BY ALL HAVING count(*) > 1 "
        f"UNION SELECT {keys} FROM existing"
    )


NOTHING_HIDDEN = "CREATE OR REPLACE TEMP TABLE hide (_file BIGINT, _row BIGINT, _everywhere BOOLEAN)"
"""The statement that makes `hide` when no keys met: all of `incoming` is kept as it is, and `folded` is not made."""


def fold(table: FileTable) -> list[str]:
    """Return the statements that make `folded` and `hide` from `incoming`, `existing` and `clash`."""
    stored = [column.name for column in table.stored]
    match = " AND ".join(f'i."{name}" IS NOT DISTINCT FROM c."{name}"' for name in current_key(table))
    met = (
        f"CREATE OR REPLACE TEMP TABLE met AS "
        f"SELECT {quoted(stored, 'i.')}, i._day, NULL::BIGINT AS _file, NULL::BIGINT AS _row, false AS _current "
        f"FROM incoming i SEMI JOIN clash c ON {match} "
        f"UNION ALL SELECT {quoted(stored)}, _day, _file, _row, _current FROM existing"
    )
    return [
        met,
        *(_merge_fields(table) if table.merge == "fields" else _choose_rows(table)),
        "CREATE OR REPLACE TEMP TABLE hide AS SELECT _file, _row, _everywhere FROM decided "
        "WHERE _file IS NOT NULL AND (_everywhere OR (_current AND NOT _wins))",
        f"CREATE OR REPLACE TEMP TABLE chosen AS "
        f"SELECT {quoted(stored, 'i.')}, i._day, true AS _current FROM incoming i ANTI JOIN clash c ON {match} "
        f"UNION ALL SELECT {quoted(stored)}, _day, _wins FROM decided WHERE _file IS NULL"
        + ("" if table.history else " AND _wins"),
        "CREATE OR REPLACE TEMP VIEW folded AS SELECT * FROM chosen",
    ]


def _choose_rows(table: FileTable) -> list[str]:
    """Decide between whole rows: `newest` and `first`.

    An identical resend is dropped: the same content at the same time, or, in a table with history and when the sender
    gave no time, the content of the row that arrived just before. Of a `first` table only rows that win when they
    arrive are kept.
    """
    stored = [column.name for column in table.stored]
    content = [column.name for column in table.columns if column.name not in (*table.key, *table.order, "received_at")]
    group = quoted(current_key(table))
    order = f"{quoted(table.order)}, _arrival"
    if table.merge == "newest":
        kept = (
            f"kept AS (SELECT * FROM met QUALIFY _file IS NOT NULL OR row_number() OVER "
            f"(PARTITION BY {quoted([*table.key, *table.order, *content])} ORDER BY _file NULLS LAST, _arrival) = 1)"
        )
        if table.history:
            same = " AND ".join(f'lag("{name}") OVER w IS NOT DISTINCT FROM "{name}"' for name in content)
            kept = (
                f"{kept.replace('kept', 'first_of', 1)}, "
                f"kept AS (SELECT * FROM first_of WINDOW w AS (PARTITION BY {group} ORDER BY _arrival) "
                f"QUALIFY _file IS NOT NULL OR _given OR lag(_arrival) OVER w IS NULL OR NOT ({same}))"
            )
        direction = " DESC"
    else:
        kept = (
            f"ranked AS (SELECT *, row_number() OVER (PARTITION BY {group} ORDER BY {order}) AS _rank FROM met), "
            f"kept AS (SELECT * EXCLUDE (_rank) FROM ranked QUALIFY _file IS NOT NULL OR _rank = min(_rank) OVER "
            f"(PARTITION BY {group} ORDER BY _arrival ROWS UNBOUNDED PRECEDING))"
        )
        direction = ""
    ranking = ", ".join(f'"{name}"{direction}' for name in table.order) + f", _arrival{direction}"
    return [
        f"CREATE OR REPLACE TEMP TABLE decided AS WITH {kept} "
        f"SELECT {quoted(stored)}, _day, _file, _row, _current, "
        f"row_number() OVER (PARTITION BY {group} ORDER BY {ranking}) = 1 AS _wins, "
        f"{'false' if table.history else 'NOT _wins'} AS _everywhere FROM kept"
    ]


def version_text(table: FileTable) -> str:
    """Return the SQL expression of a record's version: text that sorts as (status rank, times, arrival)."""
    parts: list[str] = []
    for name in table.order:
        if name == "status":
            ranks = " ".join(f"WHEN '{status}' THEN {rank}" for status, rank in STATUS_RANK.items())
            parts.append(f"(CASE status {ranks} ELSE 0 END)::VARCHAR")
        else:
            parts.append(f"printf('%016d', coalesce(epoch_us(\"{name}\"), 0))")
    return " || ".join([*parts, f"printf('%0{_ARRIVAL_DIGITS}d', _arrival)"])


def _merge_fields(table: FileTable) -> list[str]:
    """Merge field by field: of each field the non-null value of the highest version wins.

    A merged row remembers the version of each of its fields, so that the same records in any order, and in any
    grouping into seals, give the same row (a last-writer-wins register per field). A record sent again is dropped
    before, so that a row was received when its state was first known.
    """
    fields = table.fields
    versions = ", ".join(
        f'CASE WHEN "{name}" IS NOT NULL THEN coalesce(_versions[{at}], _v) END' for at, name in enumerate(fields, 1)
    )
    values = ", ".join(
        f'arg_max("{name}", _fv[{at}]) FILTER ("{name}" IS NOT NULL) AS "{name}"' for at, name in enumerate(fields, 1)
    )
    newest = ", ".join(f"max(_fv[{at}])" for at in range(1, len(fields) + 1))
    timeless = f"list_transform({{}}, lambda v: v[:-{_ARRIVAL_DIGITS + 1}])"
    unchanged = " AND ".join(f'm."{name}" IS NOT DISTINCT FROM e."{name}"' for name in fields)
    on_key = " AND ".join(f'm."{name}" = e."{name}"' for name in table.key)
    computed = {
        "_arrival": "m._arrival",
        table.received: f'm."{table.received}"',
        "_first_received_at": f'CASE WHEN m._first < m."{table.received}" THEN m._first END',
        "_given": "false",
        "_versions": "CASE WHEN m._parts > 1 THEN m._fv END",
    }
    stored = [column.name for column in table.stored]
    merged = ", ".join(f'{computed.get(name, f"""m."{name}" """)} AS "{name}"' for name in stored)
    kept = f"(m._file IS NOT NULL AND {unchanged} AND {timeless.format('m._fv')} = {timeless.format('e._fv')})"
    highest = [name for name in table.key if name not in current_key(table)]
    ranking = f"ORDER BY {', '.join(f'{name} DESC' for name in highest)}" if highest else ""
    wins = f"row_number() OVER (PARTITION BY {quoted(current_key(table))} {ranking}) = 1" if highest else "true"
    keys = quoted(table.key)
    resent = " AND ".join(f'lag("{name}") OVER w IS NOT DISTINCT FROM "{name}"' for name in fields)
    return [
        f"CREATE OR REPLACE TEMP TABLE versioned AS SELECT *, _v[:-{_ARRIVAL_DIGITS + 1}] AS _when "
        f"FROM (SELECT *, {version_text(table)} AS _v FROM met)",
        f"CREATE OR REPLACE TEMP TABLE again AS "
        f"SELECT {keys}, _when FROM versioned WHERE _file IS NULL GROUP BY ALL HAVING count(*) > 1",
        f"CREATE OR REPLACE TEMP TABLE parts AS SELECT *, [{versions}] AS _fv FROM ("
        f"SELECT * FROM versioned v ANTI JOIN again USING ({keys}, _when) UNION ALL "
        f"SELECT * FROM versioned v SEMI JOIN again USING ({keys}, _when) "
        f"WINDOW w AS (PARTITION BY {keys}, _when ORDER BY _file NULLS LAST, _arrival) "
        f"QUALIFY _file IS NOT NULL OR lag(_arrival) OVER w IS NULL OR NOT ({resent}))",
        f"CREATE OR REPLACE TEMP TABLE merged AS SELECT {quoted(table.key)}, {values}, [{newest}] AS _fv, "
        f'max(_arrival) AS _arrival, max("{table.received}") AS "{table.received}", '
        f'min(coalesce(_first_received_at, "{table.received}")) AS _first, count(*) AS _parts, '
        f"max(_file) AS _file, max(_row) AS _row, max(_day) AS _day "
        f"FROM parts GROUP BY {keys}",
        # A sealed row that nothing changed stays where it is; a changed one is written anew and hidden where it was.
        f"CREATE OR REPLACE TEMP TABLE outcome AS SELECT {merged}, m._day, "
        f"CASE WHEN {kept} THEN m._file END AS _file, CASE WHEN {kept} THEN m._row END AS _row, "
        f"coalesce(e._current, false) AS _current, "
        f"CASE WHEN NOT {kept} THEN m._file END AS _gone_file, CASE WHEN NOT {kept} THEN m._row END AS _gone_row "
        f"FROM merged m LEFT JOIN (SELECT * FROM parts WHERE _file IS NOT NULL) e ON {on_key}",
        f"CREATE OR REPLACE TEMP TABLE decided AS "
        f"SELECT {quoted(stored)}, _day, _file, _row, _current, {wins} AS _wins, false AS _everywhere FROM outcome "
        f"UNION ALL SELECT {', '.join(f'NULL AS {chr(34)}{name}{chr(34)}' for name in stored)}, _day, _gone_file, "
        f"_gone_row, true, false, true FROM outcome WHERE _gone_file IS NOT NULL",
    ]
