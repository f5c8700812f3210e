// DuckDB's SQL as the editor reads it, and where its parameters stand.

import { PostgreSQL, SQLDialect } from "@codemirror/lang-sql";

/** Words of DuckDB's SELECT that PostgreSQL has not. */
const KEYWORDS =
  "anti asof columns exclude glob ilike include macro pivot pivot_longer pivot_wider positional qualify rename sample semi summarize try_cast unpivot using";

/** Functions that questions about runs and scores ask for first; the guard serves many more (docs/sql.md). */
const FUNCTIONS =
  "abs any_value approx_count_distinct arg_max arg_min array_agg avg bool_and bool_or ceil coalesce concat contains corr count count_if date_add date_diff date_part date_trunc day dayname ends_with epoch_ms first floor greatest histogram hour json_extract json_extract_string last least left len length list list_aggregate list_contains list_filter list_transform ln log lower max median min mode month now nullif printf quantile_cont quantile_disc regexp_extract regexp_matches regexp_replace replace right round row_number rank dense_rank lag lead split_part starts_with stddev string_agg strftime strptime substring sum time_bucket trim unnest upper var_samp week year";

const TYPES = "hugeint uhugeint utinyint usmallint uinteger ubigint tinyint double varchar blob struct map timestamptz timestamp_ms timestamp_s timestamp_ns uuid json bit";

export const DuckDB = SQLDialect.define({
  ...PostgreSQL.spec,
  keywords: `${PostgreSQL.spec.keywords ?? ""} ${KEYWORDS}`,
  types: `${PostgreSQL.spec.types ?? ""} ${TYPES}`,
  builtin: FUNCTIONS,
  specialVar: "$",
  operatorChars: "+-*/<>=~!@%^&|`?:",
  doubleDollarQuotedStrings: false, // or `$name` has no colour
});

export interface Place {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** What may hide a dollar (strings, quoted names, comments, dollar quotes), or else a parameter, which is captured. */
const PIECES =
  /[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\w*)\$[\s\S]*?\$\1\$|\$([A-Za-z_]\w*)/g;

/** Where `$name` stands in a statement. */
export function parameters(sql: string): readonly Place[] {
  return [...sql.matchAll(PIECES)].flatMap((found) => {
    const name = found[2];
    return name === undefined ? [] : [{ name, from: found.index, to: found.index + found[0].length }];
  });
}
