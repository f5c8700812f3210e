// Bundles the islands into api/pages/static/built: hashed names, gzip at its best beside each, a manifest for Python
// (api/assets.py), and the licences of what is inside.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const built = resolve(here, "../api/pages/static/built");

/** Island -> what a page loads for it. */
const ISLANDS = { sql: "src/sql.ts", shell: "src/shell.ts", sheet: "src/sheet.css" };

await rm(built, { recursive: true, force: true });
await mkdir(built, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: Object.entries(ISLANDS).map(([out, path]) => ({ in: path, out })),
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  target: ["chrome111", "firefox111", "safari16.4"],
  entryNames: "[name]-[hash]",
  chunkNames: "part-[hash]",
  outdir: built,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const outputs = Object.entries(metafile.outputs).map(([path, made]) => ({ name: basename(path), ...made }));
const outputOf = new Map(outputs.map((made) => [made.name, made]));

/** Names of the files that a file imports at once, and theirs. */
function imports(name, seen = new Set()) {
  for (const { path, kind } of outputOf.get(name)?.imports ?? []) {
    const part = basename(path);
    if (kind === "import-statement" && !seen.has(part)) imports(part, seen.add(part));
  }
  return [...seen];
}

const islands = {};
for (const { name, entryPoint } of outputs) {
  const island = Object.keys(ISLANDS).find((key) => entryPoint && resolve(here, ISLANDS[key]) === resolve(here, entryPoint));
  if (island) islands[island] = { file: name, imports: imports(name) };
}
for (const { name } of outputs) {
  await writeFile(join(built, `${name}.gz`), gzipSync(await readFile(join(built, name)), { level: 9 }));
}
await writeFile(join(built, "LICENSES.txt"), await licences());
await writeFile(join(built, "manifest.json"), `${JSON.stringify({ islands, files: outputs.map((made) => made.name).sort() }, null, 1)}\n`);

/** The licence texts of every package that has a file in the bundles, by package. */
async function licences() {
  const inside = new Set();
  for (const path of Object.keys(metafile.inputs)) {
    const found = /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path); // the innermost: packages may bring their own
    if (found) inside.add(found[0]);
  }
  const texts = [];
  for (const own of [...inside].sort()) {
    const folder = join(here, own);
    const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).sort();
    const text = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
    texts.push(`${name} ${version} (${license ?? "see below"})\n\n${text.join("\n\n") || "No licence file came with it."}`);
  }
  return `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
