// The two ways to the graph: requests by HTTP, subscriptions by WebSocket. Must not know who asks: that comes as headers.

import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";

/** Sends one request; gives the graph's answer. */
export async function post(url, body, headers) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return response.json();
}

/**
 * Follows one subscription over a socket of its own, so that each is asked with the headers of its moment. It is never asked
 * twice by itself: a `chat` that is sent again would be said again. `hear` is told of each answer.
 */
export function follow(url, body, headers, hear) {
  const socket = new URL(url, location.href);
  socket.protocol = socket.protocol.replace("http", "ws");
  const client = createClient({ url: socket.href, connectionParams: headers, retryAttempts: 0 });
  const answers = client.iterate(body);
  let isOver = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (isOver) return { done: true, value: undefined };
      try {
        const step = await answers.next();
        return step.done ? step : { done: false, value: hear(step.value) };
      } catch (cause) {
        isOver = true;
        return { done: false, value: hear({ errors: Array.isArray(cause) ? cause : [said(cause)] }) };
      }
    },
    async return() {
      isOver = true;
      return answers.return();
    },
  };
}

function said(cause) {
  const { code, reason = "" } = cause ?? {};
  if (code) return { message: `The socket was closed: ${code} ${reason}`.trim(), extensions: { closed: code } };
  return { message: cause?.message ?? "The socket can't be opened." };
}

/** GraphiQL's fetcher: the session's headers, then those of the headers pane, which win. */
export function fetcherOf({ graph, socket }, session, stream) {
  return async ({ query, variables, operationName }, options) => {
    const ours = await session.headers();
    const headers = merged(ours, options?.headers);
    const operation = operationOf(query, operationName);
    const body = { query, variables, operationName: operation?.name?.value ?? operationName };
    const hear = (answer) => (headers.authorization === ours.authorization ? session.hear(answer) : answer);
    if (operation?.operation === "subscription") return stream.record(follow(socket, body, headers, hear));
    const answer = hear(await post(graph, body, headers));
    if (answer.data?.__schema === null) {
      throw new Error("This server shows its schema to administrators only. Requests work without it.");
    }
    return answer;
  };
}

/** The operation meant. GraphiQL names that of the tab before, for a moment; then it is the only one that there is. */
function operationOf(query, name) {
  try {
    const document = parse(query);
    return getOperationAST(document, name) ?? getOperationAST(document);
  } catch {
    // The graph says what is wrong with it.
    return null;
  }
}

/** Header names are the same in any case; null takes one away. */
function merged(ours, theirs) {
  const headers = { ...ours };
  for (const [name, value] of Object.entries(theirs ?? {})) {
    if (value === null) delete headers[name.toLowerCase()];
    else headers[name.toLowerCase()] = String(value);
  }
  return headers;
}
