import assert from "node:assert/strict";
import test from "node:test";
import { answersFor } from "../../../nonlocal_viz/web/canvas/answers.js";
import { answerTo } from "../../../nonlocal_viz/web/canvas/core/answer.js";
import { PinList } from "../../../nonlocal_viz/web/canvas/core/pinlist.js";
import { bytes, named } from "./golden.js";

const one = named("product, softmax, 1 heads, 1 frames"), count = named("product, count, 1 heads, 1 frames");
const clip = named("product, softmax, 1 heads, 3 frames");

/** A session without a page. */
function session(query = "") {
  const done = [], write = (name) => (...said) => done.push([name, ...said]);
  const own = {
    open: null, answer: "old", point: { x: 0, y: 0, t: 0 }, frame: 0, wanted: "", pins: new PinList(), ownModel: "own",
    look: { direction: "row" }, asked: new URLSearchParams(query), config: { scales: ["linear", "log"] },
    scene: { open: write("scene"), colours: { names: { sequential: ["magma"], diverging: ["berlin"] } }, stage: { whenLoaded: write("whenLoaded") } },
    intake: { mark: write("mark") }, waits: { show: write("waits") }, shown: write("shown"), refresh: write("refresh"), drawPins: write("drawPins"),
    fail: write("fail"), showFields: write("showFields"),
  };
  return { own, done, on: answersFor(own) };
}

/** A view whose first block is that of a case. */
function view(of, source, changes = {}) {
  const frames = Array.from({ length: of.meta.queries.cells[0] }, () => ({ url: "" }));
  return { source, width: 50, height: 30, frames, times: frames.map((_, t) => t / 2), blocks: ["layer2.1"], start: [12, 8, 0], first: of.meta, ...changes };
}
const open = (on, of, source, changes) => on.view(view(of, source, changes), bytes(of.bytes));

test("a picture begins where its example says, and what the address asks for comes first, once", () => {
  const { own, done, on } = session("x=30&y=20&scale=log&show=column");
  open(on, one, { example: "a" });
  assert.deepEqual([own.point, own.look, own.asked], [{ x: 30, y: 20, t: 0 }, { direction: "column", colourScale: "log" }, null]);
  assert.deepEqual([own.wanted, own.answer, own.open.block.name], ["layer2.1", null, "layer2.1"]);
  assert.deepEqual(done.map(([name]) => name), ["scene", "whenLoaded", "mark", "shown"]);
  assert.deepEqual(done[2], ["mark", "a"]);
  open(on, one, { example: "b" });
  assert.deepEqual(own.point, { x: 12, y: 8, t: 0 });
  const late = session();
  open(late.on, clip, { example: "c" }, { start: [1, 2, 9] });
  assert.deepEqual([late.own.point, late.own.frame], [{ x: 1, y: 2, t: 2 }, 2]);
});

test("another model keeps the query, and answers the pins anew", () => {
  const { own, on } = session();
  open(on, one, { example: "a" });
  own.point = { x: 45, y: 25, t: 0 };
  own.pins.add(answerTo(own.open.block, { x: 5, y: 5, t: 0 }, "row"));
  open(on, count, { example: "a", model: "other" });
  assert.deepEqual(own.point, { x: 45, y: 25, t: 0 });
  assert.equal(own.pins.of(own.open.block, "row").length, 1);
  open(on, count, { example: "a", model: "other" });
  assert.deepEqual([own.pins.length, own.point], [0, { x: 12, y: 8, t: 0 }]);
});

test("a clip sampled in another way keeps its query at the nearest time; another picture does not", () => {
  const { own, on } = session();
  open(on, clip, { example: "a" });
  own.point = { x: 45, y: 25, t: 1 };
  own.pins.add(answerTo(own.open.block, { x: 5, y: 5, t: 0 }, "row"));
  open(on, clip, { example: "a", spacetime: false }, { times: [0.1, 0.2, 0.6] });
  assert.deepEqual([own.point, own.frame, own.pins.length], [{ x: 45, y: 25, t: 2 }, 2, 0]);
  open(on, clip, { example: "b" });
  assert.deepEqual(own.point, { x: 12, y: 8, t: 0 });
});

test("blocks are kept, and shown if they are still wanted", () => {
  const { own, done, on } = session();
  on.block(one.meta, null);
  assert.equal(own.open, null);
  open(on, one, { example: "a" });
  own.wanted = "two";
  done.length = 0;
  on.block({ ...one.meta, block: "three" }, bytes(one.bytes));
  assert.deepEqual([own.open.block.name, done], ["layer2.1", []]);
  on.block({ ...one.meta, block: "two" }, bytes(one.bytes));
  assert.deepEqual([own.open.block.name, done], ["two", [["shown"]]]);
  assert.deepEqual([...own.open.blocks.keys()], ["layer2.1", "three", "two"]);
});

test("a row that the server sent is kept by its block", () => {
  const { own, done, on } = session(), weights = new Float32Array(15);
  open(on, one, { example: "a" });
  on.row({ block: "layer2.1", index: 4, direction: "column" }, weights);
  assert.deepEqual(own.open.block.got, { index: 4, direction: "column", weights });
  assert.deepEqual(done.at(-1), ["refresh"]);
  on.row({ block: "gone", index: 4, direction: "row" }, weights);
});

test("a failure leaves the fields as they were", () => {
  const { done, on } = session();
  on.failed("No.");
  on.waiting("for it");
  assert.deepEqual(done, [["fail", "No."], ["showFields"], ["waits", "for it"]]);
});
