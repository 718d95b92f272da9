import assert from "node:assert/strict";
import test from "node:test";
import { answerTo } from "../../../nonlocal_viz/web/canvas/core/answer.js";
import { MOST_PINS, PinList } from "../../../nonlocal_viz/web/canvas/core/pinlist.js";
import { blockOf, named } from "./golden.js";

const one = named("product, softmax, 1 heads, 1 frames"), at = (x, y) => ({ x, y, t: 0 });

test("a pin keeps its weights when the block answers anew", () => {
  const block = blockOf(one), pins = new PinList(), answer = answerTo(block, at(5, 5), "row"), kept = [...answer.weights];
  assert.ok(pins.add(answer));
  answerTo(block, at(45, 25), "row");
  assert.notDeepEqual([...answer.weights], kept);
  assert.deepEqual([...pins.pins[0].weights], kept);
});

test("one pin a cell and direction, and no more than fit", () => {
  const block = blockOf(one), pins = new PinList();
  assert.ok(pins.add(answerTo(block, at(5, 5), "row")));
  assert.ok(!pins.add(answerTo(block, at(6, 6), "row")));
  assert.ok(pins.add(answerTo(block, at(5, 5), "column")));
  assert.ok(pins.add(answerTo(blockOf(one), at(5, 5), "row")));
  assert.equal(pins.length, 3);
  for (let i = 1; i < 15; i++) pins.add(answerTo(block, at(10 * (i % 5) + 5, 10 * Math.floor(i / 5) + 5), "row"));
  assert.equal(MOST_PINS, 8);
  assert.equal(pins.length, 8);
  // The oldest made room.
  assert.deepEqual(pins.pins.map((pin) => pin.index), [7, 8, 9, 10, 11, 12, 13, 14]);
});

test("pins of a block and direction; removing and clearing", () => {
  const block = blockOf(one), other = blockOf(one), pins = new PinList();
  pins.add(answerTo(block, at(5, 5), "row"));
  pins.add(answerTo(block, at(15, 5), "row"));
  pins.add(answerTo(block, at(15, 5), "column"));
  pins.add(answerTo(other, at(15, 5), "row"));
  assert.deepEqual(pins.of(block, "row").map((pin) => pin.index), [0, 1]);
  assert.equal(pins.of(block, "column").length, 1);
  assert.equal(pins.of(null, "row").length, 0);
  pins.remove(pins.pins[0]);
  assert.deepEqual(pins.of(block, "row").map((pin) => pin.index), [1]);
  pins.clear();
  assert.equal(pins.length, 0);
});

test("another block answers the pins anew; what it cannot answer goes", () => {
  const block = blockOf(one), other = blockOf(named("product, count, 1 heads, 1 frames")), pins = new PinList();
  pins.add(answerTo(block, at(5, 5), "row"));
  pins.add(answerTo(block, at(45, 25), "row"));
  pins.askAgain((pin) => (pin.index ? answerTo(other, pin, pin.direction) : null));
  assert.equal(pins.length, 1);
  assert.deepEqual([...pins.pins[0].weights], [...other.weights(14, "row")]);
  assert.notEqual(pins.pins[0].weights, other.weights(14, "row"));
});
