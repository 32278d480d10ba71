// The documents that the clients send, one operation to a file, as an application keeps them.

import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

const folder = new URL("documents/", import.meta.url);

/** @type {Record<string, string>} Their texts by their names, such as `Leads`. */
export const documents = Object.fromEntries(
  readdirSync(folder)
    .sort()
    .map((file) => [basename(file, ".graphql"), readFileSync(new URL(file, folder), "utf8")]),
);
