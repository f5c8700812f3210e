// Charts in pages: `<figure class="drawn" data-spec='{…}' aria-label="…">`. Vega comes only when one is to be seen.

import { element } from "./dom";

async function show(figure: HTMLElement): Promise<void> {
  const place = element("div", { class: "chart" });
  figure.append(place);
  try {
    const { draw } = await import("./draw");
    await draw(place, JSON.parse(figure.dataset.spec ?? "") as object, figure.getAttribute("aria-label") ?? "chart");
    figure.dataset.drawn = "yes";
  } catch (error) {
    console.warn(error);
    place.replaceChildren(element("p", { class: "muted small" }, "This chart could not be drawn."));
  }
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      void show(target as HTMLElement);
    }
  },
  { rootMargin: "200px" },
);

/** Draws the charts of a part of the page as they come into sight. */
export function enliven(part: ParentNode): void {
  for (const figure of part.querySelectorAll<HTMLElement>("figure.drawn[data-spec]:not([data-alive])")) {
    figure.dataset.alive = "yes";
    seen.observe(figure);
  }
}
