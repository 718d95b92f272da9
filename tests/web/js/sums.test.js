import assert from "node:assert/strict";
import test from "node:test";
import { isEven } from "../../../nonlocal_viz/canvas/core/grading.js";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { cosineOf, sweep } from "../../../nonlocal_viz/canvas/core/sums.js";
import { decimal, difference, holding, tiny } from "../../../nonlocal_viz/canvas/lesson/figures.js";
import { guessPage } from "../../../nonlocal_viz/canvas/lesson/pages/guess.js";
import { inParts, scorePage } from "../../../nonlocal_viz/canvas/lesson/pages/score.js";
import { blockOf, evenGrid, golden, named } from "./golden.js";

/** To the end of a pass. */
function swept(affinity) {
  const passes = sweep(affinity);
  for (let step = passes.next(); ; step = passes.next()) if (step.done) return step.value;
}

const near = (a, b, off = 1e-6) => assert.ok(Math.abs(a - b) <= off * Math.max(1, Math.abs(b)), `${a} is not ${b}`);

test("a pass over all rows finds what the rows themselves say", () => {
  const { affinity } = blockOf(named("product, softmax, 1 heads, 1 frames"));
  const count = affinity.columnCells.length, rows = Array.from({ length: count }, (_, q) => Float64Array.from(affinity.row(q)));
  const scores = Array.from({ length: count }, (_, q) => rows[q].map((_unused, k) => affinity.score(q, k, 0)));
  const found = swept(affinity);
  for (let k = 0; k < affinity.rowCells.length; k++) {
    near(found.columns[k], rows.reduce((sum, row) => sum + row[k], 0));
    near(found.downwards[k], Math.log(scores.reduce((sum, row) => sum + Math.exp(row[k]), 0)));
    assert.equal(found.bestOf[k], rows.filter((row) => row.indexOf(Math.max(...row)) === k).length);
  }
  near(found.whole, Math.log(scores.reduce((sum, row) => sum + row.reduce((all, s) => all + Math.exp(s), 0), 0)));
  let alike = 0;
  for (const a of rows) for (const b of rows) alike += cosineOf(a, b) / count ** 2;
  near(found.mean, alike);
});

test("rows of nothing but zeros are like no other, and make no number", () => {
  assert.ok(Number.isNaN(cosineOf([0, 0], [1, 0])));
  near(cosineOf([1, 1], [1, 0]), Math.SQRT1_2);
  const rows = [[0, 0], [1, 0], [0, 1]];
  const made = (given) => ({ columnCells: given, rowCells: given[0], aside: { query: { before: [] } }, row: (q) => given[q], normaliserOf: () => 0 });
  near(swept(made(rows)).mean, 0.5);
  assert.ok(Number.isNaN(swept(made([[0, 0], [0, 0]])).mean));
});

test("a row is even where no place gets much more than the mean", () => {
  assert.ok(isEven([1, 1, 1, 1]) && isEven([0, 0]) && isEven([-1.4, 1, 1, 1]));
  assert.ok(!isEven([2, 1, 1, 1]) && !isEven([0, 0, 0, -1]));
});

test("what is shown holds for whoever computes with what is shown", () => {
  assert.deepEqual(difference(9.1131, 4.1451).map(({ text }) => text), ["9.113", "4.145", "4.968"]);
  assert.deepEqual(difference(4.92, 6.03).map(({ text }) => text), ["4.92", "6.03", "\u22121.11"]);
  let state = 7;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let i = 0; i < 300; i++) {
    const given = [30 * random() - 15, 30 * random() - 15], shown = difference(...given), read = shown.map(({ text }) => Number(text.replace("\u2212", "-")));
    const decimals = shown[0].text.split(".")[1].length;
    assert.equal((read[0] - read[1]).toFixed(decimals), read[2].toFixed(decimals));
    assert.equal(shown[2].value, given[0] - given[1]);
  }
  assert.deepEqual(holding([1 / 3], () => false).map(({ text }) => text), ["0.333333"]);
});

