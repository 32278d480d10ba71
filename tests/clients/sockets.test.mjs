// GraphQL over WebSocket, by the client `graphql-ws`.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { documents } from "./documents.mjs";
import { openLine } from "./line.mjs";
import { all, headers, newConversation, socketUrl, watched } from "./support.mjs";

/** A client that ends with the test; it tries again at once. */
function clientOf(t, options) {
  const client = createClient({
    url: socketUrl,
    webSocketImpl: WebSocket,
    connectionParams: headers,
    retryWait: async () => {},
    ...options,
  });
  t.after(() => client.dispose());
  return client;
}

/** Why an operation is not served: its errors, or the close event of its socket. */
const refused = (client, payload) => all(client, payload).then(() => assert.fail("It was served."), (event) => event);

test("a query and a mutation have one answer each", async (t) => {
  const client = clientOf(t);
  const [asked, ...more] = await all(client, { query: documents.Me });
  assert.equal(asked.data.me.email, process.env.FRONTDESK_EMAIL);
  assert.deepEqual(more, []);
  const [started] = await all(client, { query: documents.StartConversation, variables: { input: {} } });
  assert.equal(started.data.startConversation.status, "BOT");
});

test("a chat runs from its message to the end of the reply", async (t) => {
  const conversationId = await newConversation();
  const variables = { input: { conversationId, content: "When are you open?" } };
  const events = (await all(clientOf(t), { query: documents.Chat, variables })).map(({ data }) => data.chat);
  assert.equal(events.at(0).__typename, "MessageAdded");
  assert.equal(events.at(0).message.content, "When are you open?");
  assert.equal(events.at(1).__typename, "ReplyStarted");
  const last = events.at(-1);
  assert.equal(last.__typename, "ReplyCompleted");
  assert.equal(last.finishReason, "STOP");
  assert.equal(events.map(({ text = "" }) => text).join(""), last.message.content);
});

test("many operations at once share one socket, and each gets its own answer", async (t) => {
  let sockets = 0;
  const client = clientOf(t, { on: { connected: () => (sockets += 1) } });
  const numbers = Array.from({ length: 60 }, (_, number) => number);
  const answers = await Promise.all(numbers.map((number) => all(client, { query: `{ me { is${number}: email } }` })));
  assert.deepEqual(
    answers.map(([{ data }, ...more]) => [Object.keys(data.me), more]),
    numbers.map((number) => [[`is${number}`], []]),
  );
  assert.equal(sockets, 1);
});

test("who says nothing is let in, and refused what needs a person", async (t) => {
  const client = clientOf(t, { connectionParams: {} });
  const [{ data }] = await all(client, { query: "{ __typename }" });
  assert.equal(data.__typename, "Query");
  const errors = await refused(client, { query: documents.Me });
  assert.equal(errors[0].extensions.code, "UNAUTHENTICATED");
});

test("a token that is worth nothing closes the socket, and a good one gets in by itself", async (t) => {
  const garbage = { authorization: "Bearer garbage" };
  const close = await refused(clientOf(t, { connectionParams: garbage, retryAttempts: 0 }), { query: documents.Me });
  assert.equal(close.code, 4403);
  // The client comes back after 4403, as it would with a token that it renewed.
  const offered = [garbage, headers];
  const client = clientOf(t, { connectionParams: () => offered.shift() });
  const [{ data }] = await all(client, { query: documents.Me });
  assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
});

test("a document that is not valid ends its operation, and the socket lives on", async (t) => {
  let sockets = 0;
  const client = clientOf(t, { on: { connected: () => (sockets += 1) } });
  // Open as long as the rest goes on, so that the client has no cause to close the socket.
  const variables = { conversationId: await newConversation() };
  const watch = client.iterate({ query: documents.ConversationEvents, variables });
  const opened = watch.next();
  for (const query of ["{ nothing }", "{ me {"]) {
    const errors = await refused(client, { query });
    assert.ok(Array.isArray(errors), query);
    assert.equal(errors[0].extensions.code, "BAD_USER_INPUT");
    assert.ok(errors[0].locations?.length > 0, query);
  }
  const [{ data }] = await all(client, { query: documents.Me });
  assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
  assert.equal(sockets, 1);
  await Promise.all([watch.return(), opened]);
});

