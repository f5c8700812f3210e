// Rows that arrow keys walk: `[data-rows]` holds elements with `data-row`. A row with `data-depth` can hide those below it.

const rowsOf = (list: Element): HTMLElement[] => [...list.querySelectorAll<HTMLElement>("[data-row]:not([hidden])")];

/** What takes the focus of a row: the row, or its first link. */
const target = (row: HTMLElement): HTMLElement =>
  row.hasAttribute("tabindex") ? row : (row.querySelector<HTMLElement>("a[href]") ?? row);

/** The rows below a row: those that follow it with a greater depth. */
function below(row: HTMLElement): HTMLElement[] {
  const depth = Number(row.dataset.depth);
  const found: HTMLElement[] = [];
  for (let next = row.nextElementSibling; next instanceof HTMLElement; next = next.nextElementSibling) {
    if (!(Number(next.dataset.depth) > depth)) break;
    found.push(next);
  }
  return found;
}

/** Opens or closes a row; what was closed inside it stays closed. */
function fold(row: HTMLElement, closed: boolean): void {
  if (row.dataset.depth === undefined) return;
  const rows = below(row);
  if (rows.length === 0) return;
  row.toggleAttribute("data-closed", closed);
  row.querySelector("[data-fold]")?.setAttribute("aria-expanded", String(!closed));
  let within = Infinity;
  for (const one of rows) {
    const depth = Number(one.dataset.depth);
    if (depth <= within) within = Infinity;
    one.hidden = closed || depth > within;
    if (one.hasAttribute("data-closed")) within = Math.min(within, depth);
  }
}

function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof HTMLElement)) return;
  const row = event.target.closest<HTMLElement>("[data-row]");
  const list = row?.closest("[data-rows]");
  if (!row || !list || event.target.closest("input, textarea, select, summary")) return;
  const rows = rowsOf(list);
  const at = rows.indexOf(row);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (to !== undefined) {
    const next = rows[to];
    if (next) target(next).focus();
    event.preventDefault();
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    fold(row, event.key === "ArrowLeft");
    if (row.dataset.depth !== undefined) event.preventDefault();
  } else if (event.key === "Enter" && event.target === row) {
    row.querySelector<HTMLElement>("a[href]")?.click();
  }
}

export function listen(): void {
  document.addEventListener("keydown", pressed);
  document.addEventListener("click", (event) => {
    const toggle = event.target instanceof Element ? event.target.closest("[data-fold]") : null;
    const row = toggle?.closest<HTMLElement>("[data-row]");
    if (row) fold(row, !row.hasAttribute("data-closed"));
  });
}
