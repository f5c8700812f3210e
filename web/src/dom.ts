// The few things the islands need of the page.

/** The element of a page that has this id; the template and this file agree on it. */
export function byId<E extends HTMLElement>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

type Attributes = Readonly<Record<string, string | boolean>>;

/** Characters that turn others around or hide them; line ends and tabs are kept. api/pages/render.py has the same. */
const HIDING = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** A text whose hiding characters are shown by their numbers, so that nobody makes a page read otherwise than it is. */
export const visible = (text: string): string =>
  text.replace(HIDING, (one) => `\u27e8U+${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`);

/** A new element. Text becomes text, all of it to be seen: nothing that a caller wrote is ever read as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.map((one) => (typeof one === "string" ? visible(one) : one)));
  return made;
}

/** A button that does something. */
export function button(text: string, act: () => unknown, attributes: Attributes = {}): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", () => void act());
  return made;
}

/** Calls `act` once nothing has asked for it for `ms` milliseconds. */
export function settled(ms: number, act: () => void): () => void {
  let timer = 0;
  return () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(act, ms);
  };
}

/** A number as people read it: 1,234,567. */
export const grouped = (value: number): string => value.toLocaleString("en-US");
