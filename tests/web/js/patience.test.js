import assert from "node:assert/strict";
import test, { afterEach, beforeEach, mock } from "node:test";
import { Desk } from "../../../nonlocal_viz/canvas/core/desk.js";
import { SendingError } from "../../../nonlocal_viz/canvas/core/line.js";
import { Patience, pauseAfter, SILENCE, TROUBLES, WHOLE } from "../../../nonlocal_viz/canvas/core/patience.js";

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(Math, "random", () => 0.5);
});
afterEach(() => { mock.timers.reset(); mock.restoreAll(); });

/** Let what was promised happen. */
const settle = () => new Promise((go) => setImmediate(go));
const tick = async (ms) => { for (let left = ms; left > 0; left -= 1000) { mock.timers.tick(Math.min(1000, left)); await settle(); } };

function clocked(kind = "picture") {
  const did = [];
  const on = Object.fromEntries(["ask", "stop", "over", "changed"].map((what) => [what, () => did.push(what)]));
  const patience = new Patience(kind, on, () => 0.5);
  return { patience, did, count: (what) => did.filter((one) => one === what).length };
}

test("pauses double up to half a minute, and not everybody comes back at once", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 60].map((tries) => pauseAfter(tries, 0.5)), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.deepEqual([pauseAfter(3, 0), pauseAfter(3, 1)], [3000, 5000]);
});

test("a question that fails is asked again after its pause, for as long as it takes", async () => {
  const { patience, count } = clocked();
  patience.begin();
  for (const [tries, pause] of [1, 2, 4, 8, 16, 30, 30].entries()) {
    patience.failed("lost");
    assert.deepEqual([patience.seconds, patience.trouble, count("ask"), count("stop")], [pause, "lost", tries + 1, tries + 1]);
    await tick(1000 * pause - 1);
    assert.equal(count("ask"), tries + 1);
    await tick(1);
    assert.equal(count("ask"), tries + 2);
  }
});

test("seconds are counted down where people see them", async () => {
  const { patience, did } = clocked();
  patience.begin();
  [1, 2].forEach(() => { patience.failed("full"); patience.again(); });
  patience.failed("full");
  const left = [];
  patience.on.changed = () => left.push(patience.seconds);
  await tick(4000);
  assert.deepEqual(left, [3, 2, 1, 0]);
  assert.equal(did.at(-1), "ask");
});

test("silence is a failure, signs of life are not", async () => {
  const { patience, count } = clocked();
  patience.begin();
  await tick(SILENCE - 1);
  patience.heard();
  await tick(SILENCE - 1);
  assert.equal(patience.trouble, null);
  await tick(1);
  assert.deepEqual([patience.trouble, count("stop")], ["lost", 1]);
  patience.heard(); // too late: it is asked again anyway
  assert.equal(patience.trouble, "lost");
  await tick(1000);
  assert.deepEqual([patience.trouble, count("ask")], ["lost", 2]);
  patience.heard();
  assert.equal(patience.trouble, null);
});

test("no question takes longer than its kind may, however alive the server is", async () => {
  for (const kind of Object.keys(WHOLE)) {
    const { patience, did } = clocked(kind);
    patience.begin();
    for (let at = 0; at < WHOLE[kind] - 30_000; at += 30_000) { mock.timers.tick(30_000); patience.heard(); }
    assert.deepEqual(did, ["ask"]);
    mock.timers.tick(30_000);
    assert.deepEqual(did, ["ask", "stop", "over"]);
    mock.timers.tick(1e7);
    assert.equal(did.length, 3);
  }
});

test("trying now ends the pause, once; nothing goes on after the end", async () => {
  const { patience, count } = clocked();
  patience.begin();
  patience.again();
  assert.equal(count("ask"), 1);
  patience.failed("lost");
  patience.again();
  patience.again();
  assert.equal(count("ask"), 2);
  patience.failed("lost");
  patience.end();
  await tick(60_000);
  assert.equal(count("ask"), 2);
});

/** A desk whose server is played by hand. */
function desked(upload = async (file) => ({ path: `/up/${file.name}` })) {
  const asked = [], heard = [], hungUp = [];
  const trigger = (event, data) => { if (event === "cancel") hungUp.push(data.question); else asked.push([event, data]); };
  const host = { props: { value: null }, trigger, watch() {}, upload };
  const on = Object.fromEntries(["view", "block", "row", "file", "waiting", "failed"].map((kind) => [kind, (...said) => heard.push([kind, ...said])]));
  const desk = new Desk(host, on);
  let seq = 0;
  const say = (value) => { host.props.value = { seq: ++seq, ...value }; return desk.hear(); };
  const waits = () => heard.findLast(([kind]) => kind === "waiting")[1], told = (kind) => heard.filter(([one]) => one === kind);
  return { desk, asked, hungUp, say, waits, told, host };
}
const file = (name) => Object.assign(new Blob(["12"]), { name });
const view = (question, upload) => ({ kind: "view", question, source: { upload }, first: { factors: null } });

