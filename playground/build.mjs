// Builds the playground into dist: one script, one style, and Monaco's workers beside them, each gzipped, since that is how
// the server keeps and sends them. Must not reach the network.

import { build } from "esbuild";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const shared = {
  bundle: true,
  minify: true,
  target: "es2022",
  logLevel: "warning",
  outdir: "dist.new",
};

await rm("dist.new", { recursive: true, force: true });
await mkdir("dist.new");
await build({
  ...shared,
  entryPoints: { playground: "src/main.jsx" },
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".ttf": "file" },
  assetNames: "[name]",
});
await build({
  ...shared,
  entryPoints: {
    "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
    "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
    "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  },
  format: "iife",
});
for (const name of await readdir("dist.new")) {
  await writeFile(`dist.new/${name}.gz`, gzipSync(await readFile(`dist.new/${name}`), { level: 9 }));
}
// At once, so that a build that fails half-way leaves nothing that looks whole.
await rm("dist", { recursive: true, force: true });
await rename("dist.new", "dist");
