// The rows of a result: a virtual table that asks for the cells it shows.

import "regular-table";
import type { RegularTableElement } from "regular-table";
import { grouped } from "./dom";
import type { Result } from "./result";

/** Characters of a cell that the grid shows; the whole stands in the panel below, and in what is copied. */
const CELL_CHARACTERS = 200;

/** Height of the head with a scroll bar, and of a row, as islands.css has them; it bounds the whole. */
const HEAD_PIXELS = 70;
const ROW_PIXELS = 26;

/** Characters that would reorder or hide the text around them: shown by their number. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text on one line, with nothing in it that a reader would not see. */
function shown(text: string): string {
  const cut = text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text;
  return cut.replace(/\s*\r?\n\s*/g, " ⏎ ").replace(CONTROLS, (mark) => `‹${mark.charCodeAt(0).toString(16).padStart(4, "0")}›`);
}

export interface Grid {
  show(result: Result): Promise<void>;
}

/** Fills `place` with a grid. `chosen` is told which cell somebody chose. */
export function grid(place: HTMLElement, chosen: (result: Result, column: number, row: number) => void): Grid {
  const table = document.createElement("regular-table") as RegularTableElement;
  table.tabIndex = 0;
  table.setAttribute("aria-label", "Result rows");
  place.append(table);
  let result: Result | null = null;

  table.setDataListener(async (x0, y0, x1, y1) => {
    const now = result;
    if (now === null) return { num_rows: 0, num_columns: 0, data: [], row_headers: [], column_headers: [] };
    const data: (string | null)[][] = [];
    for (let column = x0; column < Math.min(x1, now.columns.length); column++) {
      const cells: (string | null)[] = [];
      for (let row = y0; row < Math.min(y1, now.rows); row++) {
        const text = now.cell(column, row);
        cells.push(text === null ? null : shown(text));
      }
      data.push(cells);
    }
    return {
      num_rows: now.rows,
      num_columns: now.columns.length,
      data,
      row_headers: Array.from({ length: Math.max(Math.min(y1, now.rows) - y0, 0) }, (_, row) => [grouped(y0 + row + 1)]),
      column_headers: now.columns.slice(x0, x1).map(({ name, type }) => [name, type]),
    };
  });

  table.addStyleListener(() => {
    const columns = result?.columns ?? [];
    for (const cell of table.querySelectorAll<HTMLElement>("tbody td, thead th")) {
      const meta = table.getMeta(cell);
      if (meta === undefined || meta.type === "row_header") continue;
      cell.classList.toggle("number", columns[meta.x]?.kind === "number");
      cell.classList.toggle("null", meta.type === "body" && meta.value === null);
    }
  });

  /** The cell that the keyboard is at. */
  let at = { x: 0, y: 0 };
  const point = (x: number, y: number) => {
    if (result === null || result.rows === 0 || result.columns.length === 0) return;
    at = { x: Math.max(0, Math.min(x, result.columns.length - 1)), y: Math.max(0, Math.min(y, result.rows - 1)) };
    chosen(result, at.x, at.y);
  };
  table.addEventListener("click", (event) => {
    const cell = (event.target as HTMLElement).closest<HTMLElement>("td");
    const meta = cell === null ? undefined : table.getMeta(cell);
    if (meta?.type === "body") point(meta.x, meta.y);
  });
  const MOVES: Readonly<Record<string, readonly [number, number]>> = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    PageUp: [0, -20], PageDown: [0, 20], Home: [0, -Infinity], End: [0, Infinity],
  };
  table.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    point(at.x + move[0], at.y + move[1]);
    void table.scrollToCell(Math.max(at.x - 2, 0), Math.max(at.y - 5, 0));
  });

  return {
    async show(next) {
      result = next;
      place.style.height = `${HEAD_PIXELS + ROW_PIXELS * Math.max(next.rows, 1)}px`;
      at = { x: 0, y: 0 };
      table.scrollTop = 0;
      table.scrollLeft = 0;
      table.resetAutoSize();
      await table.draw();
      await table.draw(); // only now it knows the height of its head, without which the last rows cannot be reached
    },
  };
}
