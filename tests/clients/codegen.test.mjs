// GraphQL Code Generator makes types of the schema and of the documents, and TypeScript takes them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { codegen } from "@graphql-codegen/core";
import * as typescript from "@graphql-codegen/typescript";
import * as operations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";
import { documents } from "./documents.mjs";

const require = createRequire(import.meta.url);

// What an application writes against the types.
const USED = `
import type { ChatSubscription, CreateLeadMutationVariables, LeadQuery, LeadsQuery } from "./operations.js";
import type { Lead, Scalars } from "./schema.js";

export function names(answer: LeadsQuery): (string | null)[] {
  return answer.leads.edges.map(({ node }) => node.name);
}

export const since = (answer: LeadQuery): Scalars["DateTime"]["output"] | undefined => answer.lead?.createdAt;
export const name: Lead["name"] = "Maya";
export const lead: CreateLeadMutationVariables = { input: { name: "Maya", phone: "+15550100123" } };

export function text(answer: ChatSubscription): string {
  const event = answer.chat;
  switch (event.__typename) {
    case "ReplyDelta":
      return event.text;
    case "ReplyCompleted":
      return event.message.content;
    default:
      return event.cursor;
  }
}
`;

/** What `tsc` says of a folder's files: nothing, if all is well. */
function checked(folder) {
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  const flags = ["--noEmit", "--strict", "--noUnusedLocals", "--target", "es2022", "--module", "nodenext"];
  return new Promise((resolve) => {
    execFile(process.execPath, [tsc, ...flags, "used.ts"], { cwd: folder }, (error, stdout, stderr) => {
      resolve(stdout + stderr || (error?.message ?? ""));
    });
  });
}

test("types of the schema and the documents come without a warning, and hold what is written against them", async (t) => {
  const warned = [];
  for (const level of ["warn", "error"]) t.mock.method(console, level, (...words) => warned.push(words.join(" ")));
  const text = await readFile(new URL("../../schema.graphql", import.meta.url), "utf8");
  const generated = (plugin, filename) =>
    codegen({
      filename,
      schema: parse(text),
      documents: Object.entries(documents).map(([location, text]) => ({ location, document: parse(text) })),
      plugins: [{ plugin: {} }],
      pluginMap: { plugin },
      config: { strictScalars: true, scalars: { DateTime: "string", PhoneNumber: "string", ID: "string" } },
    });
  const folder = await mkdtemp(join(tmpdir(), "codegen-"));
  t.after(() => rm(folder, { recursive: true }));
  const write = (name, text) => writeFile(join(folder, name), text);
  await write("package.json", '{ "type": "module" }');
  await write("schema.ts", await generated(typescript, "schema.ts"));
  await write("operations.ts", await generated(operations, "operations.ts"));
  assert.deepEqual(warned, []);

  await write("used.ts", USED);
  assert.equal(await checked(folder), "");
  // And the check can tell.
  await write("used.ts", USED.replace("node.name", "node.nothing").replace('"+15550100123"', "15550100123"));
  const said = await checked(folder);
  assert.match(said, /Property 'nothing' does not exist/);
  assert.match(said, /Type 'number' is not assignable to type 'string'/);
});
