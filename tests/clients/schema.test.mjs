// No client of the published schema is broken, unless that was decided on; and the check can tell.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compare } from "./compatibility.mjs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

test("whoever was written for the published schema is still served", (t) => {
  const { faults, dangers } = compare(read("published.graphql"), read("../../schema.graphql"), read("breaks.txt"));
  dangers.forEach((change) => t.diagnostic(`Worth knowing: ${change}`));
  assert.deepEqual(faults, []);
});

const PUBLISHED = `
  type Query { lead(id: ID!): Lead, leads(first: Int): [Lead!]! }
  type Lead { id: ID!, name: String, status: Status!, score: Int }
  enum Status { NEW WON }
  input Form { name: String }
`;

const ALLOWED = [
  ["a nullable field that becomes non-null", "name: String,", "name: String!,"],
  ["a new field", "type Lead {", "type Lead { phone: String,"],
  ["a new argument that may be left out", "leads(first: Int)", "leads(first: Int, last: Int)"],
  ["a new argument with a default", "leads(first: Int)", "leads(first: Int, last: Int! = 1)"],
  ["a new input field that may be left out", "input Form {", "input Form { phone: String,"],
];

for (const [what, before, after] of ALLOWED) {
  test(`it lets pass ${what}`, () => {
    const now = PUBLISHED.replace(before, after);
    assert.notEqual(now, PUBLISHED);
    assert.deepEqual(compare(PUBLISHED, now, "").faults, []);
  });
}

const REFUSED = [
  ["a field that is gone", " name: String, status", " status", "Lead.name was removed."],
  ["a field of another type", "name: String,", "name: Int,", "Lead.name changed type from String to Int."],
  [
    "a non-null field that becomes nullable",
    "status: Status!",
    "status: Status",
    "Lead.status changed type from Status! to Status.",
  ],
  [
    "a new argument that must be given",
    "leads(first: Int)",
    "leads(first: Int, of: ID!)",
    "A required arg of on Query.leads was added.",
  ],
  ["an argument that is gone", "leads(first: Int)", "leads", "Query.leads arg first was removed."],
  ["a value of an enum that is gone", "NEW WON", "NEW", "WON was removed from enum type Status."],
  [
    "a new input field that must be given",
    "input Form {",
    "input Form { phone: String!,",
    "A required field phone on input type Form was added.",
  ],
];

for (const [what, before, after, change] of REFUSED) {
  test(`it finds ${what}, and lets it pass when it is declared`, () => {
    const now = PUBLISHED.replace(before, after);
    assert.deepEqual(compare(PUBLISHED, now, "").faults, [`Breaks clients: ${change}`]);
    assert.deepEqual(compare(PUBLISHED, now, `# decided\n\n${change} -- Nobody used it.\n`).faults, []);
    assert.equal(compare(PUBLISHED, now, change).faults.length, 1, "It does not say why.");
    assert.deepEqual(compare(PUBLISHED, PUBLISHED, `${change} -- Why.`).faults, [`Declared, and not there: ${change}`]);
  });
}

test("it tells of a change that clients may stumble over, and lets it pass", () => {
  const { faults, dangers } = compare(PUBLISHED, PUBLISHED.replace("NEW WON", "NEW WON LOST"), "");
  assert.deepEqual(faults, []);
  assert.deepEqual(dangers, ["LOST was added to enum type Status."]);
});
