// The documents that the clients send, one operation to a file, as an application keeps them; and their ids, where the
// server runs only what it knows by its manifests. Must not send anything.

import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";

const folder = new URL("documents/", import.meta.url);

/** @type {Record<string, string>} Their texts by their names, such as `Leads`. */
export const documents = Object.fromEntries(
  readdirSync(folder)
    .sort()
    .map((file) => [basename(file, ".graphql"), readFileSync(new URL(file, folder), "utf8")]),
);

/** @type {Record<string, string>} Ids by names, from the server's manifests; empty where it has none. */
export const ids = Object.fromEntries(
  (process.env.FRONTDESK_MANIFEST ?? "")
    .split(",")
    .filter((file) => file !== "")
    .flatMap((file) => named(JSON.parse(readFileSync(file, "utf8")))),
);

/** Names and ids of a manifest: Apollo's is a list, Relay's is texts by their ids. */
function named(manifest) {
  if (manifest.operations) return manifest.operations.map(({ id, name }) => [name, id]);
  return Object.entries(manifest).map(([id, text]) => [/\b(?:query|mutation|subscription) (\w+)/.exec(text)[1], id]);
}

/** What says to the server which document is meant. */
export const request = (name) => (name in ids ? { documentId: ids[name] } : { query: documents[name] });
