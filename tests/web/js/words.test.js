import assert from "node:assert/strict";
import test from "node:test";
import { answerTo, cellAsked, markOf, STRONGEST } from "../../../nonlocal_viz/canvas/core/answer.js";
import { blockLabels, blockWords, modelWords } from "../../../nonlocal_viz/canvas/core/words-choices.js";
import { gatheredWords, label, readoutWords, regionWords, spokenWords, strongestWords } from "../../../nonlocal_viz/canvas/core/words.js";
import { blockOf, evenGrid, golden, named, remoteBlock } from "./golden.js";

/** The answer of a block without factors, whose weights the server sent. */
function answered(weights, changes = {}, direction = "row", point = { x: 15, y: 25, t: 0 }) {
  const block = remoteBlock(changes), index = cellAsked(block, point, direction);
  block.got = { index, direction, weights: Float32Array.from(weights) };
  return answerTo(block, point, direction);
}

const ROW = [0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.125, 0, 0.375];

test("the readout of a distribution", () => {
  const answer = answered(ROW), words = readoutWords(answer);
  // The pixel (15, 25) lies in row 2, column 1: cell 9.
  assert.deepEqual(words, {
    headline: "This cell looks most at", law: "1 bright region holds half of the row: its strongest cells, joined where they touch.",
    pixel: "15, 25", cell: "row 2, column 1", selfname: "Weight on itself", self: "0.125", spread: "Spread as if over 22 % of the picture.",
    terms: "Entropy 0.97 nats, 39 % of log M; its exponential says: as if spread evenly over 3 of M = 12 cells.",
  });
  assert.equal(gatheredWords(answer).words, "Half of the row lies in 1 of 12 cells (straight line: evenly spread)");
  assert.equal(spokenWords(answer), "The cell in row 2, column 1 looks most at the cell in row 1, column 0, weight 0.500. " +
    "Region 1: 50 % of the row, on 8.3 % of the picture.");
  assert.deepEqual(regionWords(answer, answer.stats.regions[0]),
    { share: "50 %", where: "of the row", spoken: "Region 1: 50 % of the row, on 8.3 % of the picture" });
  assert.deepEqual(strongestWords(answer), { share: "0.500", where: "strongest cell", spoken: "0.500 strongest cell: row 1, column 0" });
});

test("the readout of a column, and of rows that are no share of 1", () => {
  const column = answered(ROW, {}, "column"), words = readoutWords(column);
  assert.equal(words.headline, "This cell is looked at most by");
  assert.equal(words.spread, "Half of this column lies on 8.3 % of the picture.");
  assert.equal(words.terms, "The largest weight is 0.500 in size. Each of these 12 cells gives this one a part of its own row, so a column is no " +
    "share of 1; together they are 1.00.");
  assert.match(gatheredWords(column).words, /^Half of the column lies in 1 of 12/);
  assert.match(spokenWords(column),
    /^The cell in row 2, column 1 is looked at most by the cell in row 1, column 0, weight 0\.500\. Region 1: 50 % of the column,/);
  const kind = (normalise) => ({ distribution: false, pairwise: { score: "product", rectify: false, normalise, scale: 1 } });
  const terms = (normalise, more) => readoutWords(answered(ROW, { ...kind(normalise), ...more })).terms;
  assert.match(terms("count"), /Weights of the some form form are divided by M = 12, so this row is no share of 1\.$/);
  assert.match(terms("sum"), /divided by the sum of their scores/);
  assert.match(terms("softmax"), /hold a part that every query gets/);
  const none = { before: [], after: [] }, aside = { aside: { query: none, key: { before: ["class"], after: [] } } };
  assert.match(terms("softmax", aside), /goes to tokens that lie on no cell/);
  assert.match(terms("softmax", { ...aside, distribution: true }), /goes to tokens that lie on no cell/);
  assert.equal(readoutWords(answered(ROW, kind("count"))).spread, "Half of this row lies on 8.3 % of the picture.");
});

test("regions of both signs say on which side they lie", () => {
  const signed = { signed: true, distribution: false, pairwise: { score: "product", rectify: false, normalise: "count", scale: 1 } };
  const answer = answered([4, 0, 0, -3, 0, 0, 0, 0, 0, 0, 0, 0], signed), [above] = answer.stats.regions;
  assert.equal(regionWords(answer, above).share, "57 % above 0");
  const below = answered([-4, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0], signed);
  assert.deepEqual(regionWords(below, below.stats.regions[0]).spoken, "Region 1: 57 % of the row, below 0, on 8.3 % of the picture");
  assert.match(strongestWords(below).spoken, /^-4\.00 strongest/);
});

