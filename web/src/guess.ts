// From the columns of a result to a chart: the first guess, and the Vega-Lite specification of a drawing.

import type { Result, ResultColumn } from "./result";
import type { Drawing } from "./state";
import { charted } from "./values";

/** Rows that a chart draws one mark each for; a histogram counts them all. */
export const MARKS = 5_000;

/** Different texts that colours can still tell apart. */
const COLOURS = 10;

function distinct(result: Result, column: number): number {
  const seen = new Set<unknown>();
  for (let row = 0; row < Math.min(result.rows, MARKS) && seen.size <= COLOURS; row++) seen.add(result.cell(column, row));
  return seen.size;
}

/** Different texts among the rows that are drawn. */
const categoriesOf = (result: Result, column: number): number =>
  new Set(Array.from({ length: Math.min(result.rows, MARKS) }, (_, row) => result.cell(column, row))).size;

/** What a result most likely wants to show; null when it has nothing to draw. */
export function guess(result: Result): Drawing | null {
  const of = (...kinds: ResultColumn["kind"][]) => result.columns.filter(({ kind }) => kinds.includes(kind));
  const [numbers, times, texts] = [of("number"), of("time"), of("text", "truth")];
  if (result.rows === 0 || result.columns.length === 0) return null;
  const coloured = (but?: ResultColumn) =>
    texts.find((column) => column !== but && distinct(result, result.columns.indexOf(column)) <= COLOURS)?.name ?? null;
  const [number, time, text] = [numbers[0], times[0], texts[0]];
  // What comes first is what the rows are about: by day and function, or by function and with a day.
  const first = result.columns.find(({ kind }) => kind !== "number");
  if (time && number && first === time) return { mark: "line", x: time.name, y: number.name, color: coloured() };
  if (text && number) return { mark: "bar", x: text.name, y: number.name, color: coloured(text) };
  if (time && number) return { mark: "line", x: time.name, y: number.name, color: null };
  if (number && numbers[1]) return { mark: "point", x: number.name, y: numbers[1].name, color: null };
  const only = number ?? time ?? text;
  return only ? { mark: number || time ? "histogram" : "bar", x: only.name, y: null, color: null } : null;
}

const TYPES = { number: "quantitative", time: "temporal", truth: "nominal", text: "nominal" } as const;

/** The Vega-Lite specification of a drawing, with the rows in it; null when a column it names is not there. */
export function specification(result: Result, drawing: Drawing): Record<string, unknown> | null {
  const named = [drawing.x, drawing.y, drawing.color].map((name) => result.columns.findIndex((column) => column.name === name));
  const [x = -1, y = -1, color = -1] = named;
  if (x < 0 || (drawing.y !== null && y < 0)) return null;
  const rows = drawing.mark === "histogram" ? result.rows : Math.min(result.rows, MARKS);
  const used = [...new Set([x, y, color])].filter((column) => column >= 0);
  const values = Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(used.map((column) => {
      const vector = result.table.getChildAt(column);
      return [`c${column}`, vector === null ? null : charted(vector.type, vector.get(row))];
    })),
  );
  // Columns go by number, for their names may hold what Vega reads as a path: "a.b", "n[0]".
  const field = (column: number, more: object = {}) => {
    const { name, kind } = result.columns[column] as ResultColumn;
    return { field: `c${column}`, title: name, type: TYPES[kind], ...(kind === "time" ? { scale: { type: "utc" } } : {}), ...more };
  };
  const count = { aggregate: "count", type: "quantitative", title: "rows" };
  const coloured = color >= 0 ? { color: field(color) } : {};
  const tooltip = [...used.map((column) => field(column, { scale: undefined, ...(result.columns[column]?.kind === "time" ? { format: "%Y-%m-%d %H:%M:%S" } : {}) }))];
  const base = { data: { values }, width: "container", height: 360, autosize: { type: "fit", contains: "padding" } };
  const categories = result.columns[x]?.kind === "text" || result.columns[x]?.kind === "truth";
  const measure = y >= 0 ? field(y) : count;
  switch (drawing.mark) {
    case "histogram":
      return categories
        ? { ...base, mark: "bar", encoding: { x: field(x), y: count } }
        : { ...base, mark: "bar", encoding: { x: field(x, { bin: { maxbins: 40 } }), y: count, tooltip: [field(x, { bin: { maxbins: 40 } }), count], ...coloured } };
    case "bar":
      return categories
        ? { ...base, height: 22 * categoriesOf(result, x) + 20, autosize: { type: "fit-x", contains: "padding" }, mark: "bar", encoding: { y: field(x, { sort: null }), x: measure, ...(y >= 0 ? { tooltip } : {}), ...coloured } }
        : { ...base, mark: "bar", encoding: { x: field(x), y: measure, ...(y >= 0 ? { tooltip } : {}), ...coloured } };
    case "line":
      return { ...base, mark: { type: "line", point: rows <= 200, strokeWidth: 2 }, encoding: { x: field(x), y: measure, ...(y >= 0 ? { tooltip } : {}), ...coloured } };
    case "point":
      return { ...base, mark: { type: "point", filled: true, opacity: 0.7 }, encoding: { x: field(x), y: measure, ...(y >= 0 ? { tooltip } : {}), ...coloured } };
  }
}
