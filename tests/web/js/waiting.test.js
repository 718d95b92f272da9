import assert from "node:assert/strict";
import test from "node:test";
import { refusal } from "../../../nonlocal_viz/canvas/parts/intake.js";
import { TROUBLES } from "../../../nonlocal_viz/canvas/core/patience.js";
import { canvas } from "./canvas.js";

/** A canvas that asks for a block, and what it shows of the wait. */
function waits(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0.5);
  const made = canvas(), { root, session } = made, box = root.querySelector(".nlv-busy"), words = box.querySelector('[data-text="busy"]');
  let seq = 0;
  const say = (value) => { session.host.props.value = { seq: ++seq, ...value }; return session.desk.hear(); };
  return { ...made, box, words, say, meter: box.querySelector(".nlv-meter") };
}

test("a wait of a second gets its bar, a short one does not", (t) => {
  const { session, box, meter, words } = waits(t);
  session.chooseBlock("layer3.0");
  assert.equal(words.textContent, "Fetching layer3.0");
  t.mock.timers.tick(999);
  assert.ok(!box.classList.contains("long"));
  t.mock.timers.tick(1);
  assert.ok(box.classList.contains("long") && meter.classList.contains("unknown"));
  session.desk.cancelLook();
  assert.ok(!box.classList.contains("long"));
});

test("what is being done, and how far it is", async (t) => {
  const { session, meter, words, say } = waits(t);
  session.chooseBlock("layer3.0");
  await say({ kind: "progress", question: 1, words: "Frame 3 of 8", done: 0.375 });
  assert.deepEqual([words.textContent, meter.querySelector("i").style.width, meter.attributes["aria-valuenow"]], ["Frame 3 of 8", "38%", "38"]);
  await say({ kind: "progress", question: 1, words: "Almost", done: null });
  assert.deepEqual([meter.classList.contains("unknown"), meter.attributes["aria-valuenow"]], [true, undefined]);
});

test("trouble is said over the picture, counted down, and can be tried again now", async (t) => {
  const { session, box, words, say, asked, root, page } = waits(t);
  session.chooseBlock("layer3.0");
  await say({ kind: "trouble", question: 1, why: "lost" });
  const count = box.querySelector(".nlv-count");
  assert.deepEqual([box.classList.contains("trouble"), words.textContent, count.textContent], [true, TROUBLES.lost, "Trying again in 1 s"]);
  box.querySelector('[data-do="again"]').fire("click");
  assert.deepEqual([asked.length, count.textContent], [2, "Trying again"]);
  await say({ kind: "trouble", question: 1, why: "full" });
  assert.deepEqual([words.textContent, count.textContent], [TROUBLES.full, "Trying again in 2 s"]);
  page.listeners.online.forEach((listener) => listener());
  assert.equal(asked.length, 3);
  await say({ kind: "alive", question: 1 });
  assert.deepEqual([box.classList.contains("trouble"), words.textContent, count.textContent], [false, "Fetching layer3.0", ""]);
  assert.equal(root.dataset.state, "busy");
});

test("cancelled, the page is as it was before", async (t) => {
  const { session, box, root, hungUp, field, asked } = waits(t);
  session.chooseBlock("layer3.0");
  field("block").value = "layer3.0";
  box.querySelector("[data-stop]").fire("click");
  assert.deepEqual([root.dataset.state, field("block").value, session.wanted, hungUp], ["ready", "layer2.1", "layer2.1", [["cancel", { question: 1 }]]]);
  let sent;
  session.host.upload = () => new Promise((resolve) => { sent = resolve; });
  const sending = session.openFile({ name: "p.jpg", size: 1, type: "" });
  assert.equal(root.dataset.state, "busy");
  box.querySelector("[data-stop]").fire("click");
  sent({ path: "/p" });
  await sending;
  assert.deepEqual([root.dataset.state, asked.length, session.answer.index], ["ready", 1, 1]);
});

test("a failed download leaves another wait as it is", async (t) => {
  const { session, root, say } = waits(t);
  session.save("png");
  session.chooseBlock("layer3.0");
  await say({ kind: "error", question: 1, message: "No." });
  assert.deepEqual([root.querySelector(".nlv-error").textContent, root.dataset.state], ["No.", "busy"]);
});

test("an error can be closed, and goes when the next thing works", async (t) => {
  const { session, root, picture, say } = waits(t), notice = root.querySelector(".nlv-notice");
  session.fail("No.");
  assert.deepEqual([notice.hidden, root.querySelector(".nlv-error").textContent], [false, "No."]);
  notice.querySelector("button").fire("click");
  assert.deepEqual([notice.hidden, picture.focused], [true, 1]);
  session.fail("No.");
  let stopped = 0;
  const press = (key) => notice.fire("keydown", { key, stopPropagation: () => stopped++ });
  press("Enter");
  assert.equal(notice.hidden, false);
  press("Escape");
  assert.deepEqual([notice.hidden, stopped], [true, 1]);
  session.fail("No.");
  session.save("csv");
  t.mock.method(globalThis, "fetch", async () => new Response("1"));
  await say({ kind: "file", question: 1, name: "a.csv", file: { url: "/a" } });
  assert.equal(notice.hidden, true);
});

test("a file of another kind is refused here; what has no kind is left to the server", () => {
  const bounds = { picture: 10, clip: 20 }, said = (type, size = 5) => refusal({ name: "a", size, type }, bounds);
  assert.match(said("application/pdf"), /neither a picture nor a clip/);
  assert.deepEqual(["", "image/png", "video/mp4"].map((type) => said(type)), ["", "", ""]);
  assert.match(said("video/mp4", 21), /larger/);
});

test("what is shown is called by its name", () => {
  const { root } = canvas(), name = root.querySelector(".nlv-title").querySelector("b");
  assert.deepEqual([name.textContent, name.title], ["A", "A"]);
});