test("cells that all have the same weight are not said to be looked at most", () => {
  const even = answered(Array(12).fill(1 / 12)), words = readoutWords(even);
  assert.deepEqual([words.headline, words.law], ["This cell looks at all cells alike", "All cells have the same weight, so no region stands out."]);
  assert.match(spokenWords(even), /^The cell in row \d, column \d looks at all cells alike, weight 0\.0833\.$/);
  const column = answered(Array(12).fill(0.5), {}, "column");
  assert.equal(readoutWords(column).headline, "This cell is looked at by all alike");
  assert.match(spokenWords(column), /is looked at by all cells alike, weight 0\.500\.$/);
  // A little more is more; nothing at all is no weight; what has two signs is never alike.
  const nearly = Array(12).fill(1 / 12);
  nearly[3] *= 1.001;
  assert.equal(readoutWords(answered(nearly)).headline, "This cell looks most at");
  assert.equal(readoutWords(answered(Array(12).fill(0))).law, "No cell has any weight.");
  const signed = answered(Array.from({ length: 12 }, (_, i) => (i % 2 ? -1 : 1)), { signed: true, distribution: false });
  assert.deepEqual([readoutWords(signed).headline, /by size, whatever the sign/.test(readoutWords(signed).law)], ["This cell looks most at", true]);
});

