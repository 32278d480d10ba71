// Where GraphiQL keeps what is typed: in this browser tab, for as long as whoever typed it is there. Must not know who they
// are.

// How it looks is nobody's secret, and kept for good.
const THEME = "graphiql:theme";

export function openTyped() {
  let writer = {};
  const wipe = (storage) => {
    const keys = Object.keys(storage).filter((key) => key.startsWith("graphiql:") && key !== THEME);
    keys.forEach((key) => storage.removeItem(key));
  };
  // Earlier versions of this page kept all of it for good.
  wipe(localStorage);
  return {
    /** A storage for one GraphiQL. That writes a little late, so what it writes after `forget` is not taken. */
    storage() {
      const mine = writer;
      const of = (key) => (key === THEME ? localStorage : sessionStorage);
      return {
        getItem: (key) => of(key).getItem(key),
        setItem: (key, value) => mine === writer && of(key).setItem(key, value),
        removeItem: (key) => mine === writer && of(key).removeItem(key),
        clear: () => wipe(sessionStorage),
        get length() {
          return sessionStorage.length;
        },
      };
    },
    forget() {
      writer = {};
      wipe(sessionStorage);
      wipe(localStorage);
    },
  };
}
