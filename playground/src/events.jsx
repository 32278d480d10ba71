// Below GraphiQL's answer: the events of a subscription as they come, one a line, and the text that their pieces make. Must
// not know the graph, but that a piece of text is called `text`, and which events begin one.

import { useEffect, useRef, useSyncExternalStore } from "react";

export function Events({ stream }) {
  const state = useSyncExternalStore(stream.watch, stream.read);
  const list = useRef(null);
  const count = state?.events.at(-1)?.number;
  // The list alone: an element that is scrolled into view scrolls all that it stands in.
  useEffect(() => {
    list.current?.scrollTo(0, list.current.scrollHeight);
  }, [count]);
  if (!state) return null;
  const { events, text, isOpen } = state;
  return (
    <section className="events" aria-label="Events">
      <header>
        <strong>Events</strong> <span className="count">{count ?? 0}</span>
        <span className={isOpen ? "state open" : "state"}>{isOpen ? "live" : "ended"}</span>
        <button type="button" onClick={stream.clear}>
          Clear
        </button>
      </header>
      {text && <p className="text">{text}</p>}
      <ol ref={list} role="log" aria-label="Event log" tabIndex={0}>
        {events.map((event) => (
          <Event key={event.number} {...event} />
        ))}
      </ol>
    </section>
  );
}

function Event({ at, answer }) {
  const { kind, rest } = read(answer);
  return (
    <li className={answer.errors ? "bad" : undefined}>
      <time>{(at / 1000).toFixed(2)} s</time>
      <b>{kind}</b>
      <code>{JSON.stringify(rest)}</code>
    </li>
  );
}

/** What the newest reply says, with one more answer. It starts empty; a snapshot says the whole of it; a delta goes on. */
export function said(text, answer) {
  const { kind, rest } = read(answer);
  if (kind === "ReplyStarted") return "";
  if (typeof rest.text !== "string") return text;
  return kind === "ReplySnapshot" ? rest.text : text + rest.text;
}

/** An answer's one root field: its kind, and what else was asked for. */
function read(answer) {
  if (answer.errors) return { kind: "error", rest: answer.errors };
  const [[field, value]] = Object.entries(answer.data ?? { nothing: {} });
  const { __typename: kind = field, conversationId, cursor, ...rest } = value ?? {};
  return { kind, rest };
}
