// Below GraphiQL's answer: the events of a subscription as they come, one a line, and the text that their pieces make. Must
// not know the graph, but that a piece of text is called `text`, and which events begin one.

import { useLayoutEffect, useRef, useSyncExternalStore } from "react";

export function Events({ stream }) {
  const state = useSyncExternalStore(stream.watch, stream.read);
  const count = state?.events.at(-1)?.number;
  const textBox = useEnd(state?.text);
  const list = useEnd(count);
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
      {text && (
        <p {...textBox} className="text">
          {text}
        </p>
      )}
      <ol {...list} role="log" aria-label="Event log" tabIndex={0}>
        {events.map((event) => (
          <Event key={event.number} {...event} />
        ))}
      </ol>
    </section>
  );
}

/** For a box that grows with its content: it stays at its end, but not while somebody reads further up. */
function useEnd(content) {
  const ref = useRef(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const box = ref.current;
    // A box that is gone, or all in sight, begins anew.
    if (!box || box.scrollHeight <= box.clientHeight) isAtEnd.current = true;
    // The box alone: an element that is scrolled into view scrolls all that it stands in.
    else if (isAtEnd.current) box.scrollTo(0, box.scrollHeight);
  }, [content]);
  const onScroll = ({ currentTarget: box }) => {
    isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  };
  return { ref, onScroll };
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
