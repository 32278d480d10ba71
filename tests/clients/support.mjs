// The running server that the tests talk to, and somebody who is signed in there: an administrator of a tenant.

import { randomUUID } from "node:crypto";
import { documents, request } from "./documents.mjs";

const base = said("FRONTDESK_URL").replace(/\/$/, "");

/** Where the graph is: over HTTP, as a stream of events, and as a WebSocket. */
export const graphUrl = `${base}/graphql`;
export const streamUrl = `${base}/graphql/stream`;
export const socketUrl = `${base.replace(/^http/, "ws")}/graphql/ws`;

/** The administrator's access token. */
export const token = await signIn();

/** What every request of theirs says. */
export const headers = { authorization: `Bearer ${token}` };

/**
 * Asks the graph without any client, and gives its data.
 * @param {string} name The document's, such as `Lead`.
 * @param {Record<string, unknown>} [variables]
 */
export async function ask(name, variables) {
  const { data, errors } = await post({ ...request(name), variables }, headers);
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** A new conversation's id. */
export async function newConversation() {
  const { startConversation } = await ask("StartConversation", { input: { subject: "Clients" } });
  return startConversation.id;
}

/** Leads that nothing else knows of: their common word, and their ids in order. */
export async function newLeads(count) {
  const word = randomUUID();
  const ids = [];
  for (let number = 0; number < count; number += 1) {
    const { createLead } = await ask("CreateLead", {
      input: { name: `Lead ${number}`, notes: word, email: `${number}.${word}@clients.example` },
    });
    ids.push(createLead.id);
  }
  return { word, ids };
}

/** All results of an operation, by a client that iterates over them. */
export async function all(client, request) {
  const results = [];
  for await (const result of client.iterate(request)) results.push(result);
  return results;
}

/** The events of a conversation, put into `seen`, up to the end of a reply. */
export async function watched(client, variables, seen) {
  for await (const { data } of client.iterate({ query: documents.ConversationEvents, variables })) {
    seen.push(data.conversationEvents);
    if (data.conversationEvents.__typename === "ReplyCompleted") break;
  }
  return seen;
}

async function signIn() {
  const input = { email: said("FRONTDESK_EMAIL"), password: said("FRONTDESK_PASSWORD") };
  const { data, errors } = await post({ ...request("SignIn"), variables: { input } }, {});
  if (errors) throw new Error(`Nobody could sign in: ${errors[0].message}`);
  return data.login.accessToken;
}

async function post(body, headers) {
  const response = await fetch(graphUrl, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return response.json();
}

function said(name) {
  const value = process.env[name];
  if (!value) throw new Error(`Say ${name}; README.md tells what it is.`);
  return value;
}
