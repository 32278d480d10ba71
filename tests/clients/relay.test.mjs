// Relay: its compiler takes the schema, and its runtime asks, changes, pages, refetches and subscribes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createClient } from "graphql-ws";
import relay from "relay-runtime";
import WebSocket from "ws";
import { documents } from "./documents.mjs";
import { compile } from "./relay/compile.mjs";
import { ask, graphUrl, headers, newLeads, socketUrl } from "./support.mjs";

const { Environment, Network, Observable, RecordSource, Store } = relay;
const { commitMutation, createOperationDescriptor, fetchQuery, requestSubscription } = relay;
const { getPaginationMetadata, getSingularSelector } = relay;

let folder, artifact, said;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "relay-"));
  ({ artifact, said } = await compile(folder, { persist: false }));
});

after(() => rm(folder, { recursive: true }));

/** An environment that ends with the test. */
function environmentOf(t) {
  const socket = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: headers });
  t.after(() => socket.dispose());
  const fetchText = async ({ text }, variables) => {
    const response = await fetch(graphUrl, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json", accept: "application/graphql-response+json" },
      body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  };
  const subscribe = ({ text, name }, variables) =>
    Observable.create((sink) => socket.subscribe({ query: text, operationName: name, variables }, sink));
  return new Environment({
    network: Network.create(fetchText, subscribe),
    store: new Store(new RecordSource()),
  });
}

/** Asks, keeps what is answered in the store, and gives a reader's view of it. */
async function view(environment, query, variables) {
  const descriptor = createOperationDescriptor(query, variables);
  environment.retain(descriptor);
  await fetchQuery(environment, query, variables).toPromise();
  return environment.lookup(descriptor.fragment).data;
}

/** What a component with a fragment is given. */
const part = (environment, fragment, reference) =>
  environment.lookup(getSingularSelector(artifact(fragment), reference)).data;

test("the compiler takes the schema and the documents without a word of warning", () => {
  assert.match(said, /compiled documents/);
  assert.doesNotMatch(said, /warn|error|hint|deprecat/i);
});

test("a list is read page by page into one connection", async (t) => {
  const { word, ids } = await newLeads(5);
  const environment = environmentOf(t);
  const filter = { search: word };
  const desk = await view(environment, artifact("DeskQuery"), { filter });
  assert.equal(desk.me.email, process.env.FRONTDESK_EMAIL);
  const fragment = artifact("Desk_leads");
  const { paginationRequest } = getPaginationMetadata(fragment, "usePaginationFragment");
  const sizes = [];
  for (;;) {
    const { leads } = part(environment, "Desk_leads", desk);
    sizes.push(leads.edges.length);
    if (!leads.pageInfo.hasNextPage) {
      assert.deepEqual(leads.edges.map(({ node }) => node.id), ids);
      break;
    }
    await fetchQuery(environment, paginationRequest, { filter, count: 2, cursor: leads.pageInfo.endCursor }).toPromise();
  }
  assert.deepEqual(sizes, [2, 4, 5]);
});

test("a mutation and a refetch by `node(id:)` change what every reader sees", async (t) => {
  const { word, ids: [id] } = await newLeads(1);
  const environment = environmentOf(t);
  const desk = await view(environment, artifact("DeskQuery"), { filter: { search: word } });
  const [{ node }] = part(environment, "Desk_leads", desk).leads.edges;
  assert.deepEqual(part(environment, "Desk_lead", node), { id, name: "Lead 0", status: "NEW" });

  await new Promise((resolve, reject) => {
    commitMutation(environment, {
      mutation: artifact("DeskUpdateLeadMutation"),
      variables: { id, input: { name: "Maya", status: "QUALIFIED" } },
      onCompleted: (_, errors) => (errors ? reject(errors) : resolve()),
      onError: reject,
    });
  });
  assert.deepEqual(part(environment, "Desk_lead", node), { id, name: "Maya", status: "QUALIFIED" });

  // Changed behind this client's back.
  await ask("UpdateLead", { id, input: { status: "WON" } });
  await fetchQuery(environment, artifact("DeskLeadRefetchQuery"), { id }).toPromise();
  assert.deepEqual(part(environment, "Desk_lead", node), { id, name: "Maya", status: "WON" });
});

test("an error reaches whoever asked", async (t) => {
  const asked = (id) => fetchQuery(environmentOf(t), artifact("DeskLeadRefetchQuery"), { id }).toPromise();
  await assert.rejects(asked(undefined), (error) => {
    assert.equal(error.source.errors[0].extensions.code, "BAD_USER_INPUT");
    return true;
  });
  // Of a field that may be null Relay tells whoever asks by `@throwOnFieldError`; it is null to all others.
  assert.equal((await asked("no id")).node, null);
});

test("a chat over a WebSocket", async (t) => {
  const environment = environmentOf(t);
  const events = [];
  await new Promise((resolve, reject) => {
    requestSubscription(environment, {
      subscription: artifact("DeskChatSubscription"),
      variables: { input: { content: "When are you open?" } },
      onNext: ({ chat }) => events.push(chat),
      onError: reject,
      onCompleted: resolve,
    });
  });
  assert.equal(events.at(0).__typename, "MessageAdded");
  assert.equal(events.at(1).__typename, "ReplyStarted");
  assert.equal(events.map(({ text = "" }) => text).join(""), events.at(-1).message.content);
});

test("persisted texts are kept by their SHA-256, and artifacts hold no text", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "relay-"));
  t.after(() => rm(folder, { recursive: true }));
  const persisted = await compile(folder, { persist: true });
  const queries = ["DeskQuery", "DeskLeadsPageQuery", "DeskLeadRefetchQuery"];
  const names = [...queries, "DeskUpdateLeadMutation", "DeskChatSubscription"];
  for (const name of names) {
    const { id, text } = persisted.artifact(name).params;
    assert.equal(text, null);
    assert.equal(persisted.texts[id], artifact(name).params.text);
    assert.equal(id, createHash("sha256").update(persisted.texts[id]).digest("hex"));
  }
  assert.equal(Object.keys(persisted.texts).length, names.length);
});
