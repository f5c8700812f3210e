// Questions asked before, kept in this browser.

import type { Given } from "./state";

export interface Asked {
  readonly sql: string;
  readonly given: Readonly<Record<string, Given>>;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly rows: number | null;
}

const KEY = "upshot.sql.history";
const KEPT = 100;

export function asked(): readonly Asked[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one: Asked) => typeof one?.sql === "string") : [];
  } catch {
    return []; // storage is off, or holds something else
  }
}

/** Keeps a question as the newest; the same text again takes the place of its last time. */
export function keep(one: Asked): void {
  keepAll([one, ...asked().filter(({ sql }) => sql !== one.sql)].slice(0, KEPT));
}

export function forget(): void {
  keepAll([]);
}

function keepAll(all: readonly Asked[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // storage is off or full: the history then ends with the page
  }
}
