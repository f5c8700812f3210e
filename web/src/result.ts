// The answer to a question: an Arrow table and the facts about it.

import { type Table, tableFromIPC } from "apache-arrow";
import { ARROW, type Question, send } from "./api";
import { type Kind, kindOf, text, typeName } from "./values";

/** What `POST /v1/query` says about its rows. */
export interface Facts {
  readonly row_count: number;
  readonly truncated: boolean;
  readonly elapsed_ms: number;
  readonly rows_scanned?: number;
  readonly bytes_scanned?: number;
  readonly snapshot: string;
  readonly known_at_note?: string | null;
}

export interface ResultColumn {
  readonly name: string;
  readonly type: string;
  readonly kind: Kind;
}

export class Result {
  readonly table: Table;
  readonly facts: Facts;
  readonly columns: readonly ResultColumn[];
  /** Size of the answer in bytes, and milliseconds from the question to its last byte. */
  readonly bytes: number;
  readonly ms: number;

  constructor(table: Table, bytes: number, ms: number) {
    this.table = table;
    this.bytes = bytes;
    this.ms = ms;
    this.facts = JSON.parse(table.schema.metadata.get("upshot") ?? "{}") as Facts;
    this.columns = table.schema.fields.map(({ name, type }) => ({ name, type: typeName(type), kind: kindOf(type) }));
  }

  get rows(): number {
    return this.table.numRows;
  }

  /** The text of a cell, null for null. */
  cell(column: number, row: number): string | null {
    const vector = this.table.getChildAt(column);
    return vector === null ? null : text(vector.type, vector.get(row));
  }
}

/** Asks, and waits for the whole answer. Throws as `send` does. */
export async function ask(question: Question, signal: AbortSignal): Promise<Result> {
  const began = performance.now();
  const response = await send("POST", "/v1/query", question, { accept: ARROW, signal });
  const body = new Uint8Array(await response.arrayBuffer());
  return new Result(tableFromIPC(body), body.length, performance.now() - began);
}
