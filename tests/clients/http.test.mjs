// GraphQL over HTTP, by the audits of its reference implementation: all of them, the recommendations too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serverAudits } from "graphql-http";
import { graphUrl } from "./support.mjs";

for (const audit of serverAudits({ url: graphUrl })) {
  test(`${audit.id}: ${audit.name}`, async () => {
    const { status, reason, response } = await audit.fn();
    await response?.body?.cancel();
    assert.equal(status, "ok", reason);
  });
}
