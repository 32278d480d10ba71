// The playground: a bar that says who asks, and GraphiQL below it. Must not hold data: what it shows, it asks the graph for.

import "./workers.js";
import { GraphiQL } from "graphiql";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { Bar } from "./bar.jsx";
import { Events, said } from "./events.jsx";
import { examples } from "./examples.js";
import { fetcherOf, post } from "./graph.js";
import { openSession } from "./session.js";
import { openStream } from "./stream.js";
import { openTyped } from "./typed.js";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./playground.css";

function Playground({ paths, session, stream, typed }) {
  const { user, view } = useSyncExternalStore(session.watch, session.read);
  const storage = useMemo(() => typed.storage(), [typed, view]);
  useEffect(() => stream.close, [stream, view]);
  // A new fetcher makes GraphiQL ask for the schema again, which production shows to administrators only.
  const fetcher = useMemo(() => fetcherOf(paths, session, stream), [paths, session, stream, user?.email]);
  return (
    <>
      <Bar session={session} ask={async (body, headers) => session.hear(await post(paths.graph, body, headers))} />
      <main>
        <GraphiQL key={view} fetcher={fetcher} storage={storage} defaultTabs={examples} shouldPersistHeaders={false}>
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
          <GraphiQL.Footer>
            <Events stream={stream} />
          </GraphiQL.Footer>
        </GraphiQL>
      </main>
    </>
  );
}

// An editor that goes rejects what it had in hand: nobody's fault.
addEventListener("unhandledrejection", (event) => event.reason?.name === "Canceled" && event.preventDefault());

const root = document.getElementById("playground");
const paths = { graph: root.dataset.graph, socket: root.dataset.socket };
const [stream, typed] = [openStream(said), openTyped()];
const session = openSession((body, headers) => post(paths.graph, body, headers), typed.forget);
createRoot(root).render(<Playground {...{ paths, session, stream, typed }} />);