test("the first picture is asked for where nothing is here, with what the address says", async () => {
  const { desk, asked, say, told } = desked();
  await desk.listen({ example: "b" });
  assert.deepEqual(asked, [["start", { query: { example: "b" }, question: 0 }]]);
  await say({ kind: "trouble", question: 0, why: "full" });
  await tick(1000);
  assert.equal(asked.length, 2);
  await say({ ...view(0), question: undefined });
  assert.equal(told("view").length, 1);
});

test("each trouble is said in its own words, until something is heard", async () => {
  const { desk, say, waits, asked, hungUp } = desked();
  desk.openPicture({ example: "a" }, null);
  for (const why of ["lost", "full", "refused"]) {
    await say({ kind: "trouble", question: 1, why });
    assert.equal(waits().trouble.words, TROUBLES[why]);
    desk.again();
  }
  assert.deepEqual([asked.length, hungUp.length, waits().trouble.seconds], [4, 3, 0]);
  await say({ kind: "alive", question: 1 });
  assert.deepEqual(waits(), { look: { words: "", done: null }, save: null, trouble: null });
  await say({ kind: "error", question: 1, message: "Too many.", why: "busy" });
  assert.equal(waits().trouble.words, TROUBLES.full);
  await tick(60_000);
  assert.equal(asked.length, 5);
});

test("a file of an answer that cannot be fetched: the question is asked again", async () => {
  const { desk, say, asked, waits, told } = desked();
  let there = false;
  mock.method(globalThis, "fetch", async () => new Response("123", { status: there ? 200 : 404 }));
  desk.openBlock({ example: "a" }, "b");
  const answer = { kind: "block", question: 1, first: { factors: { url: "/f" } } };
  await say(answer);
  assert.deepEqual([waits().trouble.words, told("failed")], [TROUBLES.lost, []]);
  there = true;
  await tick(1000);
  await say(answer);
  assert.deepEqual([asked.length, told("block")[0][2].byteLength, waits()], [2, 3, { look: null, save: null, trouble: null }]);
});

test("a fetch that stalls is ended, and a slow one is not", async () => {
  const { desk, say, waits, told } = desked();
  let give;
  mock.method(globalThis, "fetch", async (_, { signal }) => new Response(new ReadableStream({
    start(controller) { give = controller; signal.addEventListener("abort", () => controller.error(new Error("ended"))); },
  }), { headers: { "Content-Length": "4" } }));
  desk.openBlock({}, "b");
  const coming = say({ kind: "block", question: 1, first: { factors: { url: "/f" } } });
  for (const done of [0.25, 0.5, 0.75]) {
    await tick(SILENCE - 1000);
    give.enqueue(new Uint8Array(1));
    await settle();
    assert.deepEqual([waits().look.done, waits().trouble], [done, null]);
  }
  await tick(SILENCE);
  await coming;
  // One failure, though the fetch ends for it, too.
  assert.deepEqual([waits().trouble, told("block").length], [{ words: TROUBLES.lost, seconds: 1 }, 0]);
});

test("a file that comes in parts is put together in their order", async () => {
  const { desk, say, told, waits } = desked();
  mock.method(globalThis, "fetch", async () => new Response(new ReadableStream({
    start(controller) { for (const part of [[1, 2], [3], [4, 5, 6]]) controller.enqueue(Uint8Array.from(part)); controller.close(); },
  })));
  desk.openBlock({}, "b");
  await say({ kind: "block", question: 1, first: { factors: { url: "/f" } } });
  assert.deepEqual([[...new Uint8Array(told("block")[0][2])], waits().look], [[1, 2, 3, 4, 5, 6], null]);
});

test("a download in trouble holds up the next until it is done or cancelled, and no longer", async () => {
  const { desk, say, asked, waits } = desked();
  desk.save({ suffix: "png" });
  desk.save({ suffix: "csv" });
  await say({ kind: "trouble", question: 1, why: "lost" });
  assert.deepEqual([waits().save, waits().trouble.seconds], [{ words: "", done: null }, 1]);
  await tick(1000);
  await say({ kind: "error", question: 1, message: "No." });
  assert.deepEqual(asked.map(([, { suffix }]) => suffix), ["png", "png", "csv"]);
  desk.cancelLook(); // nothing is wrong with it
  assert.ok(desk.has("save"));
  await say({ kind: "trouble", question: 2, why: "lost" });
  desk.cancelLook();
  assert.deepEqual(waits(), { look: null, save: null, trouble: null });
  desk.save({ suffix: "npz" });
  assert.equal(asked.at(-1)[1].suffix, "npz");
  mock.timers.tick(WHOLE.save); // nobody answers: silence, again and again
  await tick(1000);
  desk.cancelSaves();
  desk.save({ suffix: "pdf" });
  assert.equal(asked.at(-1)[1].suffix, "pdf");
});

