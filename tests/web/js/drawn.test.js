// What a page of the lesson draws and says besides the row itself: sums of made rows, grades, the drawing of the block.
import assert from "node:assert/strict";
import test from "node:test";
import { besideBest, gradedPlace } from "../../../nonlocal_viz/canvas/core/grading.js";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { smallMap, supportOf } from "../../../nonlocal_viz/canvas/core/sums.js";
import { spokenResult } from "../../../nonlocal_viz/canvas/lesson/asking.js";
import { kindSink } from "../../../nonlocal_viz/canvas/lesson/cards/sink.js";
import { diagramHtml, drawnAs, shapesOf } from "../../../nonlocal_viz/canvas/lesson/diagram.js";
import { figure, marked } from "../../../nonlocal_viz/canvas/lesson/figures.js";
import { FORMULAS } from "../../../nonlocal_viz/canvas/lesson/formulas.js";
import { withinTime } from "../../../nonlocal_viz/canvas/lesson/pages/time.js";
import { blockOf, evenGrid, golden, named } from "./golden.js";

const near = (a, b, off = 1e-5) => assert.ok(Math.abs(a - b) <= off * Math.max(1, Math.abs(b)), `${a} is not ${b}`);

test("a row that adds up to anything is made to add up to 1 before it is called spread", () => {
  near(supportOf(new Float32Array(24).fill(1)), 24);
  near(supportOf(new Float32Array(24).fill(1e-6)), 24);
  near(supportOf(Float32Array.from([3, 3, 0, 0])), 2);
  near(supportOf(Float32Array.from([0.5, 0.25, 0.25])), Math.exp(1.5 * Math.log(2)));
  assert.equal(supportOf(new Float32Array(5)), 0);
});

test("the small map of what is shuffled has its rows and columns where the shuffle puts them", () => {
  const table = [[1, 2, 3], [4, 5, 6], [7, 8, 9]], three = new Uint32Array(3), places = Uint32Array.of(2, 0, 1);
  const made = { columnCells: three, rowCells: three, row: (q) => Float32Array.from(table[q]) };
  assert.deepEqual([...smallMap(made, 1).weights], table.flat());
  assert.deepEqual([...smallMap(made, 1, places).weights], [5, 6, 4, 8, 9, 7, 2, 3, 1]);
  assert.equal(smallMap(made, 1, places).weights[places[0] * 3 + places[1]], table[0][1]);
});

test("a marker passes within two cells of the strongest, and not further", () => {
  const grid = new Grid(evenGrid(1, 30, 30)), size = { width: 300, height: 300 }, row = new Float32Array(900).fill(1e-4);
  row[15 * 30 + 15] = 1;
  row[15 * 30 + 17] = 0.9;
  const placed = (x, y) => gradedPlace(row, grid, size, [x, y]);
  assert.ok(placed(155, 155).pass && placed(155, 155).score > 0.99);
  // The disc of 21 pixels reaches the strongest but not the second: not enough of the best, but beside it.
  assert.ok(placed(138, 155).pass && placed(138, 155).score < 0.85);
  assert.ok(besideBest(row, grid, size, [155, 174]) && !besideBest(row, grid, size, [155, 177]) && !besideBest(row, grid, size, [171, 171]));
  assert.ok(!placed(155, 190).pass && !placed(20, 20).pass);
  // Two of a few large cells are no neighbourhood.
  const wide = { numerators: [0, 100, 200, 300], denominator: 1 };
  const coarse = new Grid({ cells: [1, 3, 3], x: wide, y: wide }), few = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0);
  assert.ok(!besideBest(few, coarse, size, [150, 50]) && besideBest(few, coarse, size, [85, 50]));
  // Of a clip the frame that is asked about counts.
  const clip = new Grid(evenGrid(2, 30, 30)), both = new Float32Array(1800);
  both[0] = 2;
  both[900 + 15 * 30 + 15] = 1;
  assert.ok(besideBest(both, clip, size, [155, 155], 1) && !besideBest(both, clip, size, [155, 155], 0));
});

test("a row within its frame is divided by what its form divides by", () => {
  const keys = { cells: [2, 1, 2] }, point = { t: 1 }, row = Float32Array.of(0.4, 0.2, 0.3, 0.1);
  const within = (normalise, given = row) => [...withinTime({ row: given, keys, point, affinity: { pairwise: { normalise } } })];
  within("softmax").forEach((v, k) => near(v, [0, 0, 0.75, 0.25][k]));
  within("count", Float32Array.of(0.4, 0.2, 0.3, -0.3)).forEach((v, k) => near(v, [0, 0, 0.6, -0.6][k]));
  assert.deepEqual(within("sum", Float32Array.of(1, 0, 0, 0)), [0, 0, 0, 0]);
});

test("how many give a sink more than an even share is said by quarters", () => {
  const kinds = [0.2, 0.25, 0.51, 0.75, 0.76].map((over) => kindSink({ times: 10, over }));
  assert.deepEqual(kinds, ["few", "half", "half", "half", "all"]);
  assert.equal(kindSink({ times: 9.9, over: 0.9 }), "none");
});

