// The SQL page: what api/pages/templates/sql_editor.html holds comes alive.

import { type Diagnostic, DOWNLOADS, type Failure, type PublicTable, type Question, Refused, type SavedQuery, check, save, savedQueries, savedQuery, send, tables } from "./api";
import { place, squiggle } from "./check";
import { copy, curl, pythonProgram } from "./copies";
import { button, byId, element, grouped, settled } from "./dom";
import { Editor } from "./editor";
import { type Grid, grid } from "./grid";
import { guess, MARKS, specification } from "./guess";
import { asked, forget, keep } from "./history";
import { typing } from "./keys";
import { Inputs, inlined, values } from "./parameters";
import { Result, ask } from "./result";
import { type Drawing, type Given, LIMITS, type State, address, read } from "./state";

const page = {
  run: byId("run", HTMLButtonElement),
  stop: byId("stop", HTMLButtonElement),
  limit: byId("limit", HTMLSelectElement),
  status: byId("status", HTMLElement),
  problems: byId("problems", HTMLElement),
  error: byId("error", HTMLElement),
  result: byId("result", HTMLElement),
  start: byId("start", HTMLElement),
  grid: byId("grid", HTMLElement),
  cell: byId("cell", HTMLElement),
  chart: byId("chart", HTMLElement),
  drawn: byId("drawn", HTMLElement),
  drawing: byId("drawing", HTMLElement),
  facts: byId("facts", HTMLElement),
  asTable: byId("as-table", HTMLButtonElement),
  asChart: byId("as-chart", HTMLButtonElement),
  downloads: byId("downloads", HTMLElement),
  history: byId("history", HTMLElement),
  saved: byId("saved", HTMLElement),
  copies: byId("copies", HTMLElement),
  save: byId("save", HTMLDialogElement),
  saveForm: byId("save-form", HTMLFormElement),
  saveError: byId("save-error", HTMLElement),
};

const began = read(new URLSearchParams(location.search));
let view: State["view"] = began.view;
let drawing: Drawing | null = began.drawing;
let result: Result | null = null;
let running: AbortController | null = null;
let rows: Grid | null = null;

const editor = new Editor(byId("editor", HTMLElement), {
  text: began.sql,
  run: () => void run(),
  changed: () => {
    inputs.follow(editor.text);
    remember();
  },
  check: async (codemirror) => {
    const sql = editor.text;
    const doc = codemirror.state.doc;
    const found = sql.trim() === "" ? [] : await checked(question());
    showProblems(found);
    return found.map((one) => squiggle(doc, one));
  },
});
const inputs = new Inputs(byId("parameters", HTMLElement), began.given, () => {
  remember();
  checkSoon();
});
inputs.follow(editor.text);
const checkSoon = settled(300, () => editor.recheck());

let checking = new AbortController();

/** Diagnostics of a statement; none when the server cannot say, for running it will tell. */
async function checked(asked: Question): Promise<readonly Diagnostic[]> {
  checking.abort();
  checking = new AbortController();
  try {
    return await check(asked, checking.signal);
  } catch {
    return [];
  }
}

// The state, and the address that carries it

function state(): State {
  return { sql: editor.text, given: inputs.given, limit: Number(page.limit.value), view, drawing };
}

function question(): Question {
  return { sql: editor.text, params: values(inputs.given), limit: Number(page.limit.value) };
}

function addressNow(): string {
  const path = address(state());
  if (path === null) say("This query is too long for an address: save it to share it.");
  return path ?? "/sql";
}

const remember = settled(400, () => window.history.replaceState(null, "", addressNow()));

/** Takes a question into the editor. */
function take(sql: string, given: Readonly<Record<string, Given>>): void {
  editor.text = sql;
  inputs.follow(editor.text);
  inputs.given = given;
  drawing = null;
  remember();
  editor.view.focus();
}

// Running

async function run(): Promise<void> {
  const sql = editor.text;
  if (sql.trim() === "") return say("Write a query first.");
  running?.abort();
  const mine = new AbortController();
  running = mine;
  const path = addressNow();
  if (path !== location.pathname + location.search) window.history.pushState(null, "", path);
  busy(true);
  try {
    const answer = await ask(question(), mine.signal);
    keep({ sql, given: inputs.given, at: Date.now(), rows: answer.rows });
    await show(answer);
    say(`${grouped(answer.rows)} ${answer.rows === 1 ? "row" : "rows"}`);
  } catch (error) {
    if (running !== mine) return; // another run took its place
    if (error instanceof Refused) showError(error.failure);
    else if (mine.signal.aborted) say("Stopped.");
    else showError({ code: "unreadable", message: `the answer cannot be read: ${String(error)}`, hint: "download it instead" });
  } finally {
    if (running === mine) {
      running = null;
      busy(false);
    }
  }
}

