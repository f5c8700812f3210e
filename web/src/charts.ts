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
for (const figure of document.querySelectorAll("figure.drawn[data-spec]")) seen.observe(figure);
