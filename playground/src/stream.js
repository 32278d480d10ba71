// The events of the newest subscription, in order: GraphiQL itself shows only the last one. Must not know what they mean:
// what they say together is for `said(text, answer)` to tell.

import { store } from "./store.js";

// As many as are kept; the oldest go first.
const KEPT = 1000;

/**
 * What it holds: null, or `{ events: [{ number, at, answer }], text, isOpen }`, `at` in milliseconds since the start. The
 * text has its beginning when the first events are gone.
 */
export function openStream(said) {
  const state = store(null);
  let newest = null;
  return {
    read: state.read,
    watch: state.watch,
    clear: () => state.write(null),
    /** Clears, and hears no more of what is running. */
    close() {
      state.write(null);
      newest?.return();
    },
    /** The same answers, noted as they pass. */
    record(answers) {
      const started = performance.now();
      let mine = { events: [], text: "", isOpen: true };
      let number = 0;
      const note = (changes) => {
        // A newer stream, or nobody, has the place.
        if (state.read() !== mine) return;
        mine = { ...mine, ...changes };
        state.write(mine);
      };
      state.write(mine);
      return (newest = {
        [Symbol.asyncIterator]() {
          return this;
        },
        async next() {
          const step = await answers.next();
          if (step.done) note({ isOpen: false });
          else {
            number += 1;
            const event = { number, at: performance.now() - started, answer: step.value };
            note({ events: [...mine.events, event].slice(-KEPT), text: said(mine.text, event.answer) });
          }
          return step;
        },
        async return() {
          note({ isOpen: false });
          return answers.return();
        },
      });
    },
  };
}
