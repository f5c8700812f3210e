// What the page shows, as its address says it. The address is the whole state: a link opened anew gives the same.

/** How the result is drawn; `null` leaves it to the first guess. */
export interface Drawing {
  readonly mark: "line" | "bar" | "point" | "histogram";
  readonly x: string;
  readonly y: string | null;
  readonly color: string | null;
}

/** Value of a parameter as it was typed, and the type that it is read as (docs/saved-queries.md). */
export interface Given {
  readonly type: string;
  readonly text: string;
}

export interface State {
  readonly sql: string;
  readonly given: Readonly<Record<string, Given>>;
  readonly limit: number;
  readonly view: "table" | "chart";
  readonly drawing: Drawing | null;
}

export const LIMITS = [1_000, 10_000, 100_000] as const;
export const EMPTY: State = { sql: "", given: {}, limit: 10_000, view: "table", drawing: null };

/** Longest address that is made: servers and chats between here and the reader cut longer ones. */
export const ADDRESS_CHARACTERS = 16_000;

const MARKS: readonly string[] = ["line", "bar", "point", "histogram"];

export function read(query: URLSearchParams): State {
  const limit = Number(query.get("limit"));
  return {
    sql: query.get("q") ?? "",
    given: readGiven(query.get("params")),
    limit: LIMITS.find((known) => known === limit) ?? EMPTY.limit,
    view: query.get("view") === "chart" ? "chart" : "table",
    drawing: readDrawing(query),
  };
}

function readDrawing(query: URLSearchParams): Drawing | null {
  const [mark, x] = [query.get("mark"), query.get("x")];
  if (mark === null || x === null || !MARKS.includes(mark)) return null;
  return { mark: mark as Drawing["mark"], x, y: query.get("y"), color: query.get("color") };
}

/** `{"status": ["text", "Failed"]}`; what does not fit is left out, so no address can break the page. */
function readGiven(text: string | null): Record<string, Given> {
  if (text === null) return {};
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>).flatMap(([name, pair]) =>
      Array.isArray(pair) && typeof pair[0] === "string" && typeof pair[1] === "string"
        ? [[name, { type: pair[0], text: pair[1] }] as const]
        : [],
    );
    return Object.fromEntries(entries);
  } catch {
    return {};
  }
}

/** The query string of a state, without what is as it always is. */
export function written(state: State): string {
  const query = new URLSearchParams();
  if (state.sql) query.set("q", state.sql);
  const given = Object.entries(state.given).map(([name, { type, text }]) => [name, [type, text]] as const);
  if (given.length) query.set("params", JSON.stringify(Object.fromEntries(given)));
  if (state.limit !== EMPTY.limit) query.set("limit", String(state.limit));
  if (state.view !== EMPTY.view) query.set("view", state.view);
  for (const [name, value] of Object.entries(state.drawing ?? {})) {
    if (value !== null) query.set(name, String(value));
  }
  return String(query);
}

/** The path of a state, or null when it is too long for an address. */
export function address(state: State): string | null {
  const query = written(state);
  const path = query ? `/sql?${query}` : "/sql";
  return path.length <= ADDRESS_CHARACTERS ? path : null;
}