function busy(is: boolean): void {
  page.stop.hidden = !is;
  page.result.setAttribute("aria-busy", String(is));
  if (is) say("Running …");
}

function say(text: string): void {
  page.status.textContent = text;
}

function showError(failure: Failure): void {
  say("");
  page.start.hidden = true;
  page.result.hidden = true;
  page.error.hidden = false;
  const where = failure.line == null ? "" : ` at line ${failure.line}${failure.col == null ? "" : `, column ${failure.col}`}`;
  page.error.replaceChildren(
    element("p", { class: "strong" }, failure.message),
    ...(failure.hint ? [element("p", {}, failure.hint)] : []),
    element("p", { class: "muted small" }, element("code", {}, failure.code), where, failure.request_id ? ` · request ${failure.request_id}` : ""),
  );
  if (failure.line != null) {
    const { from, to } = place(editor.view.state.doc, failure);
    editor.goTo(from, to);
  }
}

function showProblems(found: readonly Diagnostic[]): void {
  page.problems.hidden = found.length === 0;
  page.problems.replaceChildren(
    ...found.map((one) => {
      const { from, to } = place(editor.view.state.doc, one);
      const go = button(one.line == null ? "whole query" : `line ${one.line}`, () => editor.goTo(from, to), { class: "link" });
      const hint = one.hint ? element("span", { class: "hint" }, ` ${one.hint}`) : "";
      return element("li", { class: one.severity }, element("b", {}, `${one.severity}: `), one.message, hint, " ", go);
    }),
  );
}

// The result: table, chart, facts

async function show(answer: Result): Promise<void> {
  result = answer;
  page.start.hidden = true;
  page.error.hidden = true;
  page.result.hidden = false;
  page.cell.hidden = true;
  showFacts(answer);
  await showView();
}

function bytes(size: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(size, 1)) / 3), units.length - 1);
  return `${power ? (size / 1000 ** power).toPrecision(3) : size} ${units[power]}`;
}

function showFacts({ facts, bytes: size, ms, rows: count }: Result): void {
  const fact = (text: string, title = "") => element("span", title ? { title } : {}, text);
  page.facts.replaceChildren(
    fact(`${grouped(count)} ${count === 1 ? "row" : "rows"}`),
    ...(facts.truncated ? [element("span", { class: "tag warn" }, "truncated: there are more")] : []),
    fact(`${grouped(Math.round(facts.elapsed_ms))} ms`, `in the database; ${grouped(Math.round(ms))} ms until the last byte was here`),
    fact(bytes(size), "size of the answer"),
    ...(facts.bytes_scanned ? [fact(`${bytes(facts.bytes_scanned)} scanned`, `${grouped(facts.rows_scanned ?? 0)} rows scanned`)] : []),
    element("span", {}, "snapshot ", element("code", {}, facts.snapshot)),
    ...(facts.known_at_note ? [fact(facts.known_at_note)] : []),
  );
}

async function showView(): Promise<void> {
  page.asTable.setAttribute("aria-pressed", String(view === "table"));
  page.asChart.setAttribute("aria-pressed", String(view === "chart"));
  page.grid.hidden = view !== "table";
  page.chart.hidden = view !== "chart";
  if (result === null) return;
  if (view === "chart") return showChart(result);
  if (result.rows === 0) return page.grid.replaceChildren(element("p", { class: "muted" }, "The query ran and returned no rows.")), void (rows = null);
  if (rows === null) page.grid.replaceChildren();
  rows ??= grid(page.grid, showCell);
  await rows.show(result);
  page.result.dataset.shown = String(result.rows);
}

/** The whole of one cell, below the grid. */
function showCell(answer: Result, column: number, row: number): void {
  const text = answer.cell(column, row);
  const { name, type } = answer.columns[column] ?? { name: "", type: "" };
  page.cell.hidden = false;
  page.cell.replaceChildren(
    element("p", { class: "muted small" }, element("code", {}, name), ` ${type}, row ${grouped(row + 1)} `, button("Copy", () => copied(text ?? "", "Cell"), { class: "link" })),
    element("pre", { tabindex: "0", role: "region", "aria-label": `${name}, row ${row + 1}` }, text === null ? "null" : pretty(text)),
  );
}

/** JSON with line ends; other text as it is. */
function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const MARK_NAMES = { line: "Line", bar: "Bars", point: "Scatter", histogram: "Histogram" } as const;

/** Where charts are drawn: one place, so that each chart takes away the one before. */
const canvas = element("div", { class: "canvas" });

/** How many charts were asked for: an older one must not be drawn over a newer. */
let charts = 0;

