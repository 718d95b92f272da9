import assert from "node:assert/strict";
import test, { afterEach, beforeEach, mock } from "node:test";
import { Desk } from "../../../nonlocal_viz/canvas/core/desk.js";

/** A server that is played by hand, and what a canvas hears of it. */
function played() {
  const asked = [], heard = [], hungUp = [];
  const trigger = (event, data) => { if (event === "cancel") hungUp.push(data.question); else asked.push([event, data]); };
  const host = { props: { value: null }, trigger, watch: (_, listener) => { host.changed = listener; } };
  const hears = (kind) => (...said) => heard.push([kind, ...said]);
  const on = Object.fromEntries(["view", "block", "row", "file", "waiting", "failed"].map((kind) => [kind, hears(kind)]));
  const desk = new Desk(host, on);
  desk.put(0, "start", { query: {} }, false);
  let seq = 0;
  const say = (value) => { host.props.value = { seq: ++seq, ...value }; return desk.hear(); };
  const told = () => heard.filter(([kind]) => kind !== "waiting"), shown = () => told().map(([kind]) => kind);
  const waiting = () => heard.findLast(([kind]) => kind === "waiting")[1];
  return { host, desk, asked, hungUp, told, shown, say, waiting };
}

const view = (question, example = "a") => ({ kind: "view", question, source: { example }, first: { factors: { url: `/${example}` } } });
const block = (question, name) => ({ kind: "block", question, first: { block: name, factors: { url: "/b" } } });
const rowAsked = (index) => ({ source: {}, block: "b", index, direction: "row", x: index, y: 0, frame: 0 });

const realFetch = globalThis.fetch;
/** Fetches that wait until they are let go. */
let waiting = [];
beforeEach(() => {
  waiting = [];
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(globalThis, "fetch", async (url) => {
    if (url === "/slow") await new Promise((go) => waiting.push(go));
    if (url === "/gone") return new Response("", { status: 404 });
    return new Response(new Float32Array([1, 2, 3]).buffer);
  });
});
afterEach(() => { mock.timers.reset(); mock.restoreAll(); });

test("the first picture comes without being asked for, once", async () => {
  const { say, told, desk } = played();
  await say(view(undefined));
  assert.equal(told().at(-1)[0], "view");
  assert.equal(told().at(-1)[1].source.example, "a");
  assert.equal(told().at(-1)[2].byteLength, 12);
  assert.ok(!desk.waiting);
  const before = told().length;
  await desk.hear(); // the same value
  await say(view(undefined));
  assert.equal(told().length, before);
});

test("what is here already is heard, and what comes later", async () => {
  const { host, desk, asked, shown } = played();
  host.props.value = { seq: 7, ...view(0) };
  await desk.listen();
  assert.deepEqual([shown(), asked], [["view"], []]);
  host.props.value = { seq: 8, kind: "error", question: desk.ask("save", {}), message: "no" };
  host.changed();
  await new Promise((go) => setImmediate(go));
  assert.deepEqual(shown(), ["view", "failed"]);
});

test("of several pictures asked for in a hurry, the last one is shown", async () => {
  const { desk, asked, say, told, shown } = played();
  desk.openPicture({ example: "a" }, null);
  desk.openPicture({ example: "b" }, "layer3.0");
  assert.deepEqual(asked, [["picture", { source: { example: "a" }, block: null, question: 1 }],
    ["picture", { source: { example: "b" }, block: "layer3.0", question: 2 }]]);
  assert.ok(desk.waiting);
  await say(view(undefined, "first"));
  await say(view(1, "a"));
  assert.deepEqual(shown(), []);
  await say(view(2, "b"));
  assert.equal(told().at(-1)[1].source.example, "b");
  assert.ok(!desk.waiting);
});

test("two pictures of one source are told apart by the numbers of their questions", async () => {
  const { desk, say, told, shown } = played();
  desk.openPicture({ example: "a" }, null);
  desk.openPicture({ example: "a" }, null);
  await say({ ...view(1), title: "old" });
  assert.deepEqual(shown(), []);
  await say({ ...view(2), title: "new" });
  assert.equal(told().at(-1)[1].title, "new");
});

test("a picture that was overtaken while its factors came is dropped", async () => {
  const { desk, say, shown } = played();
  desk.openPicture({ example: "slow" }, null);
  const coming = say(view(1, "slow"));
  desk.openPicture({ example: "b" }, null);
  waiting.forEach((go) => go());
  await coming;
  assert.deepEqual(shown(), []);
  await say(view(2, "b"));
  assert.deepEqual(shown(), ["view"]);
});

test("a block of an earlier picture is dropped, others of this one are kept", async () => {
  const { desk, say, told, shown } = played();
  await say(view(undefined));
  desk.openBlock({ example: "a" }, "one");
  desk.openBlock({ example: "a" }, "two");
  await say(block(2, "two"));
  await say(block(1, "one"));
  assert.deepEqual(told().filter(([kind]) => kind === "block").map(([, meta]) => meta.block), ["two", "one"]);
  desk.openBlock({ example: "a" }, "three");
  desk.openPicture({ example: "b" }, null);
  desk.openBlock({ example: "a" }, "four");
  await say(view(4, "b"));
  await say(block(3, "three"));
  await say(block(5, "four"));
  assert.deepEqual(shown(), ["view", "block", "block", "view"]);
});

