// Publishes the schema: from now on, clients are written for what it is today. Breaks that were declared are history then.

import { copyFile, readFile, writeFile } from "node:fs/promises";

const here = (path) => new URL(path, import.meta.url);

await copyFile(here("../../schema.graphql"), here("published.graphql"));
const lines = (await readFile(here("breaks.txt"), "utf8")).split("\n");
const explanation = lines.filter((line) => line.startsWith("#"));
await writeFile(here("breaks.txt"), `${explanation.join("\n")}\n`);
