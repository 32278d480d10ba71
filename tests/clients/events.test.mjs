// GraphQL over Server-Sent Events, by the client `graphql-sse`, and its headers by plain `fetch`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, NetworkError } from "graphql-sse";
import { documents } from "./documents.mjs";
import { openLine } from "./line.mjs";
import { all, ask, headers, newConversation, streamUrl, watched } from "./support.mjs";

/** A client that ends with the test; it tries again at once. */
function clientOf(t, options) {
  const client = createClient({ url: streamUrl, headers, retry: async () => {}, ...options });
  t.after(() => client.dispose());
  return client;
}

const said = (conversationId, content) => ({ query: documents.Chat, variables: { input: { conversationId, content } } });

test("a query and a mutation have one answer each", async (t) => {
  const client = clientOf(t);
  const [asked, ...more] = await all(client, { query: documents.Me });
  assert.equal(asked.data.me.email, process.env.FRONTDESK_EMAIL);
  assert.deepEqual(more, []);
  const [started] = await all(client, { query: documents.StartConversation, variables: { input: {} } });
  assert.equal(started.data.startConversation.status, "BOT");
});

test("a chat runs from its message to the end of the reply", async (t) => {
  const results = await all(clientOf(t), said(await newConversation(), "When are you open?"));
  const events = results.map(({ data }) => data.chat);
  assert.equal(events.at(0).__typename, "MessageAdded");
  assert.equal(events.at(1).__typename, "ReplyStarted");
  assert.equal(events.at(-1).__typename, "ReplyCompleted");
  assert.equal(events.map(({ text = "" }) => text).join(""), events.at(-1).message.content);
});

test("what is wrong with the document is told in the stream", async (t) => {
  const client = clientOf(t);
  for (const query of ["{ nothing }", "{ me {"]) {
    const [result, ...more] = await all(client, { query });
    assert.deepEqual(Object.keys(result), ["errors"], query);
    assert.equal(result.errors[0].extensions.code, "BAD_USER_INPUT");
    assert.deepEqual(more, []);
  }
});

test("what is no request is refused before there is a stream", async (t) => {
  const refused = all(clientOf(t, { retryAttempts: 0 }), { query: documents.Me, variables: ["a list"] });
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof NetworkError);
    assert.equal(error.response.status, 400);
    assert.match(error.response.headers.get("content-type"), /^application\/json/);
    return true;
  });
});

test("who says nothing, or garbage, is refused what needs a person", async (t) => {
  for (const headers of [{}, { authorization: "Bearer garbage" }]) {
    const [{ data, errors }] = await all(clientOf(t, { headers }), { query: documents.Me });
    assert.ok(!data);
    assert.equal(errors[0].extensions.code, "UNAUTHENTICATED");
  }
});

test("a watcher whose line breaks again and again goes on behind its last cursor", async (t) => {
  const conversationId = await newConversation();
  const calm = clientOf(t);
  const start = (await all(calm, said(conversationId, "Hello"))).at(-1).data.chat.cursor;
  // Behind a comment and three events. Of what breaks off in the middle of a line, this client drops what came with it.
  const line = await openLine(t, streamUrl, (sent) => {
    const parts = sent.split("\n\n", 5);
    return parts.length < 5 ? -1 : parts.slice(0, 4).join("\n\n").length + 2;
  });
  const seen = [];
  // The client sends its request anew whenever it comes back, and then with the last cursor.
  const variables = {
    conversationId,
    get after() {
      return seen.at(-1)?.cursor ?? start;
    },
  };
  const torn = clientOf(t, { url: line.over(streamUrl) });
  await Promise.all([watched(torn, variables, seen), all(calm, said(conversationId, "When are you open?"))]);
  assert.ok(line.cuts() >= 2, `It broke ${line.cuts()} times.`);
  assert.deepEqual(seen, await watched(calm, { conversationId, after: start }, []));
  assert.equal(seen.map(({ text = "" }) => text).join(""), seen.at(-1).message.content);
});

test("a reply goes on when its reader leaves", async (t) => {
  const conversationId = await newConversation();
  const [{ data }] = await new Promise((resolve, reject) => {
    const results = [];
    const leave = clientOf(t).subscribe(said(conversationId, "When are you open?"), {
      next: (result) => {
        results.push(result);
        leave();
      },
      error: reject,
      complete: () => resolve(results),
    });
  });
  assert.equal(data.chat.__typename, "MessageAdded");
  let reply;
  do {
    const { conversation } = await ask("Conversation", { id: conversationId });
    reply = conversation.messages.nodes.find(({ role }) => role === "ASSISTANT");
  } while (!reply || ["PENDING", "STREAMING"].includes(reply.status));
  assert.equal(reply.status, "COMPLETE");
  assert.notEqual(reply.content, "");
});

test("the stream begins with a comment, and no proxy is asked to keep or to press it", async () => {
  const leave = new AbortController();
  const response = await fetch(streamUrl, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json", "accept-encoding": "gzip, deflate, br, zstd" },
    body: JSON.stringify({
      query: documents.ConversationEvents,
      variables: { conversationId: await newConversation() },
    }),
    signal: leave.signal,
  });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal(response.headers.get("content-encoding"), null);
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  assert.match(response.headers.get("cache-control"), /\bno-cache\b/);
  assert.match(response.headers.get("cache-control"), /\bno-transform\b/);
  const { value } = await response.body.getReader().read();
  assert.equal(new TextDecoder().decode(value), ":\n\n");
  leave.abort();
});

test("the same stream stands at /graphql for who accepts events", async () => {
  const response = await fetch(streamUrl.replace(/\/stream$/, ""), {
    method: "POST",
    headers: { ...headers, "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query: "{ __typename }" }),
  });
  assert.equal(
    await response.text(),
    ':\n\nevent: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n',
  );
});
