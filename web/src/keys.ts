// The keys of every page: `/` to the search, `g` and a letter to another page, `?` for the list. Arrows: walk.ts.

const GO_MILLISECONDS = 1_500;

/** Whether what is typed now belongs to a field. */
export function typing(event: KeyboardEvent): boolean {
  return event
    .composedPath()
    .some((one) => one instanceof HTMLElement && (one.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(one.tagName)));
}

let going = 0;

function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event)) return;
  if (document.querySelector("dialog[open]")) return;
  if (Date.now() - going < GO_MILLISECONDS) {
    going = 0;
    const link = document.querySelector<HTMLAnchorElement>(`a[data-key="${CSS.escape(event.key)}"]`);
    if (link) {
      event.preventDefault();
      location.assign(link.href);
    }
    return;
  }
  if (event.key === "g") going = Date.now();
  else if (event.key === "?") document.querySelector<HTMLDialogElement>("dialog.keys")?.showModal();
  else if (event.key === "/") {
    const field = document.querySelector<HTMLInputElement>("[data-search]");
    if (field === null) return;
    event.preventDefault();
    field.focus();
    field.select();
  }
}

export function listen(): void {
  document.addEventListener("keydown", pressed);
  for (const dialog of document.querySelectorAll<HTMLDialogElement>("dialog")) {
    for (const close of dialog.querySelectorAll("[data-close]")) close.addEventListener("click", () => dialog.close());
  }
}