test("what is given up is said, and does not hold up the next download", async () => {
  const { desk, say, asked, told } = desked();
  desk.save({ suffix: "webm" });
  desk.save({ suffix: "csv" });
  for (let at = 0; at < WHOLE.save; at += 30_000) {
    await say({ kind: "alive", question: 1 });
    mock.timers.tick(30_000);
  }
  assert.match(told("failed")[0][1], /longer than 20 minutes/);
  assert.equal(asked.at(-1)[1].suffix, "csv");
});

test("a row that is asked again is the one that is wanted by now", async () => {
  const { desk, say, asked } = desked();
  const row = (x) => ({ source: {}, block: "b", index: x, direction: "row", x, y: 0, frame: 0 });
  desk.wantRow(row(1));
  await tick(80);
  await say({ kind: "trouble", question: 1, why: "lost" });
  desk.wantRow(row(2));
  await tick(1000);
  assert.deepEqual(asked.map(([, { x, question }]) => [x, question]), [[1, 1], [2, 1]]);
  assert.equal(desk.rowAsked.index, 2);
});

test("an upload says how far it is, is tried again, and can be cancelled", async () => {
  let tries = 0, sending;
  const { desk, waits, hungUp } = desked((_, { signal, sent }) => new Promise((resolve, reject) => {
    sending = { sent, resolve, signal };
    signal.addEventListener("abort", () => reject(new SendingError("lost")));
    if (++tries === 1) reject(new SendingError("lost"));
  }));
  const sent = desk.sendFile(file("a.jpg"));
  await settle();
  assert.deepEqual([waits().look.words, waits().trouble.words], ["Sending a.jpg", TROUBLES.lost]);
  await tick(1000);
  sending.sent(0.5);
  assert.deepEqual([tries, waits().look.done, waits().trouble], [2, 0.5, null]);
  await tick(SILENCE); // it stalls
  assert.equal(waits().trouble.words, TROUBLES.lost);
  assert.ok(sending.signal.aborted);
  await tick(2000);
  sending.resolve({ path: "/up/a" });
  assert.equal(await sent, "up/a");
  const other = desk.sendFile(file("b.jpg"));
  desk.cancelLook();
  assert.deepEqual([await other, waits().look, sending.signal.aborted, hungUp], [null, null, true, []]);
});

test("a file that the server refuses, or that is gone, is one sentence", async () => {
  const { desk, told, host } = desked(async () => { throw new SendingError("lost", "a.jpg is larger than the server takes."); });
  assert.equal(await desk.sendFile(file("a.jpg")), null);
  host.upload = async () => { throw new Error("There is no server here."); };
  assert.equal(await desk.sendFile(file("c.jpg")), null);
  host.upload = async () => { throw new SendingError("lost"); };
  const gone = Object.assign(file("b.jpg"), { slice: () => ({ arrayBuffer: async () => { throw new Error("gone"); } }) });
  assert.equal(await desk.sendFile(gone), null);
  assert.deepEqual(told("failed").map(([, words]) => words), ["a.jpg is larger than the server takes.", "There is no server here.",
    "b.jpg can no longer be read; choose it again."]);
});

test("a picture that the server has lost is sent again, silently", async () => {
  let sent = 0;
  const { desk, say, asked, told } = desked(async () => { sent++; return { path: "/up/ab12/a.jpg" }; });
  const source = { upload: await desk.sendFile(file("a.jpg")) };
  assert.equal(source.upload, "ab12/a.jpg");
  desk.openPicture(source, null);
  const number = () => asked.at(-1)[1].question, gone = { kind: "error", message: "Gone.", why: "gone" };
  await say({ ...gone, question: number() });
  await settle();
  assert.deepEqual([sent, asked.length, asked.at(-1)[1].source], [2, 2, source]);
  await say(view(number(), "ab12/a.jpg"));
  assert.equal(told("view").length, 1);
  desk.save({ source, suffix: "png" });
  await say({ ...gone, question: number() });
  await settle();
  assert.deepEqual([sent, asked.length], [3, 4]);
  // Gone though it was sent a moment ago: nothing that can be mended by sending it again.
  await say({ ...gone, question: number() });
  assert.deepEqual(told("failed"), [["failed", "Gone.", "save"]]);
  desk.openPicture({ upload: "elsewhere" }, null);
  await say({ ...gone, question: number() });
  assert.equal(told("failed").length, 2);
});
