import assert from "node:assert/strict";
import test from "node:test";
import { canvas, one, pointer } from "./canvas.js";
import { Element } from "./fakes.js";
import { bytes } from "./golden.js";

test("hovering draws once a frame, the last place, and goes back", () => {
  const { session, picture, page, root, tool } = canvas();
  picture.fire("pointermove", pointer(45, 25));
  picture.fire("pointermove", pointer(25, 15));
  assert.equal(page.frames.length, 1);
  page.flush();
  assert.deepEqual([session.answer.index, session.draws, session.answer.x, session.answer.y], [7, 2, 25, 15]);
  assert.deepEqual([tool.preview, tool.held, root.querySelector(".nlv-state").dataset.pointed], [true, null, "preview"]);
  assert.ok(root.querySelector(".nlv-query").classList.has("preview"));
  picture.fire("pointermove", pointer(-20, 500));
  page.flush();
  assert.equal(session.answer.index, 10);
  picture.fire("pointermove", pointer(900, 900));
  assert.deepEqual(session.pointed.preview, { x: 49.99, y: 29.99, t: 0 });
  picture.fire("pointerleave");
  page.flush();
  assert.deepEqual([session.answer.x, session.answer.y, tool.preview], [12, 8, false]);
  assert.ok(!root.querySelector(".nlv-query").classList.has("preview"));
});

const click = (picture, x, y, more = {}) => { picture.fire("pointerdown", pointer(x, y, more)); picture.fire("pointerup", pointer(x + 0.2, y, more)); };

test("a click holds, and what is held stays for everything else", () => {
  const { session, picture, page, root, asked, tool } = canvas(), held = { x: 5.2, y: 5, t: 0 };
  click(picture, 5, 5);
  assert.deepEqual([tool.held, tool.preview, session.answer.index, session.pins.length], [held, false, 0, 0]);
  assert.ok(root.querySelector(".nlv-query").classList.has("held"));
  picture.fire("pointermove", pointer(45, 25));
  page.flush();
  assert.deepEqual([session.answer.index, tool.held, root.querySelector(".nlv-kept").hidden], [14, held, false]);
  assert.equal(root.querySelector(".nlv-kept").style.left, "0%");
  assert.ok(!root.querySelector(".nlv-query").classList.has("held"));
  // A key pressed over a preview acts on what is held.
  page.key(page.body, "d");
  assert.deepEqual([asked.pop()[1].x, tool.address.includes("x=5.2&y=5")], [5.2, true]);
  page.key(page.body, "p");
  assert.deepEqual(tool.pinned, [{ number: 1, x: 5.2, y: 5, t: 0, block: "layer2.1", model: "own", direction: "row" }]);
  assert.equal(session.answer.index, 14);
  page.key(picture, "ArrowRight");
  assert.deepEqual([session.pointed.kept, tool.preview], [{ resting: { x: 15, y: 5, t: 0 }, held: true }, false]);
});

test("where nothing is held, keys act on what is shown", () => {
  const { session, picture, page, asked, tool } = canvas();
  picture.fire("pointermove", pointer(45, 25));
  page.flush();
  page.key(page.body, "d");
  assert.deepEqual([asked.pop()[1].x, tool.held], [45, null]);
  page.key(page.body, "p");
  assert.equal(tool.pinned[0].x, 45);
  page.key(picture, "Enter");
  assert.deepEqual(tool.held, { x: 45, y: 25, t: 0 });
  assert.equal(session.draws, 4); // first, hover, pin, Enter
});

test("a drag of the mouse, and its other buttons, hold nothing; Shift pins", () => {
  const { session, picture, tool } = canvas();
  picture.fire("pointerdown", pointer(5, 5));
  picture.fire("pointermove", pointer(45, 25));
  picture.fire("pointerup", pointer(45, 25));
  click(picture, 25, 5, { button: 2 });
  assert.deepEqual([tool.held, session.pins.length], [null, 0]);
  click(picture, 25, 5, { shiftKey: true });
  assert.deepEqual([tool.held, tool.pinned.map((pin) => pin.x)], [null, [25.2]]);
});

