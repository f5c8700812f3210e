// `POST /v1/query/check` as squiggles.

import type { Diagnostic as Squiggle } from "@codemirror/lint";
import type { Text } from "@codemirror/state";
import type { Diagnostic } from "./api";

/** Offset in `line` of a column that counts characters from 1, as Python does: an emoji is one, not two. */
function offset(line: string, col: number): number {
  let at = 0;
  for (let left = col - 1; left > 0 && at < line.length; left--) at += (line.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return at;
}

/** Where a diagnostic stands in the text; one without a place stands at the first line. */
export function place(doc: Text, found: Pick<Diagnostic, "line" | "col" | "length">): { from: number; to: number } {
  const line = doc.line(Math.min(Math.max(found.line ?? 1, 1), doc.lines));
  if (found.col == null) return { from: line.from, to: line.to };
  const from = line.from + offset(line.text, found.col);
  const rest = doc.sliceString(from, doc.length);
  const to = Math.min(from + offset(rest, (found.length ?? 1) + 1), doc.length);
  // A place of no width, as at the end of an unfinished text, takes the character before it.
  return to > from ? { from, to } : { from: Math.max(from - 1, 0), to: from };
}

/** The squiggle of a diagnostic: message, then hint. */
export function squiggle(doc: Text, found: Diagnostic): Squiggle {
  const { from, to } = place(doc, found);
  const message = found.hint ? `${found.message}\n${found.hint}` : found.message;
  return { from, to, severity: found.severity, source: found.code, message };
}
