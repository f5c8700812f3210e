// Payloads: JSON as a tree that folds, built as it is opened; the whole of a cut one is fetched when it is asked for.

import { button, element, grouped, visible } from "./dom";

/** Entries of an object or a list that are shown at once. */
const SHOWN = 100;
/** Characters of a text that are shown at once. */
const TEXT_SHOWN = 20_000;

interface Whole {
  readonly text: string;
}

/** What a text says as JSON: an object or a list; anything else stays as it is. */
function structure(text: string): object | null {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.parse(text) as object;
  } catch {
    return null;
  }
}

function leaf(value: unknown): HTMLElement {
  if (typeof value !== "string") return element("span", { class: `json-${value === null ? "null" : typeof value}` }, String(value));
  const shown = element("span", { class: "json-string", dir: "auto" }, JSON.stringify(value.slice(0, TEXT_SHOWN)));
  if (value.length <= TEXT_SHOWN) return shown;
  const more = button(`all ${grouped(value.length)} characters`, () => {
    shown.textContent = visible(JSON.stringify(value));
    more.remove();
  }, { class: "link" });
  return element("span", {}, shown, " ", more);
}

function branch(value: object, open: boolean): HTMLElement {
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const place = element("ul", { class: "json" });
  const grow = (from: number) => {
    for (const [name, one] of entries.slice(from, from + SHOWN)) place.append(entry(name, one, list));
    const left = entries.length - from - SHOWN;
    if (left <= 0) return;
    const more = element("li", {}, button(`${grouped(left)} more`, () => {
      more.remove();
      grow(from + SHOWN);
    }, { class: "link" }));
    place.append(more);
  };
  const count = `${grouped(entries.length)} ${list ? (entries.length === 1 ? "item" : "items") : entries.length === 1 ? "field" : "fields"}`;
  const fold = element("details", { class: "fold", open }, element("summary", {}, element("span", { class: "muted" }, `${list ? "[ ]" : "{ }"} ${count}`)), place);
  if (open) grow(0);
  else fold.addEventListener("toggle", () => grow(0), { once: true });
  return fold;
}

function entry(name: string, value: unknown, inList: boolean): HTMLElement {
  const key = element("span", { class: inList ? "json-index" : "json-key" }, name);
  const shown = typeof value === "object" && value !== null ? branch(value, false) : leaf(value);
  return element("li", {}, key, ": ", shown);
}

/** Shows a text in place of what stands there: as a tree when it is JSON, else as it is. */
function show(place: HTMLElement, text: string): void {
  const found = structure(text);
  place.replaceChildren(found === null ? element("code", { dir: "auto" }, text) : branch(found, true));
  place.toggleAttribute("data-tree", found !== null);
}

async function fetchWhole(link: HTMLAnchorElement, place: HTMLElement): Promise<void> {
  link.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(link.href, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    show(place, ((await answer.json()) as Whole).text);
    link.parentElement?.remove();
    place.focus();
  } catch (error) {
    link.removeAttribute("aria-busy");
    link.after(element("span", { class: "problem small", role: "alert" }, ` Could not be read: ${String(error)}`));
  }
}

/** What a link to a payload of a row leads to, below that row; asked again, it goes away. */
async function fetchBelow(link: HTMLAnchorElement): Promise<void> {
  const row = link.closest<HTMLElement>("[data-row]") ?? link.parentElement;
  const shown = row?.querySelector(`[data-of="${CSS.escape(link.href)}"]`);
  if (shown) return shown.remove();
  const place = element("pre", { tabindex: "0", role: "region", "aria-label": link.textContent ?? "payload" });
  row?.append(element("div", { class: "below", "data-of": link.href }, place));
  const answer = await fetch(link.href, { headers: { accept: "application/json" } }).catch(() => null);
  if (answer?.ok) show(place, ((await answer.json()) as Whole).text);
  else place.replaceChildren(answer?.status === 404 ? "Nothing was recorded." : "Could not be read: the server did not answer.");
}

/** Listens for links to payloads. */
export function listen(): void {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>("a[data-payload]") : null;
    if (link === null || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    void fetchBelow(link);
  });
}

/** Makes the payloads of a part of the page fold. */
export function enliven(part: ParentNode): void {
  for (const payload of part.querySelectorAll<HTMLDetailsElement>("details.payload:not([data-alive])")) {
    payload.dataset.alive = "yes";
    const place = payload.querySelector("pre");
    if (place === null) continue;
    const draw = () => {
      if (payload.dataset.cut === undefined) show(place, place.textContent ?? "");
    };
    if (payload.open) draw();
    else payload.addEventListener("toggle", draw, { once: true });
    const whole = payload.querySelector<HTMLAnchorElement>("a[data-whole]");
    whole?.addEventListener("click", (event) => {
      event.preventDefault();
      void fetchWhole(whole, place);
    });
  }
}
