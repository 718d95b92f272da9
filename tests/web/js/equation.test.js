import assert from "node:assert/strict";
import test from "node:test";
import { answerTo, Block } from "../../../nonlocal_viz/web/canvas/core/answer.js";
import { workedOut } from "../../../nonlocal_viz/web/canvas/core/equation.js";
import { fixed, number, percent } from "../../../nonlocal_viz/web/canvas/core/numbers.js";
import { blockOf, evenGrid, golden, named, remoteBlock } from "./golden.js";

const decimals = (text) => (text.split(".")[1] || "").length;

/** Digits that a printed number has, without the zeros that only place its point. */
const digitsOf = (text) => text.replace(/e.*/, "").replace(/^-?[0.]*/, "").replace(".", "").length;

/** Compute with nothing but what is printed, step by step, as people do. */
function byHand(printed, { score, rectify, normalise }, span) {
  const of = (name) => { assert.ok(name in printed, name); return Number(printed[name]); };
  const same = (value, name) => assert.equal(fixed(value, decimals(printed[name])), printed[name], name);
  if (score === "sum") same(of("a") + of("b"), "sum");
  let now = of("sum");
  if ("scale" in printed) { same(now * of("scale"), "scaled"); now = of("scaled"); }
  if ("bias" in printed) { same(now + of("bias"), "biased"); now = of("biased"); }
  same(rectify ? Math.max(0, now) : now, "score");
  if (normalise === "count") assert.equal(printed.span, String(span));
  const by = normalise === "count" ? span : of("normaliser");
  const made = normalise === "softmax" ? Math.exp(of("score") - by) : of("score") / (by || 1);
  const digits = Math.max(1, digitsOf(printed.weight));
  if (!("unary" in printed)) { assert.equal(number(made, digits), printed.weight); return; }
  assert.equal(number(made, digitsOf(printed.own) || 1), printed.own);
  assert.equal(number(of("own") + of("unary"), digits), printed.weight);
}

/** Every cell of a block, as row and as column where it is made here. */
function everyAnswer(block, then) {
  for (const direction of ["row", "column"]) {
    if (!block.holds(direction)) continue;
    const grid = block.asked(direction);
    for (let index = 0; index < grid.count; index++) {
      const { left, top } = grid.rect(index), answer = answerTo(block, { x: left + 0.5, y: top + 0.5, t: grid.unflat(index)[0] }, direction);
      assert.equal(answer.index, index);
      then(answer, workedOut(answer));
    }
  }
}

for (const one of golden.cases) {
  test(`an equation holds by hand: ${one.name}`, () => {
    const block = blockOf(one), { affinity } = block;
    everyAnswer(block, (answer, { numbers, reached }) => {
      const { index, direction, stats } = answer, query = direction === "row" ? index : stats.best;
      assert.equal(numbers.mean, number(answer.weights[stats.best], block.digits(direction)));
      if (!reached) {
        assert.deepEqual([numbers.score, numbers.normaliser, numbers.weight], ["none", "none", numbers.unary]);
        return;
      }
      byHand(numbers, one.meta.pairwise, affinity.span(query));
      // It is about the numbers that are there: what is printed is near what is computed.
      const [q, k] = direction === "row" ? [index, stats.best] : [stats.best, index];
      const [tq, tk] = [q + affinity.aside.query.before.length, k + affinity.aside.key.before.length];
      assert.ok(Math.abs(Number(numbers.score) - affinity.score(tq, tk, 0)) < 3 * 10 ** -decimals(numbers.score));
      if (affinity.heads === 1 && digitsOf(numbers.weight) <= 3) assert.equal(numbers.weight, numbers.mean);
    });
  });
}

/** A block of random factors, 64 channels, as the browser has it without normalisers. */
function randomBlock(seed, times, normalise) {
  let state = seed;
  const draw = () => { state = (state * 1664525 + 1013904223) % 2 ** 32; return state / 2 ** 32 - 0.5; };
  const grid = evenGrid(1, 6, 8), values = Float32Array.from({ length: 2 * 48 * 64 }, () => draw() * Math.sqrt(times));
  const section = (name, offset) => ({ name, type: "float32", offset, shape: [1, 48, 64] });
  return new Block({ ...remoteBlock().meta, pairwise: { score: "product", rectify: false, normalise, scale: 1 / Math.sqrt(128) }, heads: 1, channels: 64,
    distribution: normalise === "softmax", span: 48, queries: grid, keys: grid, sections: [section("query", 0), section("key", 4 * 48 * 64)] }, values.buffer);
}