test("rows are asked one at a time, when the pointer rests, the last one wanted first", async () => {
  const { desk, asked, say, told } = played();
  await say(view(undefined));
  desk.wantRow(rowAsked(1));
  mock.timers.tick(79);
  desk.wantRow(rowAsked(2));
  mock.timers.tick(79);
  assert.deepEqual(asked, []);
  mock.timers.tick(1);
  assert.deepEqual(asked, [["row", { source: {}, block: "b", direction: "row", x: 2, y: 0, frame: 0, question: 1 }]]);
  for (const index of [3, 4]) { desk.wantRow(rowAsked(index)); mock.timers.tick(80); }
  assert.equal(asked.length, 1);
  await say({ kind: "row", question: 1, weights: { url: "/w" } });
  assert.deepEqual([told().at(-1)[1].index, [...told().at(-1)[2]]], [2, [1, 2, 3]]);
  assert.deepEqual([asked.length, asked[1][1].x], [2, 4]);
});

test("no row is asked while another picture is on its way, and none of the picture before is shown", async () => {
  const { desk, asked, say, shown } = played();
  await say(view(undefined));
  desk.wantRow(rowAsked(1));
  mock.timers.tick(80);
  desk.openPicture({ example: "b" }, null);
  desk.wantRow(rowAsked(2));
  mock.timers.tick(80);
  await say({ kind: "row", question: 1, weights: { url: "/w" } });
  assert.deepEqual(asked.map(([event]) => event), ["row", "picture"]);
  await say(view(2, "b"));
  assert.deepEqual(shown(), ["view", "view"]);
  assert.equal(asked.length, 2);
});

test("downloads are asked for one by one, and say how far they are", async () => {
  const { desk, asked, say, told, shown, waiting: waits } = played();
  await say(view(undefined));
  for (const suffix of ["png", "npz"]) desk.save({ suffix });
  assert.deepEqual(asked, [["save", { suffix: "png", question: 1 }]]);
  await say({ kind: "progress", question: 1, words: "Writing frame 1 of 8", done: 0.125 });
  assert.deepEqual(waits(), { look: null, save: { words: "Writing frame 1 of 8", done: 0.125 }, trouble: null });
  const before = told().length;
  await desk.hear();
  assert.equal(told().length, before); // the same value is heard once
  await say({ kind: "file", question: 1, name: "a.png", file: { url: "/a" } });
  const [kind, name, url] = told().at(-1);
  assert.deepEqual([kind, name, (await realFetch(url)).ok], ["file", "a.png", true]);
  assert.deepEqual(asked[1], ["save", { suffix: "npz", question: 2 }]);
  await say({ kind: "error", question: 2, message: "No." });
  assert.deepEqual([shown(), told().at(-1).at(-1)], [["view", "file", "failed"], "save"]);
  desk.save({ suffix: "csv" });
  assert.equal(asked.length, 3);
});

test("what still arrives of a cancelled download is not shown, and the next one works", async () => {
  const { desk, asked, hungUp, say, shown, waiting: waits } = played();
  await say(view(undefined));
  for (const suffix of ["webm", "png"]) desk.save({ suffix });
  desk.cancelSaves();
  assert.deepEqual([hungUp, waits().save], [[1], null]);
  await say({ kind: "progress", question: 1, words: "Writing", done: null });
  await say({ kind: "file", question: 1, name: "a", file: { url: "/a" } });
  assert.deepEqual([shown(), waits().save], [["view"], null]);
  desk.save({ suffix: "csv" });
  assert.deepEqual(asked.at(-1), ["save", { suffix: "csv", question: 2 }]);
});

test("another picture forgets the downloads", async () => {
  const { desk, asked, say, shown } = played();
  await say(view(undefined));
  for (const suffix of ["webm", "png"]) desk.save({ suffix });
  desk.openPicture({ example: "b" }, null);
  await say({ kind: "file", question: 1, name: "a", file: { url: "/a" } });
  await say(view(2, "b"));
  assert.deepEqual(shown(), ["view", "view"]);
  assert.deepEqual(asked.map(([event]) => event), ["save", "picture"]);
});

test("a failure is one sentence; that of a question nobody waits for is none", async () => {
  const { desk, hungUp, say, told, shown } = played();
  desk.openPicture({ example: "a" }, null);
  desk.openPicture({ example: "b" }, null);
  assert.deepEqual(hungUp, [0, 1]); // the server is told that nobody waits for them
  await say({ kind: "error", question: 1, message: "Old." });
  assert.deepEqual(shown(), []);
  await say({ kind: "error", question: 2, message: "New." });
  assert.deepEqual(told().at(-1), ["failed", "New.", "picture"]);
  assert.ok(!desk.waiting);
});

test("an answer that cannot be shown is said, and what is asked next works", async () => {
  const { desk, say, told, asked } = played();
  mock.method(console, "error", () => {});
  desk.on.view = () => { throw new RangeError("too short"); };
  desk.openPicture({ example: "a" }, null);
  await say(view(1));
  assert.match(told().at(-1)[1], /could not be read/);
  assert.ok(!desk.waiting && !desk.looking);
  desk.save({ suffix: "png" });
  assert.equal(asked.at(-1)[0], "save");
});

test("a block without factors brings none", async () => {
  const { say, told } = played();
  await say({ ...view(undefined), first: { factors: null } });
  assert.equal(told().at(-1)[2], null);
});