async function showChart(answer: Result): Promise<void> {
  const mine = ++charts;
  const wanted = drawing !== null && specification(answer, drawing) !== null ? drawing : guess(answer);
  if (wanted === null) {
    page.drawing.replaceChildren();
    page.drawn.replaceChildren(element("p", { class: "muted" }, "There is nothing to draw: the result has no rows."));
    return;
  }
  showDrawing(answer, wanted);
  const label = `${MARK_NAMES[wanted.mark]}: ${wanted.y ?? "rows"} by ${wanted.x}`;
  const { draw } = await import("./draw"); // of several that wait for it, any may go on first
  if (mine !== charts) return;
  const cut = wanted.mark !== "histogram" && answer.rows > MARKS;
  page.drawn.replaceChildren(canvas, ...(cut ? [element("p", { class: "muted small" }, `The first ${grouped(MARKS)} of ${grouped(answer.rows)} rows are drawn; aggregate to see all.`)] : []));
  await draw(canvas, specification(answer, wanted) ?? {}, label);
  if (mine === charts) page.drawn.dataset.drawn = wanted.mark;
}

/** The selects beside the chart. */
function showDrawing(answer: Result, now: Drawing): void {
  const select = (label: string, value: string | null, options: readonly (readonly [string, string])[], set: (value: string) => Drawing) => {
    const made = element("select", {}, ...options.map(([key, text]) => element("option", { value: key, selected: key === (value ?? "") }, text)));
    made.addEventListener("change", () => {
      drawing = set(made.value);
      remember();
      void showChart(answer);
    });
    made.setAttribute("aria-label", label);
    return element("label", {}, label, " ", made);
  };
  const names = answer.columns.map(({ name }) => [name, name] as const);
  const orNone = (text: string) => [["", text] as const, ...names];
  page.drawing.replaceChildren(
    select("Chart", now.mark, Object.entries(MARK_NAMES), (mark) => ({ ...now, mark: mark as Drawing["mark"] })),
    select("x", now.x, names, (x) => ({ ...now, x })),
    select("y", now.y, orNone("count of rows"), (y) => ({ ...now, y: y || null })),
    select("Colour", now.color, orNone("none"), (color) => ({ ...now, color: color || null })),
  );
}

function look(next: State["view"]): void {
  view = next;
  remember();
  void showView();
}

// History, saved queries, copies, downloads

function entries(place: HTMLElement, none: string, items: readonly HTMLElement[]): void {
  place.replaceChildren(...(items.length ? items : [element("p", { class: "muted small" }, none)]));
}

function close(inside: HTMLElement): void {
  inside.closest("details")?.removeAttribute("open");
}

function entry(place: HTMLElement, title: string, text: string, act: () => void): HTMLElement {
  const made = button("", () => (close(place), act()), { class: "entry" });
  made.append(element("span", { class: "muted small" }, title), element("code", {}, text.trim().replace(/\s+/g, " ").slice(0, 160)));
  return made;
}

function showHistory(): void {
  const all = asked();
  const items = all.map((one) =>
    entry(page.history, `${new Date(one.at).toLocaleString()} · ${one.rows === null ? "" : `${grouped(one.rows)} rows`}`, one.sql, () => take(one.sql, one.given)),
  );
  const forgets = button("Forget all", () => (forget(), showHistory()), { class: "link" });
  entries(page.history, "Queries that you run are kept here, in this browser.", all.length ? [...items, forgets] : []);
}

/** What the parameters of a saved query are filled with: their defaults. */
function defaults(query: SavedQuery): Record<string, Given> {
  return Object.fromEntries(
    Object.entries(query.params).map(([name, parameter]) => {
      const given = parameter.default;
      return [name, { type: parameter.type, text: given == null ? "" : typeof given === "string" ? given : JSON.stringify(given) }];
    }),
  );
}

function open(query: SavedQuery): void {
  take(query.sql, defaults(query));
  const { name, description } = saveFields();
  [name.value, description.value] = [query.name, query.description];
  say(`${query.name}, version ${query.version}`);
}

async function showSaved(): Promise<void> {
  try {
    const all = await savedQueries();
    const items = all.map((one) => entry(page.saved, `${one.name} · version ${one.version}${one.description ? ` · ${one.description}` : ""}`, one.sql, () => open(one)));
    entries(page.saved, "No query is saved yet.", items);
  } catch (error) {
    entries(page.saved, error instanceof Refused ? error.message : String(error), []);
  }
}

function saveFields(): { name: HTMLInputElement; description: HTMLInputElement } {
  return { name: byId("save-name", HTMLInputElement), description: byId("save-description", HTMLInputElement) };
}

async function saveNow(): Promise<void> {
  const { name, description } = saveFields();
  const given = inputs.given;
  const params = Object.fromEntries(
    Object.entries(given).map(([one, { type, text }]) => [one, { type, ...(text.trim() === "" ? {} : { default: values(given)[one] }) }]),
  );
  try {
    const made = await save(name.value.trim(), { sql: editor.text, description: description.value, params });
    page.save.close();
    page.status.replaceChildren(`Saved as ${made.name}, version ${made.version}: `, element("a", { href: made.result }, "its rows"));
  } catch (error) {
    page.saveError.hidden = false;
    page.saveError.textContent = error instanceof Refused ? [error.message, error.failure.hint].filter(Boolean).join(". ") : String(error);
  }
}