test("an equation holds by hand for random factors up to thirty times as large", () => {
  let least = Infinity, most = 0;
  for (const times of [1, 4, 30, 300]) {
    for (const normalise of ["softmax", "count", "sum"]) {
      for (const seed of [1, 2, 3]) {
        const block = randomBlock(seed, times, normalise);
        everyAnswer(block, (answer, { numbers }) => {
          byHand(numbers, block.meta.pairwise, 48);
          assert.ok(digitsOf(numbers.weight) >= 3 || Number(numbers.weight) === 0, numbers.weight);
          least = Math.min(least, decimals(numbers.score));
          most = Math.max(most, decimals(numbers.score));
        });
      }
    }
  }
  // Few decimals, and more where it takes more.
  assert.ok(least === 3 && most > 3 && most < 12, `${least} to ${most}`);
});

test("a weight on the edge between two roundings takes a digit more", () => {
  // A product a little above three times 0.1265, whose third as a float32 is a little below.
  const [a, b] = Float32Array.of(0.5, 0.759);
  assert.deepEqual([number((a * b) / 3), number(Math.fround((a * b) / 3))], ["0.127", "0.126"]);
  const grid = evenGrid(1, 1, 3), values = Float32Array.of(a, a, a, b, b, b), section = (name, offset) => ({ name, type: "float32", offset, shape: [1, 3, 1] });
  const pairwise = { score: "product", rectify: false, normalise: "count", scale: 1 };
  const block = new Block({ ...remoteBlock().meta, pairwise, distribution: false, span: 3, queries: grid, keys: grid,
    sections: [section("query", 0), section("key", 12)] }, values.buffer);
  const { numbers } = workedOut(answerTo(block, { x: 5, y: 5, t: 0 }, "row"));
  assert.deepEqual([numbers.mean, numbers.weight], ["0.126", "0.1265"]);
  byHand(numbers, pairwise, 3);
});

test("what was sent as halves is printed with two digits", () => {
  everyAnswer(blockOf(named("halves, softmax")), (_, { numbers }) => assert.ok(digitsOf(numbers.mean) <= 2, numbers.mean));
});

test("products are of each channel, and none of a sum; without factors there is nothing to work out", () => {
  const of = (name) => workedOut(answerTo(blockOf(named(name)), { x: 15, y: 25, t: 0 }, "row"));
  const { products, numbers } = of("product, count, 1 heads, 1 frames");
  assert.ok(Math.abs(products.reduce((sum, p) => sum + p, 0) - numbers.sum) < 1e-3);
  assert.equal(of("sum, count, 1 heads, 1 frames").products, null);
  const block = remoteBlock();
  block.got = { index: 9, direction: "row", weights: new Float32Array(12) };
  assert.equal(workedOut(answerTo(block, { x: 15, y: 25, t: 0 }, "row")), null);
});

test("numbers", () => {
  const wanted = [[0, "0"], [0.12345, "0.123"], [0.5, "0.500"], [1234.5, "1230"], [0.001, "0.00100"], [0.000123456, "0.000123"], [0.0000999, "9.99e-5"],
    [-0.00001234, "-1.23e-5"],
    [999999, "1000000"], [1e6, "1.00e+6"], [9999, "10000"], [-2, "-2.00"]];
  for (const [value, words] of wanted) assert.equal(number(value), words);
  assert.deepEqual([number(0.12345, 2), number(1234.5, 2), number(0.00001, 2), number(3, 1)], ["0.12", "1200", "1.0e-5", "3"]);
  assert.deepEqual([0.5, 0.0994, 0.0996, 0.00123, 1, 0, 0.00001, 0.0001].map(percent),
    ["50 %", "9.9 %", "10 %", "0.12 %", "100 %", "0 %", "< 0.01 %", "0.010 %"]);
  assert.deepEqual([fixed(1.23456, 2), fixed(-0.0001, 3), fixed(2, 1)], ["1.23", "0.000", "2.0"]);
});
