// Compiles the documents beside it by relay-compiler, as a build of an application would. Must not run them.

import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const require = createRequire(import.meta.url);
const here = (path) => new URL(path, import.meta.url);

/**
 * Compiles into an empty folder; fails on anything that the compiler only hints at, too.
 * @param {string} folder
 * @param {{ persist: boolean }} options Whether to leave the texts out of the artifacts, and keep them by their SHA-256.
 * @returns {Promise<{ artifact: (name: string) => any, texts: Record<string, string> | null, said: string }>}
 *   The artifacts by name, the persisted texts by id, and what the compiler said.
 */
export async function compile(folder, { persist }) {
  await mkdir(join(folder, "src"));
  await mkdir(join(folder, "made"));
  await copyFile(here("Desk.js"), join(folder, "src/Desk.js"));
  await copyFile(here("../../../schema.graphql"), join(folder, "schema.graphql"));
  // The artifacts name each other without an extension, as only CommonJS can.
  await writeFile(join(folder, "made/package.json"), '{ "type": "commonjs" }');
  await writeFile(join(folder, "persisted.json"), "{}");
  const project = {
    schema: "schema.graphql",
    output: "made",
    language: "javascript",
    eagerEsModules: false,
    requireCustomScalarTypes: true,
    customScalarTypes: { DateTime: "string", PhoneNumber: "string" },
    diagnosticReportConfig: { criticalLevel: "hint" },
    ...(persist && { persist: { file: "persisted.json", algorithm: "SHA256" } }),
  };
  const config = { root: ".", sources: { src: "desk" }, noSourceControl: true, projects: { desk: project } };
  await writeFile(join(folder, "relay.config.json"), JSON.stringify(config));
  const program = [require.resolve("relay-compiler/cli.js"), "--noWatchman", "relay.config.json"];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, program, { cwd: folder });
  return {
    artifact: (name) => require(join(folder, `made/${name}.graphql.js`)),
    texts: persist ? JSON.parse(await readFile(join(folder, "persisted.json"), "utf8")) : null,
    said: stdout + stderr,
  };
}
