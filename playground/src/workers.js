// Where Monaco finds its workers: beside this script, in the same version. Must be imported before Monaco is.

const FILES = { json: "json.worker.js", graphql: "graphql.worker.js" };

globalThis.MonacoEnvironment = {
  getWorker(_, label) {
    const here = new URL(import.meta.url);
    return new Worker(new URL((FILES[label] ?? "editor.worker.js") + here.search, here));
  },
};
