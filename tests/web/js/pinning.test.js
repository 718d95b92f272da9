import assert from "node:assert/strict";
import test from "node:test";
import { canvas, clip, one } from "./canvas.js";
import { bytes, named } from "./golden.js";

const count = named("product, count, 1 heads, 1 frames");
const numbers = (tool) => tool.pinned.map((pin) => pin.number);
const other = (session) => session.desk.on.block({ ...count.meta, block: "layer3.0" }, bytes(count.bytes));

test("a pin keeps its weights when the block answers anew, and what is painted is painted again", () => {
  const { session } = canvas(), painted = [...session.answer.weights];
  session.pinning.pin({ x: 45, y: 25, t: 0 });
  const [pin] = session.pins.pins;
  assert.deepEqual([...session.answer.weights], painted);
  assert.deepEqual([...pin.answer.weights], [...session.open.block.weights(14, "row")]);
  assert.notEqual(pin.answer.weights, session.open.block.weights(14, "row"));
});

test("one pin a cell; what n, b and p did is spoken", () => {
  const { session, page, root, tool } = canvas(), spoken = root.querySelector(".nlv-spoken");
  page.key(page.body, "p");
  assert.equal(spoken.textContent, "Pin 1 at (12, 8).");
  session.pinning.pin({ x: 13, y: 9, t: 0 });
  assert.deepEqual([tool.pins, spoken.textContent], [1, "That is pin 1 already."]);
  session.open.blocks.set("layer3.0", session.open.block);
  page.key(page.body, "b");
  assert.match(spoken.textContent, /^Block layer3\.0\. The cell in row/);
  page.key(page.body, "Enter", {});
  page.key(root.querySelector(".nlv-picture"), "Enter");
  assert.match(spoken.textContent, /^Held at \(12, 8\)\. The cell in row 0, column 1/);
  page.key(page.body, "n");
  session.desk.on.view({ ...session.open.picture, source: { example: "a", model: "other" }, first: one.meta }, bytes(one.bytes));
  assert.match(spoken.textContent, /^Model other\. The cell in row/);
});

test("pins of another block stay in sight and are asked of the present one, behind it, with a number of their own", () => {
  const { session, root, tool } = canvas(), ask = root.querySelector('[data-do="againall"]'), list = root.querySelector(".nlv-pins");
  for (const x of [5, 25]) session.pinning.pin({ x, y: 5, t: 0 });
  other(session);
  assert.ok(ask.hidden);
  session.chooseBlock("layer3.0");
  assert.deepEqual([ask.hidden, ask.textContent, list.children.map((card) => card.className)],
    [false, "Ask all of layer3.0", ["nlv-pin foreign", "nlv-pin foreign"]]);
  assert.deepEqual(root.querySelector(".nlv-pinmarks").children.map((mark) => mark.className), ["nlv-pinmark foreign", "nlv-pinmark foreign"]);
  const [second] = list.children[1].all().filter((e) => e.dataset.pinned === "again");
  assert.equal(second.attributes["aria-label"], "Ask layer3.0 of pin 2, too");
  second.fire("click");
  assert.deepEqual(tool.pinned.map(({ number, block, x }) => [number, block, x]), [[1, "layer2.1", 5], [2, "layer2.1", 25], [3, "layer3.0", 25]]);
  ask.fire("click");
  assert.deepEqual([numbers(tool), root.querySelector(".nlv-spoken").textContent], [[1, 4, 2, 3], "Asked again: pin 4."]);
  ask.fire("click");
  assert.equal(root.querySelector(".nlv-spoken").textContent, "These places are pinned already.");
  session.pointing.undo();
  session.pointing.undo();
  assert.deepEqual(numbers(tool), [1, 2]);
});

test("going to a pin shows what it is of: block, direction, model, sampling", () => {
  const { session, asked, tool, open } = canvas();
  session.pinning.pin({ x: 25, y: 5, t: 0 });
  other(session);
  session.chooseBlock("layer3.0");
  session.setLook({ direction: "column" });
  session.pinning.go(session.pins.pins[0]);
  assert.deepEqual([session.open.block.name, session.look.direction, tool.held], ["layer2.1", "row", { x: 25, y: 5, t: 0 }]);
  open(one, { example: "a", model: "other" }, { block: "layer3.0" });
  session.pinning.go(session.pins.pins[0]);
  assert.deepEqual(asked.at(-1)[1].source, { example: "a" });
  assert.equal(asked.at(-1)[1].block, "layer2.1");
  const film = canvas({ of: clip });
  film.session.pinning.pin({ x: 25, y: 5, t: 1 });
  film.open(clip, { example: "a", frames: 4, spacetime: false });
  film.session.pinning.go(film.session.pins.pins[0]);
  assert.deepEqual([film.asked.at(-1)[1].source, film.tool.held, film.tool.frame], [{ example: "a", frames: 8, spacetime: true }, { x: 25, y: 5, t: 1 }, 1]);
});

test("pins of a link are answered when their block is there; that of another model waits for it", () => {
  const search = "?pin=7*5*5*0**row*layer2.1*own&pin=3*25*5*0**column*layer3.0*own&pin=4*25*5*0**row*layer2.1*other";
  const { session, asked, tool, root, open } = canvas({ search }), answered = () => session.pins.pins.map((pin) => pin.answer !== null);
  assert.deepEqual([numbers(tool), answered()], [[7, 3, 4], [true, false, false]]);
  session.shown();
  assert.deepEqual(asked.map(([event, question]) => [event, question.block]), [["block", "layer3.0"]]); // once, and nothing is hidden for it
  assert.equal(root.dataset.state, "ready");
  const cards = root.querySelector(".nlv-pins").children, words = (i) => cards[i].children[0].children[1].children[2].textContent;
  assert.deepEqual([words(0), words(1), words(2)], ["layer2.1", "of layer3.0, column: not asked yet", "of layer2.1 of other: not asked yet"]);
  other(session);
  assert.deepEqual([answered(), session.open.block.name, asked.length], [[true, true, false], "layer2.1", 1]);
  assert.equal(root.querySelector(".nlv-pins").children[1].children[0].children[1].children[2].textContent, "of layer3.0, column");
  open(one, { example: "a", model: "other" });
  assert.deepEqual([answered(), numbers(tool)], [[true, true, true], [7, 3, 4]]);
  session.pinning.pin({ x: 45, y: 25, t: 0 });
  assert.deepEqual(numbers(tool), [7, 3, 4, 8]);
});

test("a pin of a block that the browser does not hold asks the server for its row", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, asked } = canvas({ factors: false, search: "?pin=1*45*25*0**row*layer2.1*own" });
  const row = (index) => {
    session.desk.open.clear();
    session.desk.on.row({ block: "layer2.1", index, direction: "row" }, new Float32Array(15).fill(0.5));
    session.draw();
    t.mock.timers.tick(80);
  };
  t.mock.timers.tick(80);
  assert.equal(asked.at(-1)[1].x, 15);
  row(1);
  assert.equal(asked.at(-1)[1].x, 45);
  assert.equal(session.pins.pins[0].answer, null);
  row(14);
  assert.deepEqual([session.pins.pins[0].answer.index, asked.at(-1)[1].x], [14, 15]);
  const count_ = asked.length;
  row(1);
  assert.equal(asked.length, count_);
});
