// The SQL editor: CodeMirror with the schema, in a shadow root.

import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab, toggleComment } from "@codemirror/commands";
import { sql } from "@codemirror/lang-sql";
import { HighlightStyle, bracketMatching, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic as Squiggle, lintGutter, lintKeymap, linter } from "@codemirror/lint";
import { Compartment, EditorState, Prec, StateEffect } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { PublicTable } from "./api";
import { DuckDB } from "./dialect";

export interface Wishes {
  readonly text: string;
  /** Ctrl+Enter, Cmd+Enter. */
  readonly run: () => void;
  readonly changed: () => void;
  readonly check: (view: EditorView) => Promise<readonly Squiggle[]>;
}

const CHECK_ANEW = StateEffect.define<null>();

const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--code-keyword)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--code-function)" },
  { tag: tags.special(tags.name), color: "var(--code-parameter)", fontWeight: "600" },
]);

const LOOKS = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--sunken)", fontSize: "13.5px", maxHeight: "60vh", minHeight: "7.5em" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", minHeight: "7.5em" },
  ".cm-content": { padding: "10px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 12px 0 6px" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--code-line)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "& > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { backgroundColor: "var(--code-selection) !important" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "var(--code-selection)", outline: "none" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-tooltip": { color: "var(--text)", backgroundColor: "var(--panel)", border: "1px solid var(--line-strong)", borderRadius: "6px", overflow: "hidden", boxShadow: "0 4px 16px var(--shade)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "13px", maxHeight: "16em" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { color: "var(--on-accent)", backgroundColor: "var(--accent)" },
  ".cm-completionDetail": { marginLeft: "1.4em", fontStyle: "normal", opacity: "0.75" },
  ".cm-completionInfo": { maxWidth: "30em", padding: "6px 10px", fontFamily: "var(--sans)", fontSize: "13px" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-diagnostic": { padding: "5px 10px", fontFamily: "var(--sans)", fontSize: "13.5px", whiteSpace: "pre-wrap", maxWidth: "44em" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warn)" },
  ".cm-diagnosticSource": { color: "var(--muted)", fontFamily: "var(--mono)", fontSize: "11.5px" },
});

/** What is offered while somebody types: tables, and their columns with type and meaning. */
function schema(tables: readonly PublicTable[]) {
  return Object.fromEntries(
    tables.map((table) => [
      table.name,
      {
        self: { label: table.name, type: "type", detail: "table", info: `One row is ${table.row}.` },
        children: table.columns.map((column) => ({
          label: column.name,
          type: "property",
          detail: column.type,
          ...(column.doc ? { info: column.doc } : {}),
        })),
      },
    ]),
  );
}

export class Editor {
  readonly view: EditorView;
  readonly #language = new Compartment();

  /**
   * Puts an editor into `place`. It lives in a shadow root, where CodeMirror adopts its style sheet instead of adding a
   * style element: the page's Content-Security-Policy then needs neither a nonce nor 'unsafe-inline'.
   */
  constructor(place: HTMLElement, wishes: Wishes) {
    const root = place.attachShadow({ mode: "open" });
    const run = () => (wishes.run(), true);
    const state = EditorState.create({
      doc: wishes.text,
      extensions: [
        Prec.highest(keymap.of([{ key: "Mod-Enter", run, preventDefault: true }])),
        Prec.high(keymap.of([{ key: "Tab", run: (view) => completionStatus(view.state) === "active" && acceptCompletion(view) }])),
        lineNumbers(),
        history(),
        drawSelection(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        indentUnit.of("    "),
        EditorState.allowMultipleSelections.of(true),
        autocompletion({ icons: false, activateOnTypingDelay: 50 }),
        linter(wishes.check, { delay: 300, needsRefresh: (update) => update.transactions.some((one) => one.effects.some((effect) => effect.is(CHECK_ANEW))) }),
        lintGutter(),
        placeholder("SELECT … FROM runs"),
        keymap.of([
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...historyKeymap,
          ...lintKeymap,
          { key: "Mod-/", run: toggleComment },
          ...defaultKeymap,
          indentWithTab,
        ]),
        this.#language.of(sql({ dialect: DuckDB })),
        syntaxHighlighting(COLOURS),
        LOOKS,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "SQL query", "aria-describedby": "keys" }),
        EditorView.updateListener.of((update) => update.docChanged && wishes.changed()),
      ],
    });
    this.view = new EditorView({ state, parent: root, root });
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  set text(text: string) {
    const { state } = this.view;
    if (text === this.text) return;
    this.view.dispatch({ changes: { from: 0, to: state.doc.length, insert: text }, selection: { anchor: text.length } });
  }

  /** Writes text where the cursor is, over what is selected. */
  insert(text: string): void {
    this.view.dispatch(this.view.state.replaceSelection(text));
    this.view.focus();
  }

  /** Puts the cursor at a place and shows it. */
  goTo(from: number, to: number): void {
    this.view.dispatch({ selection: { anchor: from, head: to }, scrollIntoView: true });
    this.view.focus();
  }

  /** Offers these tables and their columns from now on. */
  offer(tables: readonly PublicTable[]): void {
    const effects = this.#language.reconfigure(sql({ dialect: DuckDB, schema: schema(tables) }));
    this.view.dispatch({ effects });
  }

  /** Checks anew, for something other than the text has changed. */
  recheck(): void {
    this.view.dispatch({ effects: CHECK_ANEW.of(null) });
  }
}