test("Escape lets go, and is undone; pins stay", () => {
  const { session, picture, page, root, tool } = canvas(), undo = root.querySelector('[data-do="undo"]'), spoken = root.querySelector(".nlv-spoken");
  assert.ok(undo.disabled && root.querySelector('[data-do="letgo"]').disabled);
  click(picture, 5, 5);
  page.key(page.body, "p");
  page.key(page.body, "Escape");
  assert.deepEqual([tool.held, tool.pins, session.pointed.resting.x, undo.disabled], [null, 1, 5.2, false]);
  assert.match(spoken.textContent, /^Let go of \(5, 5\); z holds it again\.$/);
  page.key(page.body, "Escape");
  assert.equal(spoken.textContent, "Nothing is held.");
  page.key(page.body, "z", { ctrlKey: true });
  assert.deepEqual([tool.held, spoken.textContent], [{ x: 5.2, y: 5, t: 0 }, "Undone: the query was let go."]);
  undo.fire("click");
  assert.equal(tool.pins, 0);
  undo.fire("click");
  assert.deepEqual([tool.held, session.pointed.resting], [null, { x: 12, y: 8, t: 0 }]);
  page.key(page.body, "z");
  assert.equal(spoken.textContent, "Nothing to undo.");
  click(picture, 5, 5);
  root.querySelector('[data-do="letgo"]').fire("click");
  assert.equal(tool.held, null);
  root.querySelector('[data-do="pin"]').fire("click");
  assert.equal(tool.pins, 1);
});

test("arrows move by a cell, stay inside and hold", () => {
  const { session, picture, page, tool } = canvas();
  page.key(picture, "ArrowDown");
  page.key(picture, "ArrowRight");
  assert.deepEqual([session.answer.at, tool.held], [[0, 1, 2], { x: 25, y: 15, t: 0 }]);
  page.key(picture, "End");
  page.key(picture, "PageDown");
  page.key(picture, "ArrowRight");
  assert.deepEqual(session.answer.at, [0, 2, 4]);
  page.key(new Element("elsewhere"), "ArrowLeft");
  assert.deepEqual(session.answer.at, [0, 2, 4]);
  page.key(page.body, "z"); // a run of arrows is one deed
  assert.deepEqual(session.pointed.kept, { resting: { x: 12, y: 8, t: 0 }, held: false });
});

test("a finger: a tap holds, a long press pins, a drag sideways previews and holds where it ends", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, picture, page, tool } = canvas(), touch = { pointerType: "touch", pointerId: 4 };
  picture.fire("pointerdown", pointer(5, 5, touch));
  assert.deepEqual([tool.preview, page.frames.length], [false, 0]); // it may be about to scroll
  picture.fire("pointerup", pointer(5.2, 5, touch));
  t.mock.timers.tick(1000);
  assert.deepEqual([tool.held, tool.pins], [{ x: 5.2, y: 5, t: 0 }, 0]);
  picture.fire("pointerdown", pointer(25, 5, touch));
  picture.fire("pointermove", pointer(25.3, 5, touch));
  assert.equal(tool.preview, false);
  t.mock.timers.tick(500);
  picture.fire("pointerup", pointer(25, 5, touch));
  assert.deepEqual([tool.held.x, tool.pinned.map((pin) => pin.x)], [5.2, [25]]);
  picture.fire("pointerdown", pointer(25, 5, touch));
  picture.fire("pointermove", pointer(45, 25, touch));
  assert.deepEqual(session.pointed.preview, { x: 45, y: 25, t: 0 });
  t.mock.timers.tick(1000);
  assert.equal(tool.pins, 1);
  picture.fire("pointerup", pointer(45, 25, touch));
  assert.deepEqual(tool.held, { x: 45, y: 25, t: 0 });
  picture.fire("pointerdown", pointer(5, 5, touch));
  picture.fire("pointermove", pointer(5, 7, touch));
  picture.fire("pointercancel"); // the page scrolls
  t.mock.timers.tick(1000);
  picture.fire("pointerup", pointer(5, 9, touch));
  assert.deepEqual([tool.held, tool.preview, tool.pins], [{ x: 45, y: 25, t: 0 }, false, 1]);
  picture.fire("pointerdown", pointer(5, 5, touch));
  picture.fire("pointerdown", pointer(25, 5, { ...touch, pointerId: 5, isPrimary: false })); // to zoom
  t.mock.timers.tick(1000);
  picture.fire("pointerup", pointer(5, 5, touch));
  assert.deepEqual([tool.held.x, tool.pins], [45, 1]);
  assert.match(session.line.more.textContent, /^tap/);
});

