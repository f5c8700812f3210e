// Draws a Vega-Lite specification into an element. Loaded only when a chart is asked for.

import { View, parse } from "vega";
import { expressionInterpreter } from "vega-interpreter";
import { type TopLevelSpec, compile } from "vega-lite";
import { Handler } from "vega-tooltip";

import { dark, followTheme } from "./theme";

/** Colours of series on a light and on a dark page: api/pages/specs.py. */
const SERIES = {
  light: ["#0072b2", "#c2470a", "#00795a", "#9c4f7c", "#b07900", "#2b8fd0", "#6b7280"],
  dark: ["#56b4e9", "#f0945c", "#3cc79b", "#d896bb", "#e5b84b", "#8fcbf2", "#a6adba"],
};

/** The looks of the page as Vega takes them. */
function looks(place: Element): Record<string, unknown> {
  const probe = document.createElement("span"); // the engine knows what light-dark() comes to only where it is used
  place.append(probe);
  const colour = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const font = getComputedStyle(place).fontFamily;
  const category = SERIES[dark() ? "dark" : "light"];
  const made = {
    background: "transparent",
    font,
    axis: { labelColor: colour("--muted"), titleColor: colour("--text"), titleFontWeight: 500, titlePadding: 8, labelFontSize: 12, titleFontSize: 12, gridColor: colour("--line"), domainColor: colour("--line-strong"), tickColor: colour("--line-strong"), labelLimit: 240 },
    legend: { labelColor: colour("--text"), titleColor: colour("--muted"), labelFontSize: 12, titleFontSize: 12 },
    title: { color: colour("--text") },
    view: { stroke: null },
    range: { category },
    mark: { color: category[0] },
    text: { fill: colour("--text") },
    rule: { stroke: colour("--line-strong") },
  };
  probe.remove();
  return made;
}

interface Shown {
  readonly spec: TopLevelSpec;
  readonly label: string;
  view: View;
}

const shown = new Map<Element, Shown>();

/** Removes the chart of an element. */
export function clear(place: Element): void {
  shown.get(place)?.view.finalize();
  shown.delete(place);
  place.replaceChildren();
}

/**
 * Draws `spec` into `place`, in place of what it showed; follows the page from light to dark.
 *
 * Expressions are read by Vega's interpreter, so the page needs no 'unsafe-eval'; nothing is loaded, whatever addresses
 * a specification names; no style element is added.
 */
export async function draw(place: HTMLElement, spec: object, label: string): Promise<void> {
  clear(place);
  const wanted = spec as TopLevelSpec;
  const { spec: compiled } = compile(wanted, { config: looks(place) });
  const view = new View(parse(compiled, undefined, { ast: true }), {
    expr: expressionInterpreter,
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse, options: {} } as never,
    renderer: "svg",
    container: place,
    hover: true,
    tooltip: new Handler({ disableDefaultStyle: true, theme: "upshot" }).call,
  });
  shown.set(place, { spec: wanted, label, view });
  view.description(label);
  await view.runAsync();
}

function refuse(): Promise<never> {
  return Promise.reject(new Error("a chart draws the data it was given, and loads none"));
}

followTheme(() => {
  for (const [place, { spec, label }] of [...shown]) void draw(place as HTMLElement, spec, label);
});