async function copied(text: string, what: string): Promise<void> {
  try {
    await copy(text);
    say(`${what} copied.`);
  } catch {
    say("The browser does not let this page copy.");
  }
}

const COPIES: readonly (readonly [string, () => string])[] = [
  ["Link", () => location.origin + addressNow()],
  ["curl", () => curl(question())],
  ["Python", () => pythonProgram(question())],
  ["SQL", () => inlined(editor.text, inputs.given)],
];

async function download(kind: keyof typeof DOWNLOADS): Promise<void> {
  const [accept, ending] = DOWNLOADS[kind];
  try {
    say("Downloading …");
    const response = await send("POST", "/v1/query", question(), { accept });
    const link = element("a", { href: URL.createObjectURL(await response.blob()), download: `result.${ending}` });
    link.click();
    URL.revokeObjectURL(link.href);
    say(`result.${ending} downloaded.`);
  } catch (error) {
    if (error instanceof Refused) showError(error.failure);
    else throw error;
  }
}

/** The tables beside the editor, with what their columns mean; a column is written into the query by a click. */
function showTables(all: readonly PublicTable[]): void {
  byId("table-count", HTMLElement).textContent = String(all.length);
  byId("tables", HTMLElement).replaceChildren(
    ...all.map(({ name, row, columns }) =>
      element(
        "details",
        {},
        element("summary", {}, element("code", {}, name)),
        element("p", { class: "small muted" }, `One row is ${row}. `, element("a", { href: `/sql?${new URLSearchParams({ q: `from ${name}\nlimit 20` })}` }, "First rows")),
        element(
          "dl",
          {},
          ...columns.flatMap((column) => {
            const write = button("", () => editor.insert(column.name), { class: "link", title: "Write it into the query" });
            write.append(element("code", {}, column.name));
            return [element("dt", {}, write, " ", element("span", { class: "type" }, column.type)), element("dd", {}, column.doc)];
          }),
        ),
      ),
    ),
  );
}

// Wiring

page.limit.replaceChildren(...LIMITS.map((one) => element("option", { value: String(one), selected: one === began.limit }, grouped(one))));
page.limit.addEventListener("change", remember);
page.run.addEventListener("click", () => void run());
page.stop.addEventListener("click", () => running?.abort());
page.asTable.addEventListener("click", () => look("table"));
page.asChart.addEventListener("click", () => look("chart"));
page.copies.replaceChildren(...COPIES.map(([name, text]) => button(name, () => (close(page.copies), copied(text(), name)), { class: "entry" })));
page.downloads.replaceChildren(
  ...(Object.keys(DOWNLOADS) as (keyof typeof DOWNLOADS)[]).map((kind) => button(kind, () => (close(page.downloads), download(kind)), { class: "entry" })),
);
page.history.closest("details")?.addEventListener("toggle", showHistory);
page.saved.closest("details")?.addEventListener("toggle", () => void showSaved());
page.saveForm.addEventListener("submit", (event) => {
  event.preventDefault();
  void saveNow();
});
byId("save-open", HTMLButtonElement).addEventListener("click", () => {
  page.saveError.hidden = true;
  page.save.showModal();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.removeAttribute("open");
    if (running !== null) running.abort();
  }
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && !event.defaultPrevented) return void run();
  if (event.key !== "/" || typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  editor.view.focus();
});
window.addEventListener("popstate", () => {
  const back = read(new URLSearchParams(location.search));
  [view, drawing] = [back.view, back.drawing];
  page.limit.value = String(back.limit);
  editor.text = back.sql;
  inputs.follow(editor.text);
  inputs.given = back.given;
  if (back.sql.trim() !== "") void run();
});

const examples = byId("examples", HTMLElement);
byId("examples-menu", HTMLDetailsElement).addEventListener(
  "toggle",
  () => examples.append(document.querySelector(".recipes")?.cloneNode(true) ?? ""),
  { once: true },
);

void tables().then((all) => (editor.offer(all), showTables(all)), () => say("The tables could not be read: no completion."));

/** Opens `?saved=NAME` (and `&version=`), or runs what the address asks. */
async function start(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const name = query.get("saved");
  if (name !== null) {
    try {
      open(await savedQuery(name, query.get("version")));
    } catch (error) {
      if (error instanceof Refused) return showError(error.failure);
      throw error;
    }
  }
  document.body.dataset.ready = "yes";
  if (editor.text.trim() === "") editor.view.focus();
  else await run();
}
void start();