test("a weight worked out on the page holds by hand", () => {
  for (let i = 0; i < 60; i++) {
    const products = Float32Array.from({ length: 16 }, (_, c) => 3 * Math.sin(1 + c * 7.3 + i)), score = products.reduce((sum, v) => sum + v, 0);
    const keys = 400 + 37 * i, normaliser = score + 5 + 0.11 * i, weight = Math.exp(score - normaliser), shown = inParts(products, normaliser, weight, keys);
    const [plus, minus, s, n, w, times] = ["plus", "minus", "score", "normaliser", "weight", "times"]
      .map((name) => Number(shown[name].text.replace("\u2212", "-")));
    const decimals = shown.plus.text.split(".")[1].length, digits = shown.weight.text.replace(/e.*|^0\.0*|\./g, "").length;
    assert.equal((plus - minus).toFixed(decimals), s.toFixed(decimals));
    assert.equal(Math.exp(s - n).toPrecision(digits), w.toPrecision(digits));
    assert.equal((w * keys).toPrecision(3), times.toPrecision(3));
  }
});

test("only what is small is written with a power of ten", () => {
  assert.equal(tiny(3.7).text, "3.70");
  assert.equal(tiny(900).text, "900");
  assert.equal(tiny(0).text, "0");
  assert.equal(tiny(6.3e-8).text, "6.3\u202f\u00d7\u202f10\u207b\u2078");
  assert.equal(decimal(-1.114, 2).text, "\u22121.11");
});

test("golden blocks of every kind can be swept", () => {
  for (const one of golden.cases) {
    const block = blockOf(one);
    if (block.affinity?.heads === 1) assert.ok(swept(block.affinity).columns.every(Number.isFinite), one.name);
  }
});

test("where the strongest place lies, and that an even row is asked nothing even in a corner", () => {
  const keys = new Grid(evenGrid(2, 4, 4)), row = (best) => Float32Array.from({ length: 32 }, (_, k) => (k === best ? 9 : 1));
  const point = { x: 15, y: 15, t: 0 }, own = keys.find(15, 15, 0);
  const after = (best) => guessPage.after({ row: row(best), keys, point, neutral: true });
  assert.equal(after(own), "guess.after.self");
  assert.equal(after(keys.flat(0, 2, 2)), "guess.after.near");
  assert.equal(after(keys.flat(0, 0, 1)), "guess.after.near");
  assert.equal(after(keys.flat(0, 3, 1)), "guess.after.far");
  assert.equal(after(keys.flat(1, 1, 1)), "guess.after.frame");
  assert.equal(guessPage.after({ row: new Float32Array(32).fill(1), keys, point, neutral: true }), "guess.after.even");
  const corner = { lesson: { memo: {} }, row: new Float32Array(1600).fill(1), keys: new Grid(evenGrid(1, 40, 40)), size: { width: 400, height: 400 },
    point: { x: 1, y: 1, t: 0 }, q: 0 };
  assert.equal(guessPage.ask({ ...corner, queries: corner.keys }), null);
  corner.row[820] = 40;
  assert.deepEqual(guessPage.ask({ ...corner, queries: corner.keys }), { kind: "where" });
});

test("where nothing on the ring stands out, the strongest key is held against the weakest", () => {
  const { affinity, queries, keys } = blockOf(named("product, softmax, 1 heads, 1 frames")), q = 3, row = Float32Array.from(affinity.row(q));
  const at = { lesson: { start: {}, say: (key) => key },
    neutral: true, affinity, queries, keys, q, row, point: { x: 5, y: 5, t: 0 }, size: { width: 1e6, height: 1e6 } };
  const scores = Array.from(row, (_, k) => affinity.score(q, k, 0)), { diff, ratio, s1, s2 } = scorePage.facts(at);
  near(diff.value, Math.max(...scores) - Math.min(...scores));
  near(ratio, Math.exp(diff.value));
  near(s1.value - s2.value, diff.value);
});
