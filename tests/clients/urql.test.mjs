// urql over HTTP, WebSocket and events, with and without persisted queries.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Client, fetchExchange, gql, subscriptionExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { documents } from "./documents.mjs";
import { graphUrl, headers, newConversation, socketUrl } from "./support.mjs";

/** A client, and what it sends and is answered: method, address, accept, body, type and status. */
function clientOf(exchanges, options) {
  const sent = [];
  const noted = async (url, options) => {
    const response = await fetch(url, options);
    sent.push({
      method: options.method,
      accept: new Headers(options.headers).get("accept"),
      body: options.method === "GET" ? Object.fromEntries(new URL(url).searchParams) : JSON.parse(options.body),
      type: response.headers.get("content-type"),
    });
    return response;
  };
  const client = new Client({ url: graphUrl, exchanges, fetch: noted, fetchOptions: { headers }, ...options });
  return { client, sent };
}

/** Says something in a new conversation, and looks at how the reply comes. */
async function chatsBy(client, document = documents.Chat) {
  const variables = { input: { conversationId: await newConversation(), content: "When are you open?" } };
  const events = [];
  await new Promise((resolve, reject) => {
    const chat = client.subscription(gql(document), variables).subscribe(({ data, error }) => {
      if (error) return reject(error);
      events.push(data.chat);
      if (data.chat.__typename === "ReplyCompleted") {
        chat.unsubscribe();
        resolve();
      }
    });
  });
  assert.equal(events.at(0).__typename, "MessageAdded");
  assert.equal(events.at(1).__typename, "ReplyStarted");
  assert.equal(events.map(({ text = "" }) => text).join(""), events.at(-1).message.content);
}

test("a query goes by GET, and by POST where that is preferred", async () => {
  for (const [preferGetMethod, method] of [["within-url-limit", "GET"], [false, "POST"]]) {
    const { client, sent } = clientOf([fetchExchange], { preferGetMethod });
    const { data, error } = await client.query(gql(documents.Me), {});
    assert.equal(error?.message, undefined);
    assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
    assert.deepEqual(sent.map((request) => request.method), [method]);
    assert.match(sent[0].type, /^application\/graphql-response\+json/);
  }
});

test("a mutation goes by POST", async () => {
  const { client, sent } = clientOf([fetchExchange]);
  const { data, error } = await client.mutation(gql(documents.StartConversation), { input: {} });
  assert.equal(error?.message, undefined);
  assert.equal(data.startConversation.status, "BOT");
  assert.deepEqual(sent.map(({ method }) => method), ["POST"]);
});

test("an error has its code, whatever status it comes with", async () => {
  const { client } = clientOf([fetchExchange], { fetchOptions: {} });
  const code = async (query) => (await client.query(gql(query), {})).error.graphQLErrors[0].extensions.code;
  assert.equal(await code(documents.Me), "UNAUTHENTICATED");
  assert.equal(await code("{ nothing }"), "BAD_USER_INPUT");
});

test("a chat over a WebSocket", async (t) => {
  const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers });
  t.after(() => socket.dispose());
  const forwardSubscription = (request) => ({
    subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? "" }, sink) }),
  });
  const { client, sent } = clientOf([subscriptionExchange({ forwardSubscription })]);
  await chatsBy(client);
  assert.deepEqual(sent, []);
});

test("a chat over plain HTTP, as events", async () => {
  const { client, sent } = clientOf([fetchExchange], { fetchSubscriptions: true });
  await chatsBy(client);
  const [{ accept, type }] = sent;
  assert.equal(accept, "text/event-stream, multipart/mixed");
  assert.match(type, /^text\/event-stream/);
});

for (const preferGetForPersistedQueries of [false, true]) {
  const short = preferGetForPersistedQueries ? "GET" : "POST";
  test(`a query is known by its hash once it was sent, asked by ${short}`, async () => {
    const { client, sent } = clientOf([persistedExchange({ preferGetForPersistedQueries }), fetchExchange]);
    // A document that no server has seen before.
    const query = gql(`query Me${randomUUID().replaceAll("-", "")} { me { id email } }`);
    for (let round = 0; round < 2; round += 1) {
      const { data, error } = await client.query(query, {}, { requestPolicy: "network-only" });
      assert.equal(error?.message, undefined);
      assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
    }
    assert.deepEqual(sent.map(({ body }) => "query" in body), [false, true, false]);
    assert.deepEqual([sent[0].method, sent[2].method], [short, short]);
  });
}

test("mutations and chats are persisted too, where that is wished for", async () => {
  const persisted = persistedExchange({ enableForMutation: true, enableForSubscriptions: true });
  const { client, sent } = clientOf([persisted, fetchExchange], { fetchSubscriptions: true });
  const name = randomUUID().replaceAll("-", "");
  const start = gql(`mutation Start${name}($input: StartConversationInput!) { startConversation(input: $input) { id } }`);
  const { data, error } = await client.mutation(start, { input: {} });
  assert.equal(error?.message, undefined);
  assert.match(data.startConversation.id, /^conversation_/);
  assert.deepEqual(sent.map(({ body }) => "query" in body), [false, true]);
  const chat = documents.Chat.replace("subscription Chat", `subscription Chat${name}`);
  await chatsBy(client, chat);
  await chatsBy(client, chat);
  assert.deepEqual(sent.slice(2).map(({ body }) => "query" in body), [false, true, false]);
});
