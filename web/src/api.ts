// The HTTP API as the islands use it: one place that sends, one error.

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly doc: string;
}

export interface PublicTable {
  readonly name: string;
  readonly row: string;
  readonly columns: readonly Column[];
}

/** What is wrong with a statement, or misleads: docs/sql.md, "Before asking". Lines and columns count from 1. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly code: string;
  readonly message: string;
  readonly hint?: string | null;
  readonly line?: number | null;
  readonly col?: number | null;
  readonly length?: number | null;
}

export interface Parameter {
  readonly type: string;
  readonly default?: unknown;
}

export interface SavedQuery {
  readonly name: string;
  readonly version: number;
  readonly sql: string;
  readonly description: string;
  readonly params: Readonly<Record<string, Parameter>>;
  readonly permalink: string;
  readonly result: string;
}

/** Body of `POST /v1/query`. */
export interface Question {
  readonly sql: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly limit?: number;
}

/** The object under `error` of an answer that failed. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | null;
  readonly line?: number | null;
  readonly col?: number | null;
  readonly length?: number | null;
  readonly request_id?: string;
}

/** The server said no. */
export class Refused extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export const ARROW = "application/vnd.apache.arrow.stream";

/** Format that can be downloaded -> its media type and the ending of the file. */
export const DOWNLOADS = {
  CSV: ["text/csv", "csv"],
  Parquet: ["application/vnd.apache.parquet", "parquet"],
  Arrow: [ARROW, "arrows"],
} as const;

async function failure(response: Response): Promise<Failure> {
  try {
    const body = (await response.json()) as { error?: Failure };
    if (body.error) return body.error;
  } catch {
    // not ours: a proxy's page, perhaps
  }
  return { code: "unreachable", message: `the server answered ${response.status} ${response.statusText}`.trim() };
}

/** Sends a request. Throws `Refused` when the server says no or cannot be reached, and AbortError when `signal` fires. */
export async function send(method: string, path: string, body?: unknown, options: { accept?: string; signal?: AbortSignal } = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: options.accept ?? "application/json" };
  const init: RequestInit = { method, headers, credentials: "same-origin", signal: options.signal ?? null };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused({ code: "unreachable", message: "the server cannot be reached", hint: "is it still running?" });
  }
  if (!response.ok) throw new Refused(await failure(response));
  return response;
}

export async function tables(): Promise<readonly PublicTable[]> {
  const response = await send("GET", "/v1/tables");
  return ((await response.json()) as { tables: PublicTable[] }).tables;
}

export async function check(question: Question, signal: AbortSignal): Promise<readonly Diagnostic[]> {
  const response = await send("POST", "/v1/query/check", question, { signal });
  return ((await response.json()) as { diagnostics: Diagnostic[] }).diagnostics;
}

export async function savedQueries(): Promise<readonly SavedQuery[]> {
  const response = await send("GET", "/v1/queries");
  return ((await response.json()) as { queries: SavedQuery[] }).queries;
}

const saved = (name: string): string => `/v1/queries/${encodeURIComponent(name)}`;

export async function savedQuery(name: string, version: string | null): Promise<SavedQuery> {
  const response = await send("GET", saved(name) + (version ? `?version=${encodeURIComponent(version)}` : ""));
  return (await response.json()) as SavedQuery;
}

export async function save(name: string, query: { sql: string; description: string; params: Record<string, Parameter> }): Promise<SavedQuery> {
  return (await (await send("PUT", saved(name), query)).json()) as SavedQuery;
}
