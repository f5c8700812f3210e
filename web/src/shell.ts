// Every page: keys, looks, parts that come by themselves (htmx), payloads that fold. Pages say the same without it.

import htmx from "htmx.org";
import * as charts from "./charts";
import { copy } from "./copies";
import * as keys from "./keys";
import * as payloads from "./payload";
import { turn } from "./theme";
import * as walk from "./walk";

/** What a page, or a part that came into it, needs. */
function enliven(part: ParentNode): void {
  payloads.enliven(part);
  charts.enliven(part);
}

keys.listen();
walk.listen();
payloads.listen();
enliven(document);
document.addEventListener("htmx:after:swap", () => enliven(document));

document.querySelector("[data-turn]")?.addEventListener("click", turn);
for (const field of document.querySelectorAll<HTMLSelectElement>("select[data-submits]")) {
  field.addEventListener("change", () => field.form?.requestSubmit());
}
document.addEventListener("click", (event) => {
  const pressed = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-copy]") : null;
  if (pressed === null) return;
  const said = pressed.textContent;
  void copy(pressed.dataset.copy ?? "").then(() => {
    pressed.textContent = "Copied";
    window.setTimeout(() => (pressed.textContent = said), 1_200);
  });
});
// A menu closes when the reader goes on elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  }
});

htmx.config.history = false;
if (document.getElementById("editor") === null) document.body.dataset.ready = "yes";
