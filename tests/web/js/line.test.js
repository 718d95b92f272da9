import assert from "node:assert/strict";
import test, { afterEach, mock } from "node:test";
import { Line, SendingError } from "../../../nonlocal_viz/canvas/core/line.js";

afterEach(() => mock.restoreAll());
const settle = () => new Promise((go) => setImmediate(go));
const message = (event, data) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** A line whose server is played by hand: `stream` is given what it says, in parts, and whether it hangs up then. */
function called({ post = new Response('{"event_id": "e1"}'), status = 200 } = {}) {
  const asked = [], said = [];
  let server;
  mock.method(globalThis, "fetch", async (url, options) => {
    asked.push([url, options]);
    if (post instanceof Error) throw post;
    if (options.method === "POST") return post.clone();
    return new Response(new ReadableStream({ start(controller) {
      server = controller;
      options.signal.addEventListener("abort", () => controller.error(new Error("aborted")));
    } }), { status });
  });
  const line = new Line("/sub/", {});
  line.watch("value", () => said.push(line.props.value));
  const stream = async (text) => { server.enqueue(new TextEncoder().encode(text)); await settle(); };
  return { line, asked, said, stream, close: async () => { server.close(); await settle(); } };
}

test("a question is asked by gradio's API, under the page's own address", async () => {
  const { line, asked, said, stream } = called();
  line.trigger("row", { x: 1, question: 3 });
  await settle();
  assert.deepEqual(asked.map(([url]) => url), ["/sub/gradio_api/call/row", "/sub/gradio_api/call/row/e1"]);
  assert.deepEqual([asked[0][1].method, JSON.parse(asked[0][1].body)], ["POST", { data: [{ x: 1, question: 3 }] }]);
  await stream(message("complete", [{ kind: "row", question: 3, seq: 9, weights: "\u00e9" }]));
  assert.deepEqual(said, [{ kind: "row", question: 3, seq: 1, weights: "\u00e9" }]);
  assert.equal(line.flights.size, 0);
});

test("a series of answers comes in whatever parts, each once, and its end is no other", async () => {
  const { line, said, stream } = called();
  line.trigger("save", { question: 1 });
  await settle();
  const whole = [1, 2].map((seq) => message("generating", [{ kind: "progress", seq, question: 1 }])).join("")
    + message("heartbeat", null) + message("complete", [{ kind: "progress", seq: 2, question: 1 }]);
  for (let at = 0; at < whole.length; at += 7) await stream(whole.slice(at, at + 7));
  assert.deepEqual(said.map(({ kind, seq }) => [kind, seq]), [["progress", 1], ["progress", 2], ["alive", 3], ["alive", 4]]);
});

const FAILED = [
  ["no network", { post: new TypeError("Failed to fetch") }, "lost"],
  ["a full queue", { post: new Response('{"detail": "Queue is full. Max size is 1."}', { status: 503 }) }, "full"],
  ["a stopped queue", { post: new Response('{"detail": "Queue is stopped."}', { status: 503 }) }, "lost"],
  ["too many requests", { post: new Response("", { status: 429 }) }, "full"],
  ["nobody signed in", { post: new Response("", { status: 401 }) }, "refused"],
  ["a proxy alone", { post: new Response("", { status: 502 }) }, "lost"],
  ["an answer of somebody else", { post: new Response("<html>") }, "lost"],
  ["an event that is gone", { status: 404 }, "lost"],
];
for (const [what, given, why] of FAILED) {
  test(`${what}: ${why}`, async () => {
    const { line, said } = called(given);
    line.trigger("block", { question: 2 });
    await settle();
    await settle();
    assert.deepEqual(said, [{ kind: "trouble", question: 2, why, seq: 1 }]);
  });
}

for (const [what, act] of [
  ["hung up", ({ close }) => close()],
  ["failed", ({ stream }) => stream(message("error", null))],
  ["babbles", ({ stream }) => stream("event: generating\ndata: {\n\n")],
  ["ends without an answer", ({ stream }) => stream(message("complete", null))],
]) {
  test(`a server that ${what}: lost`, async () => {
    const made = called();
    made.line.trigger("block", { question: 2 });
    await settle();
    await act(made);
    await settle();
    assert.equal(made.said.at(-1).kind, "trouble");
  });
}

test("what nobody waits for is hung up on, and says nothing", async () => {
  const { line, said, asked } = called();
  line.trigger("block", { question: 2 });
  await settle();
  line.trigger("cancel", { question: 2 });
  await settle();
  assert.deepEqual([said, asked[1][1].signal.aborted, asked.length], [[], true, 2]);
  line.trigger("block", { question: 3 });
  line.trigger("block", { question: 3 }); // asked again: the first is not heard any more
  assert.deepEqual([asked[2][1].signal.aborted, asked[3][1].signal.aborted], [true, false]);
});

/** XMLHttpRequest that ends as a test says. */
function requests() {
  const made = [];
  globalThis.XMLHttpRequest = class {
    constructor() { this.upload = {}; made.push(this); }
    open(...given) { this.opened = given; }
    send(form) { this.sent = form; }
    abort() { this.aborted = true; this.onabort(); }
    end(status, responseText) { Object.assign(this, { status, responseText }); this.onload(); }
  };
  return made;
}

test("an upload says how far it is, and where the file is", async () => {
  const made = requests(), shares = [], file = new File(["12"], "a.jpg");
  const sent = new Line("/sub/", {}).upload(file, { sent: (share) => shares.push(share) }), [request] = made;
  assert.deepEqual([request.opened, request.sent.get("files").name], [["POST", "/sub/gradio_api/upload"], "a.jpg"]);
  request.upload.onprogress({ loaded: 1, total: 2 });
  request.end(200, '["/up/a.jpg"]');
  assert.deepEqual([shares, await sent], [[0.5], { path: "/up/a.jpg" }]);
});

test("an upload that fails says why, and whether another try makes sense", async () => {
  const made = requests(), line = new Line("/", {}), file = new File(["12"], "a.jpg");
  const failure = async (act, signal) => {
    const sent = line.upload(file, { signal });
    act(made.at(-1));
    try { await sent; } catch (error) { return error instanceof SendingError && [error.why, error.words]; }
    return null;
  };
  assert.deepEqual(await failure((r) => r.onerror()), ["lost", ""]);
  assert.deepEqual(await failure((r) => r.end(502, "")), ["lost", ""]);
  assert.deepEqual(await failure((r) => r.end(200, "<html>")), ["lost", ""]);
  assert.deepEqual(await failure((r) => r.end(401, "")), ["refused", ""]);
  assert.match((await failure((r) => r.end(413, "")))[1], /^a\.jpg is larger/);
  assert.match((await failure((r) => r.end(400, "")))[1], /^a\.jpg could not be read/);
  const stop = new AbortController();
  assert.deepEqual(await failure(() => stop.abort(), stop.signal), ["lost", ""]);
  assert.ok(made.at(-1).aborted);
});
