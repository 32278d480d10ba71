// Trusted documents: a server that was started with the manifests of `manifests.mjs` and runs nothing else.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import persistedLists from "@apollo/persisted-query-lists";
import { parse } from "graphql";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { documents, ids } from "./documents.mjs";
import { graphUrl, headers, newConversation, socketUrl, streamUrl } from "./support.mjs";

const UNKNOWN = "0".repeat(64);

const byId = (documentId) => ({ documentId });
const byHash = (sha256Hash) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } });

async function post(body) {
  const response = await fetch(graphUrl, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

async function get(members) {
  const url = new URL(graphUrl);
  for (const [name, value] of Object.entries(members)) {
    url.searchParams.set(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return (await fetch(url, { headers: { ...headers, accept: "application/json" } })).json();
}

test("the manifests hold what Apollo Client and Relay ask", () => {
  assert.equal(new Set(Object.values(ids)).size, Object.keys(ids).length);
  for (const name of [...Object.keys(documents), "DeskQuery", "DeskUpdateLeadMutation", "DeskChatSubscription"]) {
    assert.match(ids[name], /^[0-9a-f]{64}$/, name);
  }
});

for (const [form, said] of Object.entries({ documentId: byId, "persistedQuery.sha256Hash": byHash })) {
  test(`what is known runs by ${form} alone`, async () => {
    for (const ask of [post, get]) {
      for (const name of ["Me", "DeskQuery"]) {
        const { data, errors } = await ask(said(ids[name]));
        assert.equal(errors, undefined);
        assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
      }
      const { data } = await ask({ ...said(ids.Leads), variables: { first: 1 }, operationName: "Leads" });
      assert.ok(data.leads.edges.length <= 1);
    }
    const { data } = await post({ ...said(ids.StartConversation), variables: { input: {} } });
    assert.equal(data.startConversation.status, "BOT");
  });

  test(`what is not known by ${form} is not found`, async () => {
    for (const ask of [post, get]) {
      const { data, errors } = await ask(said(UNKNOWN));
      assert.equal(data, undefined);
      assert.equal(errors[0].extensions.code, "PERSISTED_QUERY_NOT_FOUND");
    }
  });
}

test("no text is run, neither a foreign one nor a known one, nor is any kept", async () => {
  for (const query of ["{ me { id } }", documents.Me]) {
    const hash = createHash("sha256").update(query).digest("hex");
    for (const ask of [post, get]) {
      for (const body of [{ query }, { query, ...byHash(hash) }]) {
        const { data, errors } = await ask(body);
        assert.equal(data, undefined);
        assert.equal(errors[0].extensions.code, "DOCUMENT_NOT_TRUSTED");
      }
    }
  }
  const hash = createHash("sha256").update("{ me { id } }").digest("hex");
  const { errors } = await post(byHash(hash));
  assert.equal(errors[0].extensions.code, "PERSISTED_QUERY_NOT_FOUND");
});

test("Apollo Client asks, changes and chats by the ids of its manifest", async (t) => {
  const sent = [];
  const noted = (url, options) => {
    sent.push(JSON.parse(options.body));
    return fetch(url, options);
  };
  const [manifest] = process.env.FRONTDESK_MANIFEST.split(",").map((file) => JSON.parse(readFileSync(file, "utf8")))
    .filter(({ format }) => format === "apollo-persisted-query-manifest");
  const persisted = new PersistedQueryLink(
    persistedLists.generatePersistedQueryIdsFromManifest({ loadManifest: () => manifest }),
  );
  const link = ApolloLink.from([persisted, new HttpLink({ uri: graphUrl, headers, fetch: noted })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  t.after(() => client.stop());

  const { data } = await client.query({ query: parse(documents.Me) });
  assert.equal(data.me.email, process.env.FRONTDESK_EMAIL);
  const started = await client.mutate({ mutation: parse(documents.StartConversation), variables: { input: {} } });
  const conversationId = started.data.startConversation.id;
  const events = [];
  await new Promise((resolve, reject) => {
    const variables = { input: { conversationId, content: "When are you open?" } };
    client.subscribe({ query: parse(documents.Chat), variables }).subscribe({
      next: ({ data, error }) => (error ? reject(error) : events.push(data.chat)),
      error: reject,
      complete: resolve,
    });
  });
  assert.equal(events.at(0).__typename, "MessageAdded");
  assert.equal(events.at(-1).__typename, "ReplyCompleted");
  assert.deepEqual(sent.map((body) => "query" in body), [false, false, false]);

  // One that was changed since, and is sent in full.
  const foreign = new ApolloClient({ link: new HttpLink({ uri: graphUrl, headers }), cache: new InMemoryCache() });
  t.after(() => foreign.stop());
  await assert.rejects(foreign.query({ query: parse("query Me { me { id } }") }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    assert.equal(error.errors[0].extensions.code, "DOCUMENT_NOT_TRUSTED");
    return true;
  });
});

for (const [form, said] of Object.entries({ documentId: byId, "persistedQuery.sha256Hash": byHash })) {
  test(`a chat by ${form} over events`, async () => {
    const variables = { input: { conversationId: await newConversation(), content: "When are you open?" } };
    const response = await fetch(streamUrl, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ ...said(ids.DeskChatSubscription), variables }),
    });
    const events = (await response.text()).split("\n\n").filter((event) => event.startsWith("event: next\n"));
    const chat = events.map((event) => JSON.parse(event.slice(event.indexOf("data: ") + 6)).data.chat);
    assert.equal(chat.at(0).__typename, "MessageAdded");
    assert.equal(chat.at(-1).__typename, "ReplyCompleted");
  });

  test(`a chat by ${form} over a WebSocket`, async (t) => {
    const client = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers, retryAttempts: 0 });
    t.after(() => client.dispose());
    const variables = { input: { conversationId: await newConversation(), content: "When are you open?" } };
    const events = [];
    // The protocol asks for a text, so an empty one goes with the id.
    for await (const { data } of client.iterate({ query: "", ...said(ids.DeskChatSubscription), variables })) {
      events.push(data.chat);
    }
    assert.equal(events.at(0).__typename, "MessageAdded");
    assert.equal(events.at(-1).__typename, "ReplyCompleted");
    const refused = client.iterate({ query: documents.Chat, variables }).next();
    await assert.rejects(refused, ([error]) => {
      assert.equal(error.extensions.code, "DOCUMENT_NOT_TRUSTED");
      return true;
    });
  });
}
