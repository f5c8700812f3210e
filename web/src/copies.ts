// The same question for other clients.

import type { Question } from "./api";

/** A text as one word of a POSIX shell. */
const word = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A text as a Python literal; what JSON and Python write differently does not occur in JSON strings of ASCII. */
const python = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u007f-\uffff]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);

const body = ({ sql, params, limit }: Question): Question => ({
  sql,
  ...(params && Object.keys(params).length ? { params } : {}),
  ...(limit === undefined ? {} : { limit }),
});

export function curl(question: Question): string {
  return [
    `curl -s ${word(`${location.origin}/v1/query`)} -H 'content-type: application/json'`,
    ...keyHeader("  -H 'authorization: Bearer '\"$UPSHOT_API_KEY\""),
    `  -d ${word(JSON.stringify(body(question)))}`,
  ].join(" \\\n");
}

/** Python's standard library is enough; the question travels as JSON in a string. */
export function pythonProgram(question: Question): string {
  return [
    "import json",
    ...keyHeader("import os"),
    "import urllib.request",
    "",
    `question = json.loads(${python(JSON.stringify(body(question)))})`,
    `headers = {"Content-Type": "application/json"${keyHeader(', "Authorization": f"Bearer {os.environ[\'UPSHOT_API_KEY\']}"').join("")}}`,
    `request = urllib.request.Request(${python(`${location.origin}/v1/query`)}, json.dumps(question).encode(), headers)`,
    "with urllib.request.urlopen(request) as answer:",
    "    result = json.load(answer)",
    `print([column["name"] for column in result["columns"]])`,
    `for row in result["rows"]:`,
    "    print(row)",
    "",
  ].join("\n");
}

/** A key is asked for wherever the workspace is not open on loopback. No key is ever in what is copied. */
function keyHeader(line: string): string[] {
  return document.body.dataset.open === "no" ? [line] : [];
}

/** Puts a text on the clipboard; over plain HTTP from another machine browsers only have the old way. */
export async function copy(text: string): Promise<void> {
  if (window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
