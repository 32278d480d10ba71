// Tells whether a schema still serves the clients of a published one. Must not read files.

import { buildSchema, findBreakingChanges, findDangerousChanges } from "graphql";

/**
 * Compares two schemas.
 * @param {string} published The schema that clients were written for.
 * @param {string} now The schema as it is.
 * @param {string} declared Breaks that were decided on, one a line: the change as graphql-js words it, ` -- `, and why.
 *   Empty lines and lines that begin with `#` don't count.
 * @returns {{ faults: string[], dangers: string[] }} What must be mended, and what is worth knowing.
 */
export function compare(published, now, declared) {
  const [before, after] = [buildSchema(published), buildSchema(now)];
  const breaks = new Set(findBreakingChanges(before, after).map(({ description }) => description));
  const faults = [];
  const known = new Set();
  for (const line of declared.split("\n").map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [change, why] = line.split(" -- ");
    if (!why?.trim()) faults.push(`A declared break says why, behind \` -- \`: ${line}`);
    if (!breaks.has(change)) faults.push(`Declared, and not there: ${change}`);
    known.add(change);
  }
  for (const change of breaks) {
    if (!known.has(change)) faults.push(`Breaks clients: ${change}`);
  }
  return { faults, dangers: findDangerousChanges(before, after).map(({ description }) => description) };
}