test("a watcher whose line breaks again and again goes on behind its last cursor", async (t) => {
  const conversationId = await newConversation();
  const calm = clientOf(t);
  const said = (content) => ({ query: documents.Chat, variables: { input: { conversationId, content } } });
  const start = (await all(calm, said("Hello"))).at(-1).data.chat.cursor;
  // In the middle of a message, where it falls so.
  const line = await openLine(t, socketUrl, (sent) => (sent.length > 1500 ? 1500 : -1));
  const seen = [];
  // The client sends its payload anew whenever it comes back, and then with the last cursor.
  const variables = {
    conversationId,
    get after() {
      return seen.at(-1)?.cursor ?? start;
    },
  };
  const torn = clientOf(t, { url: line.over(socketUrl) });
  await Promise.all([watched(torn, variables, seen), all(calm, said("When are you open?"))]);
  assert.ok(line.cuts() >= 2, `It broke ${line.cuts()} times.`);

  const expected = await watched(calm, { conversationId, after: start }, []);
  assert.deepEqual(seen, expected);
  assert.equal(seen.map(({ text = "" }) => text).join(""), seen.at(-1).message.content);
});

test("a ping is answered", async (t) => {
  const pings = [];
  let answered;
  const pong = new Promise((resolve) => (answered = resolve));
  const client = clientOf(t, {
    lazy: false,
    keepAlive: 20,
    on: {
      ping: (received) => pings.push(received),
      pong: (received) => answered(received),
    },
  });
  assert.equal(await pong, true);
  assert.equal(pings.at(0), false);
  await client.dispose();
});

test("what a client leaves ends at the server", async (t) => {
  const conversationId = await newConversation();
  const ids = ["left", "kept"];
  const told = { left: 0, kept: 0 };
  const client = clientOf(t, {
    generateID: () => ids.shift() ?? randomUUID(),
    on: { message: ({ type, id }) => type === "next" && id in told && (told[id] += 1) },
  });
  const watch = () => client.iterate({ query: documents.ConversationEvents, variables: { conversationId, after: "0-0" } });
  const [left, kept] = [watch(), watch()];
  const [leaving, keeping] = [left.next(), kept.next()];
  await all(client, { query: documents.SendMessage, variables: { input: { conversationId, content: "Hello" } } });
  await Promise.all([leaving, keeping]);
  await left.return();
  // Whatever was under way has come when this is answered.
  await all(client, { query: documents.Me });
  const before = { ...told };
  await all(client, { query: documents.Chat, variables: { input: { conversationId, content: "And when?" } } });
  for (let ends = 0; ends < 2; ) {
    const { value } = await kept.next();
    ends += Number(value.data.conversationEvents.__typename === "ReplyCompleted");
  }
  assert.equal(told.left, before.left);
  assert.ok(told.kept > before.kept);
  await kept.return();
});

test("a socket holds 64 operations, and what was left makes room", async (t) => {
  const conversationId = await newConversation();
  const client = clientOf(t, { retryAttempts: 0 });
  const watch = () => {
    const events = client.iterate({ query: documents.ConversationEvents, variables: { conversationId } });
    return { events, next: events.next().catch((event) => event) };
  };
  const fill = () => Array.from({ length: 63 }, watch);
  const kept = watch();
  for (let round = 0; round < 3; round += 1) {
    const full = fill();
    await Promise.all(full.map(({ events }) => events.return()));
  }
  // Answered, so all of them did end.
  await all(client, { query: documents.Me });
  const full = fill();
  const one = await watch().next;
  assert.equal(one.code, 4429);
  for (const { next } of [kept, ...full]) assert.equal((await next).code, 4429);
});
