// GraphQL over HTTP, by the audits of its reference implementation: all of them, the recommendations too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serverAudits } from "graphql-http";
import { graphUrl } from "./support.mjs";

const audits = serverAudits({ url: graphUrl });

test("none of them is missing", () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`${audit.id}: ${audit.name}`, async () => {
    const { status, reason, response } = await audit.fn();
    await response?.body?.cancel();
    assert.equal(status, "ok", reason);
  });
}
