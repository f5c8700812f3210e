// Inputs for the parameters of a statement, and their values as the API takes them.

import { parameters as places } from "./dialect";
import { element } from "./dom";
import type { Given } from "./state";

/** Types a parameter can have (docs/saved-queries.md); lists are written as JSON. */
export const TYPES = ["text", "integer", "number", "boolean", "timestamp", "date"] as const;

const TRUTHS: Readonly<Record<string, boolean>> = { true: true, "1": true, false: false, "0": false };

/** The value to send; an empty field is null, and text that is no number or truth goes as it is, to be refused there. */
export function value({ type, text }: Given): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (type.endsWith("[]")) {
    try {
      return JSON.parse(trimmed) as unknown;
    } catch {
      return trimmed;
    }
  }
  if (type === "boolean") return TRUTHS[trimmed.toLowerCase()] ?? trimmed;
  if (type === "integer" || type === "number") return Number.isNaN(Number(trimmed)) ? trimmed : Number(trimmed);
  return type === "text" ? text : trimmed;
}

/** Values for the API. */
export function values(given: Readonly<Record<string, Given>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([name, one]) => [name, value(one)]));
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A value as an SQL literal. */
function literal(given: Given): string {
  const found = value(given);
  if (found === null) return "NULL";
  if (given.type === "timestamp" && typeof found === "string") return `TIMESTAMPTZ ${quoted(found)}`;
  if (given.type === "date" && typeof found === "string") return `DATE ${quoted(found)}`;
  if (Array.isArray(found)) return `[${found.map((item) => (typeof item === "string" ? quoted(item) : String(item))).join(", ")}]`;
  return typeof found === "string" ? quoted(found) : String(found);
}

/** The statement with its values in it, for other SQL clients. */
export function inlined(sql: string, given: Readonly<Record<string, Given>>): string {
  let [text, at] = ["", 0];
  for (const { name, from, to } of places(sql)) {
    const one = given[name];
    text += sql.slice(at, from) + (one === undefined ? sql.slice(from, to) : literal(one));
    at = to;
  }
  return text + sql.slice(at);
}

/** The inputs under the editor. */
export class Inputs {
  readonly #place: HTMLElement;
  readonly #changed: () => void;
  #given: Record<string, Given>;
  #names: readonly string[] = [];

  constructor(place: HTMLElement, given: Readonly<Record<string, Given>>, changed: () => void) {
    this.#place = place;
    this.#given = { ...given };
    this.#changed = changed;
  }

  /** What was given for the parameters that the statement has now. */
  get given(): Record<string, Given> {
    return Object.fromEntries(this.#names.map((name) => [name, this.#given[name] ?? { type: "text", text: "" }]));
  }

  set given(given: Readonly<Record<string, Given>>) {
    this.#given = { ...given };
    this.#draw();
  }

  /** Shows an input for each of the statement's parameters. */
  follow(sql: string): void {
    const names = [...new Set(places(sql).map(({ name }) => name))];
    if (names.join(" ") === this.#names.join(" ")) return;
    this.#names = names;
    this.#draw();
  }

  #draw(): void {
    this.#place.hidden = this.#names.length === 0;
    this.#place.replaceChildren(...this.#names.map((name) => this.#input(name)));
  }

  #input(name: string): HTMLElement {
    const given = (): Given => this.#given[name] ?? { type: "text", text: "" };
    const text = element("input", { id: `parameter-${name}`, value: given().text, autocomplete: "off", spellcheck: "false", placeholder: "null" });
    const types = TYPES.some((type) => type === given().type) ? TYPES : [...TYPES, given().type];
    const type = element("select", { "aria-label": `Type of ${name}` }, ...types.map((one) => element("option", { selected: one === given().type }, one)));
    const keep = () => {
      this.#given[name] = { type: type.value, text: text.value };
      this.#changed();
    };
    text.addEventListener("input", keep);
    type.addEventListener("change", keep);
    return element("div", { class: "parameter" }, element("label", { for: text.id }, `$${name}`), text, type);
  }
}