const about = { embedded: true, input: 128, inner: 64 };
const meta = (pairwise, more = {}) => ({ meta: { pairwise, about, pooled: false, channels: 64, ...more } });
const SOFTMAX = { score: "product", normalise: "softmax", rectify: false };
const FORMS = [
  ["embedded Gaussian", meta(SOFTMAX), ["theta", "phi"], "\u03b8\u03c6\u1d40", "softmax"],
  ["Gaussian", meta(SOFTMAX, { about: { ...about, embedded: false } }), [], "x x\u1d40", "softmax"],
  ["Gaussian, pooled", meta(SOFTMAX, { about: { ...about, embedded: false }, pooled: true }), ["phi"], "x x\u1d40", "softmax"],
  ["dot product", meta({ ...SOFTMAX, normalise: "count" }), ["theta", "phi"], "\u03b8\u03c6\u1d40", "\u00f7 M"],
  ["concatenation", meta({ score: "sum", normalise: "count", rectify: true }), ["theta", "phi"], "a\u1d62 + b\u2c7c", "ReLU, \u00f7 M"],
  ["by its sum", meta({ ...SOFTMAX, normalise: "sum" }), ["theta", "phi"], "\u03b8\u03c6\u1d40", "\u00f7 \u2211"],
];

for (const [name, block, drawn, score, op] of FORMS) {
  test(`the block is drawn as it computes: ${name}`, () => {
    const html = diagramHtml({ say: (key) => key }, [], drawnAs(block));
    for (const side of ["theta", "phi"]) {
      assert.equal(html.includes(`data-shape="${side}"`), drawn.includes(side));
      assert.equal(html.includes(`class="nlv-way" data-of="${side}"`), drawn.includes(side));
    }
    assert.ok(html.includes(`>${score}</text>`), "the score");
    assert.ok(new RegExp(`data-op x="278" y="${op.includes("ReLU") ? 42 : 56}">${op}</text>`).test(html), "what makes weights of it");
    assert.equal(html.match(/class="nlv-way" data-of="score"/g).length, name === "Gaussian" ? 1 : 2);
    const said = name.startsWith("Gaussian") ? "tensor.score.raw" : name === "concatenation" ? "tensor.score.sum" : "tensor.score";
    assert.ok(html.includes(`aria-label="${said}"`));
  });
}

test("a block of which nothing is said is drawn as attention", () => {
  assert.deepEqual(drawnAs(null), { raw: false, pooled: false, sum: false, op: "softmax" });
});

test("pooled keys and what is asked change the sizes in the drawing", () => {
  const block = { ...meta(SOFTMAX), queries: { count: 2400 }, keys: { count: 2400 } };
  const whole = shapesOf(block), pooled = shapesOf(block, { keys: 600 }), asked = shapesOf(block, { hidden: ["score", "A"] });
  assert.deepEqual([whole.phi, whole.A, whole.y], ["2400\u00d764", "2400\u00d72400", "2400\u00d764"]);
  assert.deepEqual([pooled.theta, pooled.phi, pooled.g, pooled.score, pooled.A, pooled.y],
    ["2400\u00d764", "600\u00d764", "600\u00d764", "2400\u00d7600", "2400\u00d7600", "2400\u00d764"]);
  assert.deepEqual([asked.score, asked.A, asked.theta], ["?", "?", "2400\u00d764"]);
});

test("numbers and names are set as they are read", () => {
  assert.equal(figure(-1.1094).text, "\u22121.11");
  assert.deepEqual([figure(1.5e-5).text, figure(-3).text, figure(-12345.6).text], ["1.50e-5", "\u22123", "\u221212,346"]);
  assert.equal(marked("W_z, W_\u03b8 and b_\u03b8"), "W<sub>z</sub>, W<sub>\u03b8</sub> and b<sub>\u03b8</sub>");
  assert.match(FORMULAS.linear, /<mo>\+<\/mo>.*<mi>b<\/mi><mi>\u03b8<\/mi>/);
});

test("what is spoken of a choice without words ends where it ends", () => {
  const at = { lesson: { say: (key) => key } }, said = (words) => spokenResult(at, { kind: "which", right: 1, options: [{ words: "" }, { words }] },
    { given: 0, pass: false, score: 0 });
  assert.equal(said(""), "asking.wrong asking.isright B.");
  assert.equal(said("the <b>nose</b>"), "asking.wrong asking.isright B, the nose.");
});

test("a real block is drawn in its form", () => {
  for (const one of golden.cases) {
    const block = blockOf(one), form = drawnAs(block);
    assert.equal(form.sum, one.meta.pairwise.score === "sum");
    assert.equal(form.op.includes("softmax"), one.meta.pairwise.normalise === "softmax");
  }
  assert.ok(named("product, softmax, 1 heads, 1 frames"));
});
