// A line to the server that breaks without a word, as networks do. Must not know what goes over it.

import { connect, createServer } from "node:net";

/**
 * Opens a line to the server of `url`, which ends with the test `t`. Where a connection breaks is said by `place`: it is
 * given all that the server has sent over it, a character for each byte, and says behind which of them, or -1.
 */
export async function openLine(t, url, place) {
  const { hostname, port } = new URL(url);
  const ends = new Set();
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const end of [near, far]) {
      ends.add(end);
      // A cut is no error here.
      end.on("error", () => {});
      end.on("close", () => ends.delete(end));
    }
    near.pipe(far);
    near.on("close", () => far.destroy());
    far.on("end", () => near.end());
    let sent = "";
    far.on("data", (data) => {
      const before = sent.length;
      sent += data.toString("latin1");
      const end = place(sent);
      if (end === -1) return near.write(data);
      cuts += 1;
      far.destroy();
      near.end(data.subarray(0, end - before));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    ends.forEach((end) => end.destroy());
  });
  return {
    /** The same address, reached over this line. */
    over(url) {
      const near = new URL(url);
      near.host = `127.0.0.1:${server.address().port}`;
      return near.href;
    },
    /** How often it broke. */
    cuts: () => cuts,
  };
}