test("another direction keeps the pins, of something else, and speaks", () => {
  const { session, page, root, field, tool } = canvas(), list = root.querySelector(".nlv-pins");
  page.key(page.body, "p");
  field("direction").value = "column";
  field("direction").fire("change");
  assert.deepEqual([session.look.direction, session.answer.direction, tool.pinned[0].direction, list.children[0].className],
    ["column", "column", "row", "nlv-pin foreign"]);
  assert.match(root.querySelector(".nlv-spoken").textContent, /is looked at most by/);
  page.key(page.body, "r");
  assert.equal(list.children[0].className, "nlv-pin");
});

test("a new picture, model, block and held click are entries of their own; Back goes back and no pin is lost", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, picture, page, open, asked, tool } = canvas();
  assert.equal(page.entries.length, 0);
  click(picture, 5, 5);
  assert.equal(page.entries.length, 1);
  page.key(page.body, "p");
  session.desk.on.block({ ...one.meta, block: "layer3.0" }, bytes(one.bytes));
  session.choosing.chooseBlock("layer3.0");
  page.key(page.body, "p");
  page.key(picture, "ArrowRight");
  session.setLook({ alpha: 0.5 });
  t.mock.timers.tick(400);
  assert.equal(page.entries.length, 2);
  assert.match(location.href, /block=layer3.0&x=15&y=5&.*alpha=0.5/);
  open(one, { example: "b" });
  assert.equal(page.entries.length, 3);
  page.back();
  assert.deepEqual(asked.at(-1)[1], { source: { example: "a" }, block: "layer3.0", question: asked.at(-1)[1].question });
  open(one, { example: "a" }, { block: "layer3.0" });
  assert.deepEqual([tool.held, session.look.alpha, tool.pinned.map((pin) => [pin.number, pin.block]), page.entries.length],
    [{ x: 15, y: 5, t: 0 }, 0.5, [[1, "layer2.1"], [2, "layer3.0"]], 2]);
  session.open.blocks.set("layer2.1", session.open.block);
  page.back();
  assert.deepEqual([session.wanted, tool.held.x, tool.pins], ["layer2.1", 5.2, 2]);
  page.back();
  assert.deepEqual([tool.held, session.pointed.resting, tool.pins], [null, { x: 12, y: 8, t: 0 }, 2]);
});

test("what an address cannot bring back is said where one looks, and can be closed", () => {
  const { root, session } = canvas({ search: "?example=zebra&x=900&y=3" }), note = root.querySelector(".nlv-note");
  assert.deepEqual([note.hidden, note.querySelector("span").textContent], [false,
    "Not all of this address could be brought back: there is no example \u201czebra\u201d; there is no point (900, 3) in the picture."]);
  root.querySelector('[data-do="closenote"]').fire("click");
  assert.ok(note.hidden);
  assert.deepEqual(session.pointed.resting, { x: 12, y: 8, t: 0 });
  assert.ok(canvas().root.querySelector(".nlv-note").hidden);
});

test("a picture that somebody went back to and did not get asks nothing of the next one", () => {
  const { session, page, picture, open, tool } = canvas();
  click(picture, 5, 5);
  open(one, { example: "b" });
  page.back();
  assert.ok(session.returning);
  session.openSource({ example: "c" }, "Opening C");
  open(one, { example: "c" });
  assert.deepEqual([session.pointed.resting, tool.held, page.entries.length], [{ x: 12, y: 8, t: 0 }, null, 2]);
});
