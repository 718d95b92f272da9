import assert from "node:assert/strict";
import test from "node:test";
import { askWords, ofWords, pinPlace, PinList, sampled, sameOf, samplingOf } from "../../../nonlocal_viz/canvas/core/pinlist.js";

const of = { model: "own", sampling: "", block: "layer2.1", direction: "row" };
const bare = (x, more = {}) => ({ ...of, x, y: 5, time: 0, answer: null, ...more });
const numbers = (pins) => pins.pins.map((pin) => pin.number);
const filled = (...xs) => { const pins = new PinList(); xs.forEach((x) => pins.add(bare(x))); return pins; };

test("no pin makes room for another, however many there are", () => {
  const pins = filled(...Array.from({ length: 200 }, (_, i) => i));
  assert.deepEqual(numbers(pins), Array.from({ length: 200 }, (_, i) => i + 1));
});

test("a number is for life", () => {
  const pins = filled(1, 2, 3), [first, second, third] = pins.pins;
  pins.remove(second);
  assert.deepEqual(numbers(pins), [1, 3]);
  assert.equal(pins.add(bare(9)).number, 4);
  assert.ok(pins.move(third, -1));
  assert.deepEqual(numbers(pins), [3, 1, 4]);
  pins.remove(pins.pins[2]);
  assert.equal(pins.add(bare(9)).number, 5);
  assert.equal(first.number, 1);
  pins.clear();
  assert.equal(pins.add(bare(9)).number, 1);
});

test("one pin a question: block, direction, model, sampling and cell", () => {
  const pins = filled(1), answer = (index) => ({ index });
  assert.equal(pins.add(bare(1)), null);
  assert.equal(pins.find(bare(1)).number, 1);
  const others = [{ model: "b" }, { sampling: "8" }, { block: "b" }, { direction: "column" }, { time: 1 }, { y: 6 }];
  for (const change of others) assert.ok(pins.add(bare(1, change)), JSON.stringify(change));
  assert.ok(pins.add(bare(1, { answer: answer(4), block: "c" })));
  assert.equal(pins.add(bare(2, { answer: answer(4), block: "c" })), null);
  assert.ok(pins.add(bare(1, { answer: answer(5), block: "c" })));
  assert.ok(sameOf(bare(1), bare(2)) && !sameOf(bare(1), bare(1, { direction: "column" })));
});

test("a pin of a link keeps its number where that is free", () => {
  const pins = filled(1, 2);
  assert.equal(pins.add(bare(7), { number: 9 }).number, 9);
  assert.equal(pins.add(bare(8), { number: 2 }).number, 10);
  assert.equal(pins.add(bare(6), { number: 5 }).number, 5);
  assert.equal(pins.add(bare(5)).number, 11);
});

test("a pin that is asked again stands behind the one that it comes from", () => {
  const pins = filled(1, 2), [first] = pins.pins;
  pins.add(bare(1, { block: "b" }), { behind: first });
  assert.deepEqual(numbers(pins), [1, 3, 2]);
});

test("moving stays within the list", () => {
  const pins = filled(1, 2, 3), [first, , third] = pins.pins;
  assert.ok(!pins.move(first, -1));
  assert.ok(!pins.move(third, 1e6));
  assert.ok(!pins.move({}, 1));
  assert.ok(pins.move(first, 1e6));
  assert.deepEqual(numbers(pins), [2, 3, 1]);
});

test("what was there before comes back whole", () => {
  const pins = filled(1, 2, 3), before = pins.snapshot;
  pins.move(pins.pins[0], 1);
  pins.remove(pins.pins[0]);
  pins.add(bare(8));
  pins.clear();
  pins.restore(before);
  assert.deepEqual([numbers(pins), pins.next, pins.length], [[1, 2, 3], 4, 3]);
});

test("how a clip is sampled, and back", () => {
  assert.deepEqual([samplingOf({}, false), samplingOf({}, true), samplingOf({ frames: 16, spacetime: false }, true)], ["", "8", "16-"]);
  assert.deepEqual(["", "8", "16-"].map(sampled), [{}, { frames: 8 }, { frames: 16, spacetime: false }]);
});

test("what a pin is called", () => {
  assert.equal(pinPlace(bare(12.9), 3), "(12, 5)");
  assert.equal(pinPlace(bare(12.9, { sampling: "8" }), 3), "(12, 5), frame 3");
  assert.equal(ofWords(bare(1), of), "layer2.1");
  assert.equal(ofWords(bare(1, { block: "layer3.1" }), of), "of layer3.1");
  assert.equal(ofWords(bare(1, { model: "other", direction: "column" }), of), "of layer2.1 of other, column");
  assert.equal(ofWords(bare(1, { sampling: "4-" }), { ...of, sampling: "8" }), "layer2.1, 4 frames, each by itself");
  assert.equal(askWords(bare(1, { block: "b" }), of), "layer2.1");
  assert.equal(askWords(bare(1, { model: "b", block: "b", direction: "column", sampling: "4" }), { ...of, sampling: "8-" }),
    "own, layer2.1, the row, 8 frames, each by itself");
  assert.equal(ofWords(bare(1, { sampling: "4" }), { ...of, sampling: "8" }), "layer2.1, 4 frames");
});
