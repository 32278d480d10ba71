// Writes the manifests of what the clients ask, as their own tools make them, for a server that runs nothing else:
// `node manifests.mjs FOLDER` makes FOLDER/apollo.json and FOLDER/relay.json.

import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { compile } from "./relay/compile.mjs";

const [, , argument] = process.argv;
if (!argument) throw new Error("Say into which folder: node manifests.mjs FOLDER");
const folder = resolve(argument);
await mkdir(folder, { recursive: true });

const work = await mkdtemp(join(tmpdir(), "manifests-"));
try {
  const config = join(work, "apollo.config.json");
  await writeFile(config, JSON.stringify({ documents: "documents/*.graphql", output: join(folder, "apollo.json") }));
  const program = createRequire(import.meta.url).resolve("@apollo/generate-persisted-query-manifest/cli.js");
  await promisify(execFile)(process.execPath, [program, "--config", config], { cwd: new URL(".", import.meta.url) });

  await compile(work, { persist: true });
  await copyFile(join(work, "persisted.json"), join(folder, "relay.json"));
} finally {
  await rm(work, { recursive: true });
}
