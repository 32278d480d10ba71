// A name that one page holds and no other, for as long as the page is there. By it a tab that was copied, with its
// sessionStorage, is told from the one that it was copied from.

// How long the page before may take to let go of it when a tab is loaded anew, in milliseconds.
const PATIENCE = 3_000;

/** Whether this page could take the name. Over plain HTTP from another machine browsers have no locks: there each page can. */
export function hold(name) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const forGood = () => {
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks.request(name, { signal: AbortSignal.timeout(PATIENCE) }, forGood).catch(() => resolve(false));
  });
}
