// Light and dark: the reader's choice in a cookie that the server writes into the page, else the browser's setting.

const DARK = matchMedia("(prefers-color-scheme: dark)");
const YEAR_SECONDS = 31_536_000;

/** Whether the page is dark now. */
export function dark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? DARK.matches : chosen === "dark";
}

/** Calls `act` when the page turns from light to dark or back. */
export function followTheme(act: () => void): void {
  DARK.addEventListener("change", act);
  new MutationObserver(act).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

/** Turns the page to the other looks; the browser's own are the choice that is not kept. */
export function turn(): void {
  const wanted = dark() ? "light" : "dark";
  const kept = wanted === (DARK.matches ? "dark" : "light") ? null : wanted;
  if (kept === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = kept;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `upshot_theme=${kept ?? ""}; Path=/; SameSite=Lax; Max-Age=${kept === null ? 0 : YEAR_SECONDS}${secure}`;
}
