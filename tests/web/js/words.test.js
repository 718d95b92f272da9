import assert from "node:assert/strict";
import test from "node:test";
import { answerTo, cellAsked } from "../../../nonlocal_viz/web/canvas/core/answer.js";
import { classWords, gatheredWords, label, number, percent, pinWords, readoutWords, spokenWords } from "../../../nonlocal_viz/web/canvas/core/words.js";
import { blockOf, evenGrid, named, remoteBlock } from "./golden.js";

/** The answer of a block without factors, whose weights the server sent. */
function answered(weights, changes = {}, direction = "row", point = { x: 15, y: 25, t: 0 }) {
  const block = remoteBlock(changes), index = cellAsked(block, point, direction);
  block.got = { index, direction, weights: Float32Array.from(weights) };
  return answerTo(block, point, direction);
}

const ROW = [0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.125, 0, 0.375];

test("numbers", () => {
  const wanted = [[0, "0"], [0.12345, "0.123"], [1234.5, "1230"], [0.001, "0.001"], [0.000999, "1.0e-3"], [-0.00001234, "-1.2e-5"],
    [10000, "1.0e+4"], [9999, "10000"], [-2, "-2"]];
  for (const [value, words] of wanted) assert.equal(number(value), words);
  assert.deepEqual([0.5, 0.0994, 0.0996, 0.00123, 1].map(percent), ["50 %", "9.9 %", "10 %", "0.12 %", "100 %"]);
  assert.equal(label("embedded_gaussian_form"), "embedded gaussian form");
});

test("the readout of a distribution", () => {
  const answer = answered(ROW), words = readoutWords(answer);
  // The pixel (15, 25) lies in row 2, column 1: cell 9.
  assert.deepEqual(words, {
    headline: "This cell looks most at", pixel: "15, 25", cell: "row 2, column 1", self: "0.125", entropyname: "Entropy of the row",
    entropy: "0.97 nats, 39 % of log M", spread: "As if spread evenly over 3 of 12 cells.",
  });
  assert.equal(gatheredWords(answer).words, "Half of the weight lies in 1 of 12 cells (straight line: evenly spread)");
  assert.equal(spokenWords(answer), "Cell row 2, column 1 looks most at row 1, column 0, weight 0.5.");
  assert.equal(pinWords(answer), " row 2, column 1, over 3 cells");
});

test("the readout of a column, and of rows that are no share of 1", () => {
  const column = answered(ROW, {}, "column"), words = readoutWords(column);
  assert.equal(words.headline, "This cell is looked at most by");
  assert.deepEqual([words.entropyname, words.entropy], ["Largest weight", "0.5"]);
  assert.match(words.spread, /^Each of these 12 cells gives this one a share/);
  assert.match(gatheredWords(column).words, /^Half of the column lies in 1 of 12/);
  assert.equal(spokenWords(column), "Cell row 2, column 1 is looked at most by row 1, column 0, weight 0.5.");
  assert.equal(pinWords(column), " row 2, column 1");
  const kind = (normalise) => ({ distribution: false, pairwise: { score: "product", rectify: false, normalise, scale: 1 } });
  const spread = (normalise) => readoutWords(answered(ROW, kind(normalise))).spread;
  assert.equal(spread("count"), "some form weights are divided by M = 12, so this row is no share of 1.");
  assert.match(spread("sum"), /divided by the sum of their scores/);
  assert.match(spread("softmax"), /hold a part that every query gets/);
});

test("the readout of a clip names frames", () => {
  const clip = evenGrid(2, 3, 4), weights = [...Array(12).fill(0), ...ROW];
  const answer = answered(weights, { queries: clip, keys: clip, span: 24 }, "row", { x: 15, y: 25, t: 1 });
  assert.equal(readoutWords(answer).cell, "row 2, column 1, frame 1");
  assert.equal(readoutWords(answer).self, "0.125");
  assert.equal(spokenWords(answer), "Cell row 2, column 1 of frame 1 looks most at row 1, column 0 of frame 1, weight 0.5.");
  assert.match(pinWords(answer), /^ row 2, column 1, frame 1, over/);
});

test("a row within one frame gathers in that frame", () => {
  const clip = evenGrid(2, 3, 4), keys = evenGrid(2, 1, 2);
  const row = answered([0, 0, 0.25, 0.75], { queries: clip, keys, span: 2 }, "row", { x: 15, y: 25, t: 1 });
  assert.match(gatheredWords(row).words, /in 1 of 2 cells/);
  const column = answered([...Array(12).fill(0), ...ROW], { queries: clip, keys, span: 2 }, "column", { x: 15, y: 5, t: 1 });
  assert.match(gatheredWords(column).words, /in 1 of 12 cells/);
  const held = blockOf(named("product, softmax, 1 heads, 3 frames, pooled"));
  assert.match(gatheredWords(answerTo(held, { x: 15, y: 25, t: 1 }, "row")).words, /of 2 cells/);
  assert.equal(readoutWords(answerTo(held, { x: 15, y: 25, t: 1 }, "row")).spread.match(/of (\d+) cells/)[1], "2");
});

test("a cell spreads over the keys that it reaches", () => {
  const windows = blockOf(named("product, softmax, reach")), span = (x, y) => answerTo(windows, { x, y, t: 0 }, "row").span;
  assert.deepEqual([span(5, 5), span(45, 25)], [5, 0]);
});

test("a cell without a partner, and a row of zeros", () => {
  const pooled = { keys: { ...evenGrid(1, 1, 2), x: { numerators: [0, 20, 40], denominator: 1 }, y: { numerators: [0, 20], denominator: 1 } } };
  const answer = answered([0, 0], { ...pooled, distribution: false });
  assert.equal(answer.own, -1);
  assert.equal(readoutWords(answer).self, "no such key");
  assert.equal(gatheredWords(answer).words, "All weights are 0");
});

test("an answer: the cell asked about, and the pixel answered for", () => {
  const pooled = { keys: { ...evenGrid(1, 1, 2), x: { numerators: [0, 20, 40], denominator: 1 }, y: { numerators: [0, 20], denominator: 1 } } };
  const row = answered([0.25, 0.75], pooled);
  assert.deepEqual([row.index, row.at, row.px, row.py, row.t, row.span], [9, [0, 2, 1], 15, 25, 0, 12]);
  // The pooled keys end at y = 20: the pixel counts to the nearest.
  const column = answered(ROW, pooled, "column");
  assert.deepEqual([column.index, column.at, column.x, column.y, column.px], [0, [0, 0, 0], 15, 25, 15]);
  assert.ok(column.py < 20 && column.py > 19.9);
  assert.deepEqual(column.rect, { left: 0, top: 0, right: 20, bottom: 20 });
  assert.equal(column.own, 9);
  const block = remoteBlock();
  assert.equal(answerTo(block, { x: 5, y: 5, t: 0 }, "row"), null);
  assert.equal(answerTo(block, { x: 5, y: 5, t: 3 }, "row"), null);
  block.got = { index: 0, direction: "column", weights: new Float32Array(12) };
  assert.equal(answerTo(block, { x: 5, y: 5, t: 0 }, "row"), null);
});

test("what the network takes the picture for", () => {
  assert.equal(classWords([["cat", 0.82], ["dog", 0.1]]), "The network takes the picture for: cat (82 %)");
  assert.match(classWords([["cat", 0.3], ["dog", 0.1]]), /not sure .* best guess is cat \(30 %\)\.$/);
});
