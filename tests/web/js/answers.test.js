import assert from "node:assert/strict";
import test from "node:test";
import { canvas, clip, one } from "./canvas.js";
import { bytes, named } from "./golden.js";

const count = named("product, count, 1 heads, 1 frames"), held = (session) => session.pointed.kept;

test("a picture begins where its example says, and what the address asks for comes first, once", () => {
  const { session, open, root } = canvas({ search: "?x=30&y=20&scale=log&show=column" });
  assert.deepEqual([held(session), session.look.direction, session.look.colourScale, session.asked],
    [{ resting: { x: 30, y: 20, t: 0 }, held: false }, "column", "log", null]);
  assert.deepEqual([session.wanted, session.open.block.name, root.querySelector(".nlv-thumbs").children[0].attributes["aria-pressed"]],
    ["layer2.1", "layer2.1", "true"]);
  open(one, { example: "b" });
  assert.deepEqual(held(session), { resting: { x: 12, y: 8, t: 0 }, held: false });
  const late = canvas({ of: clip, start: [1, 2, 9] });
  assert.deepEqual([late.session.pointed.resting, late.session.frame], [{ x: 1, y: 2, t: 2 }, 2]);
});

test("another model keeps the query and every pin; the same picture again begins anew", () => {
  const { session, open } = canvas();
  session.pinning.pin({ x: 5, y: 5, t: 0 });
  session.pointing.hold({ x: 45, y: 25, t: 0 });
  open(count, { example: "a", model: "other" });
  assert.deepEqual(held(session), { resting: { x: 45, y: 25, t: 0 }, held: true });
  assert.deepEqual(session.pins.pins.map((pin) => [pin.number, pin.model, pin.answer.block.meta.signed]), [[1, "own", false]]);
  assert.equal(session.pinning.foreign.length, 1);
  open(count, { example: "a", model: "other" });
  assert.deepEqual([session.pins.length, held(session)], [1, { resting: { x: 12, y: 8, t: 0 }, held: false }]);
});

test("a clip sampled in another way keeps query, frame and pins at their times; another picture does not", () => {
  const { session, open } = canvas({ of: clip });
  session.pinning.pin({ x: 5, y: 5, t: 1 });
  session.pointing.hold({ x: 45, y: 25, t: 1 });
  session.pointing.focus(1);
  open(clip, { example: "a", spacetime: false, frames: 3 }, {}, [0.1, 0.2, 0.6]);
  assert.deepEqual([held(session), session.frame], [{ resting: { x: 45, y: 25, t: 2 }, held: true }, 2]);
  const [pin] = session.pins.pins;
  assert.deepEqual([pin.time, pin.sampling, session.pinning.frameOf(pin), pin.answer.t], [0.5, "8", 2, 1]);
  session.pointing.undo();
  assert.equal(session.pointed.resting.t, 0); // what is undone lies at its time, too
  open(clip, { example: "b" });
  assert.deepEqual(held(session), { resting: { x: 12, y: 8, t: 0 }, held: false });
});

test("pins stay with their picture", () => {
  const { session, open } = canvas();
  session.pinning.pin();
  session.pinning.pin({ x: 45, y: 25, t: 0 });
  open(one, { example: "b" });
  assert.deepEqual([session.pins.length, session.past.words], [0, ""]);
  session.pinning.pin({ x: 25, y: 5, t: 0 });
  open(one, { upload: "a" });
  assert.equal(session.pins.length, 0);
  open(one, { example: "a" });
  assert.deepEqual(session.pins.pins.map((pin) => [pin.number, pin.x]), [[1, 12], [2, 45]]);
  open(one, { example: "b" });
  assert.deepEqual(session.pins.pins.map((pin) => [pin.number, pin.x]), [[1, 25]]);
});

test("blocks are kept, and shown if they are still wanted", () => {
  const { session } = canvas(), draws = () => session.draws, { on } = session.desk;
  session.wanted = "two";
  const before = draws();
  on.block({ ...one.meta, block: "three" }, bytes(one.bytes));
  assert.deepEqual([session.open.block.name, draws()], ["layer2.1", before]);
  on.block({ ...one.meta, block: "two" }, bytes(one.bytes));
  assert.deepEqual([session.open.block.name, draws()], ["two", before + 1]);
  assert.deepEqual([...session.open.blocks.keys()], ["layer2.1", "three", "two"]);
  session.open = null;
  on.block(one.meta, null);
  assert.equal(session.open, null);
});

test("a row that the server sent is kept by its block", () => {
  const { session, page } = canvas({ factors: false }), weights = new Float32Array(15), { on } = session.desk;
  on.row({ block: "layer2.1", index: 4, direction: "column" }, weights);
  assert.deepEqual(session.open.block.got, { index: 4, direction: "column", weights });
  assert.equal(page.frames.length, 1);
  on.row({ block: "gone", index: 4, direction: "row" }, weights);
});

test("a failure leaves the fields as they were, and the address says what is shown", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, root, page } = canvas(), models = root.querySelector(".nlv-model"), before = location.href;
  page.at("http://here/?example=b");
  models.value = "other";
  session.returning = true;
  session.desk.on.failed("No.");
  t.mock.timers.tick(400);
  assert.deepEqual([root.querySelector(".nlv-error").textContent, models.value, location.href, session.returning], ["No.", "own", before, false]);
});
