// Apollo Client over every transport that it has: HTTP, WebSocket, multipart subscriptions, and persisted queries.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { test } from "node:test";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { createClient } from "graphql-ws";
import { parse } from "graphql";
import WebSocket from "ws";
import { documents } from "./documents.mjs";
import { graphUrl, headers, newConversation, newLeads, socketUrl } from "./support.mjs";

/** @type {Record<string, import("graphql").DocumentNode>} */
const asked = Object.fromEntries(Object.entries(documents).map(([name, text]) => [name, parse(text)]));

/** A client over a link that ends with the test. */
function clientOf(t, link) {
  const cache = new InMemoryCache({
    typePolicies: { Query: { fields: { leads: relayStylePagination(["filter", "orderBy"]) } } },
  });
  const client = new ApolloClient({ link, cache });
  t.after(() => client.stop());
  return client;
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

const http = (options) => new HttpLink({ uri: graphUrl, headers, ...options });

/** All events of a subscription, to its end. */
function all(client, options) {
  const events = [];
  return new Promise((resolve, reject) => {
    client.subscribe(options).subscribe({
      next: ({ data, error }) => (error ? reject(error) : events.push(data)),
      error: reject,
      complete: () => resolve(events),
    });
  });
}

/** Says something in a new conversation, and looks at how the reply comes. */
async function chatsBy(t, link, query = asked.Chat) {
  const variables = { input: { conversationId: await newConversation(), content: "When are you open?" } };
  const events = (await all(clientOf(t, link), { query, variables })).map(({ chat }) => chat);
  assert.equal(events.at(0).__typename, "MessageAdded");
  assert.equal(events.at(1).__typename, "ReplyStarted");
  assert.equal(events.at(-1).__typename, "ReplyCompleted");
  assert.equal(events.map(({ text = "" }) => text).join(""), events.at(-1).message.content);
}

test("what a mutation answers is read by every query that holds the same id", async (t) => {
  const { ids: [id] } = await newLeads(1);
  const client = clientOf(t, http());
  const before = await client.query({ query: asked.Lead, variables: { id } });
  assert.equal(before.data.lead.status, "NEW");
  await client.mutate({ mutation: asked.UpdateLead, variables: { id, input: { name: "Maya", status: "QUALIFIED" } } });
  const after = client.readQuery({ query: asked.Lead, variables: { id } });
  assert.deepEqual(after.lead, { ...before.data.lead, name: "Maya", status: "QUALIFIED" });
  assert.equal(client.cache.extract()[`Lead:${id}`].name, "Maya");
});

test("an error has its code", async (t) => {
  const isRefused = (code) => (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.equal(error.errors[0].extensions.code, code);
    assert.match(error.errors[0].extensions.requestId, /./);
    return true;
  };
  const client = clientOf(t, http());
  const input = { content: "" };
  await assert.rejects(client.mutate({ mutation: asked.SendMessage, variables: { input } }), isRefused("BAD_USER_INPUT"));
  const nobody = clientOf(t, http({ headers: {} }));
  await assert.rejects(nobody.query({ query: asked.Me }), isRefused("UNAUTHENTICATED"));
});

test("a list is read page by page into one", async (t) => {
  const { word, ids } = await newLeads(5);
  const client = clientOf(t, http());
  const list = client.watchQuery({ query: asked.Leads, variables: { filter: { search: word }, first: 2 } });
  const shown = (count) =>
    new Promise((resolve) => {
      const watch = list.subscribe(({ data, loading }) => !loading && data.leads.edges.length === count && resolve(data));
      t.after(() => watch.unsubscribe());
    });
  let data = await shown(2);
  for (const count of [4, 5]) {
    assert.equal(data.leads.pageInfo.hasNextPage, true);
    await list.fetchMore({ variables: { after: data.leads.pageInfo.endCursor } });
    data = await shown(count);
  }
  assert.deepEqual(data.leads.edges.map(({ node }) => node.id), ids);
  assert.equal(data.leads.totalCount, 5);
  assert.equal(data.leads.pageInfo.hasNextPage, false);
});

test("a chat over a WebSocket", async (t) => {
  const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers });
  t.after(() => socket.dispose());
  await chatsBy(t, new GraphQLWsLink(socket));
});

test("a chat over plain HTTP, by a multipart subscription", async (t) => {
  const answers = [];
  const noted = async (url, options) => {
    const response = await fetch(url, options);
    answers.push([new Headers(options.headers).get("accept"), response.headers.get("content-type")]);
    return response;
  };
  await chatsBy(t, http({ fetch: noted }));
  const [[accept, type]] = answers;
  assert.match(accept, /^multipart\/mixed;boundary="?graphql"?;subscriptionSpec=1\.0,/);
  assert.match(type, /^multipart\/mixed; ?boundary="?graphql"?; ?subscriptionSpec=1\.0$/);
});

test("an error of a multipart subscription has its code", async (t) => {
  const refused = all(clientOf(t, http({ headers: {} })), { query: asked.Chat, variables: { input: { content: "Hello" } } });
  await assert.rejects(refused, (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.equal(error.errors[0].extensions.code, "UNAUTHENTICATED");
    return true;
  });
});

for (const useGETForHashedQueries of [false, true]) {
  const short = useGETForHashedQueries ? "GET" : "POST";
  test(`a query is known by its hash once it was sent, asked by ${short}`, async (t) => {
    const sent = [];
    const noted = async (url, options) => {
      const response = await fetch(url, options);
      const { searchParams } = new URL(url);
      const asked = options.method === "GET" ? Object.fromEntries(searchParams) : JSON.parse(options.body);
      const { errors } = await response.clone().json();
      sent.push([options.method, "query" in asked, errors?.[0].extensions.code ?? null]);
      return response;
    };
    const persisted = new PersistedQueryLink({ useGETForHashedQueries, sha256 });
    const client = clientOf(t, ApolloLink.from([persisted, http({ fetch: noted })]));
    // A document that no server has seen before.
    const query = parse(`query Me${randomUUID().replaceAll("-", "")} { me { id email } }`);
    for (let round = 0; round < 2; round += 1) {
      const { data } = await client.query({ query, fetchPolicy: "network-only" });
      assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
    }
    assert.deepEqual(sent, [
      [short, false, "PERSISTED_QUERY_NOT_FOUND"],
      ["POST", true, null],
      [short, false, null],
    ]);
    // Mutations go the same way, and never by GET.
    const mutation = parse("mutation Start($input: StartConversationInput!) { startConversation(input: $input) { id } }");
    sent.length = 0;
    const { data } = await client.mutate({ mutation, variables: { input: {} } });
    assert.match(data.startConversation.id, /^conversation_/);
    assert.ok(sent.every(([method]) => method === "POST"));
  });
}

test("a chat is known by its hash too, by a multipart subscription", async (t) => {
  const sent = [];
  const noted = (url, options) => {
    sent.push("query" in JSON.parse(options.body));
    return fetch(url, options);
  };
  const name = `Chat${randomUUID().replaceAll("-", "")}`;
  const chat = parse(documents.Chat.replace("subscription Chat", `subscription ${name}`));
  const link = () => ApolloLink.from([new PersistedQueryLink({ sha256 }), http({ fetch: noted })]);
  await chatsBy(t, link(), chat);
  await chatsBy(t, link(), chat);
  assert.deepEqual(sent, [false, true, false]);
});
