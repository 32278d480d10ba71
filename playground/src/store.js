// A value that can be watched, for React's `useSyncExternalStore`. Must not know what the value is.

export function store(value) {
  const watchers = new Set();
  return {
    read: () => value,
    write(next) {
      value = next;
      watchers.forEach((watcher) => watcher());
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}