test("the readout of a clip names frames", () => {
  const clip = evenGrid(2, 3, 4), weights = [...Array(12).fill(0), ...ROW];
  const answer = answered(weights, { queries: clip, keys: clip, span: 24 }, "row", { x: 15, y: 25, t: 0 }), [region] = answer.stats.regions;
  assert.equal(readoutWords(answer).cell, "row 2, column 1, frame 0");
  assert.equal(readoutWords(answer).spread, "Spread as if over 11 % of the clip.");
  assert.equal(spokenWords(answer), "The cell in row 2, column 1, frame 0 looks most at the cell in row 1, column 0, frame 1, weight 0.500. " +
    "Region 1: 50 % of the row, on 4.2 % of the clip, in frame 1, 1 after the query's.");
  assert.equal(regionWords(answer, region).where, "frame 1, 1 later");
  assert.equal(strongestWords(answer).where, "cell, frame 1");
  const over = answered([...ROW, ...ROW], { queries: clip, keys: clip, span: 24 }, "row", { x: 15, y: 25, t: 1 }), tube = over.stats.regions[0];
  assert.equal(regionWords(over, tube).where, "frames 0 to 1");
  assert.match(regionWords(over, tube).spoken,
    /^Region 1: 50 % of the row, on 8\.3 % of the clip, in frames 0 to 1, most of it in frame 0, 1 before the query's$/);
  const own = answered([...Array(12).fill(0), ...ROW], { queries: clip, keys: clip, span: 24 }, "row", { x: 15, y: 25, t: 1 });
  assert.equal(regionWords(own, own.stats.regions[0]).where, "frame 1");
  assert.match(regionWords(own, own.stats.regions[0]).spoken, /in frame 1, the query's own$/);
});

test("a row within one frame gathers in that frame", () => {
  const clip = evenGrid(2, 3, 4), keys = evenGrid(2, 1, 2);
  const row = answered([0, 0, 0.25, 0.75], { queries: clip, keys, span: 2 }, "row", { x: 15, y: 25, t: 1 });
  assert.match(gatheredWords(row).words, /in 1 of 2 cells/);
  assert.match(readoutWords(row).spread, /of the frame\.$/);
  const column = answered([...Array(12).fill(0), ...ROW], { queries: clip, keys, span: 2 }, "column", { x: 15, y: 5, t: 1 });
  assert.match(gatheredWords(column).words, /in 1 of 12 cells/);
  const held = blockOf(named("product, softmax, 1 heads, 3 frames, pooled"));
  assert.match(gatheredWords(answerTo(held, { x: 15, y: 25, t: 1 }, "row")).words, /of 2 cells/);
  assert.equal(readoutWords(answerTo(held, { x: 15, y: 25, t: 1 }, "row")).terms.match(/of M = (\d+) cells/)[1], "2");
  assert.match(readoutWords(answerTo(blockOf(named("product, softmax, reach")), { x: 5, y: 5, t: 0 }, "row")).spread, /of the cells in its reach\.$/);
});

/** Whatever the page says of an answer. */
function everythingSaid(answer) {
  const { stats } = answer;
  return [...Object.values(readoutWords(answer)), gatheredWords(answer).words, spokenWords(answer),
    ...Object.values(strongestWords(answer)), ...stats.regions.flatMap((region) => Object.values(regionWords(answer, region)))];
}

for (const one of golden.cases) {
  test(`texts follow the state: ${one.name}`, () => {
    const block = blockOf(one), clip = block.queries.cells[0] > 1;
    for (const direction of ["row", "column"]) {
      if (!block.holds(direction)) continue;
      for (const [x, y] of [[2, 2], [25, 15], [48, 28]]) {
        const answer = answerTo(block, { x, y, t: block.asked(direction).cells[0] - 1 }, direction), said = everythingSaid(answer);
        for (const words of said) {
          assert.equal(typeof words, "string");
          assert.doesNotMatch(words, /undefined|NaN|null|Infinity|\[object|\(\d+, \d+\)/);
          // Every place has its frame where there are several, and none has one where there are not.
          const places = (words.match(/row \d+, column \d+/g) || []).length;
          assert.equal((words.match(/row \d+, column \d+, frame \d+/g) || []).length, clip ? places : 0, words);
          if (!clip) assert.doesNotMatch(words, /frame|clip/);
          if (direction === "column") assert.doesNotMatch(words, /sums? to 1\b|of the row\b|this row\b|looks most at/);
          else assert.doesNotMatch(words, /column(?! \d)|looked at/);
        }
        assert.equal(said.some((words) => /Entropy/.test(words)), direction === "row" && block.sharesOut);
      }
    }
  });
}

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
  assert.deepEqual([readoutWords(answer).spread, readoutWords(answer).law, answer.stats.regions], ["All weights are 0.", "No cell has any weight.", []]);
  assert.doesNotMatch(spokenWords(answer), /Region/);
  assert.equal(readoutWords(answer).selfname, "Weight on itself");
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
  const own = (direction) => readoutWords(answered(direction === "row" ? [0.25, 0.75] : ROW, { ...pooled, pooled: true }, direction)).selfname;
  assert.deepEqual([own("row"), own("column")], ["Weight on its own key", "Weight from this pixel"]);
  const block = remoteBlock();
  assert.equal(answerTo(block, { x: 5, y: 5, t: 0 }, "row"), null);
  assert.equal(answerTo(block, { x: 5, y: 5, t: 3 }, "row"), null);
  block.got = { index: 0, direction: "column", weights: new Float32Array(12) };
  assert.equal(answerTo(block, { x: 5, y: 5, t: 0 }, "row"), null);
});

test("a mark is a region, or the strongest single cell, with its frame", () => {
  const clip = evenGrid(2, 3, 4), answer = answered([...Array(12).fill(0), ...ROW], { queries: clip, keys: clip, span: 24 });
  assert.deepEqual(markOf(answer, 0), { rect: answer.stats.regions[0].rect, t: 1 });
  assert.deepEqual(markOf(answer, STRONGEST), { rect: { left: 0, top: 10, right: 10, bottom: 20 }, t: 1 });
  assert.deepEqual([markOf(answer, -1), markOf(answer, 5)], [null, null]);
});

test("what there is to choose", () => {
  const view = { blocks: ["a", "b", "c"], fineness: [[40, 72], [20, 36], [10, 18]], best: "b" };
  assert.deepEqual(blockLabels(view), ["a: fine, 40 \u00d7 72 cells", "b: between, 20 \u00d7 36 cells", "c: coarse, 10 \u00d7 18 cells"]);
  assert.deepEqual(blockLabels({ blocks: ["a", "b"], fineness: [[3, 4], [3, 4]], best: null }), ["a: 3 \u00d7 4 cells", "b: 3 \u00d7 4 cells"]);
  assert.deepEqual(["a", "b", "c", "d"].map((block) => blockWords(view, block)), ["Follows outlines more finely; b is better at whole objects.",
    "Of this model\u2019s blocks the best at whole objects.", "b is better at whole objects.", ""]);
  const unknown = { ...view, fineness: [[40, 72], null, [10, 18]] };
  assert.deepEqual(blockLabels(unknown), ["a: fine, 40 \u00d7 72 cells", "b", "c: coarse, 10 \u00d7 18 cells"]);
  assert.equal(blockWords(unknown, "a"), "b is better at whole objects.");
  assert.deepEqual([blockWords({ ...view, best: null }, "a"), blockWords({ ...view, best: "other" }, "a")], ["", ""]);
  assert.deepEqual([modelWords({ name: "m", title: "M", expect: "sinks" }), modelWords({ name: "m", title: "M", expect: "" })], ["M: sinks", "M"]);
  assert.equal(label("embedded_gaussian_form"), "embedded gaussian form");
});
