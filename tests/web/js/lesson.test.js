import assert from "node:assert/strict";
import test from "node:test";
import { answerTo } from "../../../nonlocal_viz/canvas/core/answer.js";
import { workedOut } from "../../../nonlocal_viz/canvas/core/equation.js";
import { lessonHtml, pairWords } from "../../../nonlocal_viz/canvas/core/lesson.js";
import { blockOf, evenGrid, golden, named, remoteBlock } from "./golden.js";

/** The lesson of an answer with its numbers put in, as people read it. */
function readOut(answer) {
  const found = workedOut(answer), said = { ...found?.numbers, pair: found ? pairWords(answer, found.reached) : "" };
  const html = lessonHtml(answer.block, answer.direction);
  return html.replace(/<(b|span|p) data-live="(\w+)">-<\/\1>/g, (_, tag, name) => (found ? String(said[name]) : "-"));
}

const formulas = (html) => [...html.matchAll(/<p class="nlv-formula">(.*?)<\/p>/g)].map(([, text]) => text);
const point = { x: 15, y: 25, t: 0 };

for (const one of golden.cases) {
  test(`every number of a lesson is there: ${one.name}`, () => {
    const block = blockOf(one), { score, rectify, normalise } = one.meta.pairwise, heads = one.meta.heads > 1;
    for (const direction of ["row", "column"]) {
      if (!block.holds(direction)) continue;
      const answer = answerTo(block, { ...point, t: block.asked(direction).cells[0] - 1 }, direction), html = readOut(answer);
      assert.doesNotMatch(html, /undefined|NaN|data-live|\[object/);
      const { numbers, reached } = workedOut(answer), [first, second] = formulas(html);
      assert.equal(html.includes("no score counts"), !reached);
      if (!reached) continue;
      assert.ok(first.includes(numbers.sum) && first.includes("ReLU") === rectify, first);
      assert.equal(first.includes("for where they lie"), "bias" in numbers);
      assert.equal(first.includes("&times; " + numbers.scale), "scaled" in numbers);
      assert.equal(first.startsWith("score = a + b"), score === "sum");
      assert.ok(second.endsWith(`= ${numbers.weight}`), second);
      const how = { softmax: `exp(${numbers.score} &minus; ${numbers.normaliser})`, count: `/ M = ${numbers.score} / ${numbers.span} =`,
        sum: `/ sum of the scores = ${numbers.score} / ${numbers.normaliser} =` };
      assert.ok(second.includes(how[normalise]), second);
      assert.equal(second.includes("that every query gets"), "unary" in numbers);
      assert.equal(html.includes("the painted colour is the mean of all"), heads);
      assert.equal(html.includes("Softmax") || html.includes("the softmax"), normalise === "softmax");
      if (direction === "column") assert.doesNotMatch(html, /sums? to 1|this row/);
      assert.equal(html.includes("sum to 1"), direction === "row" && block.sharesOut);
      // Frames are named wherever there are several, and nowhere else.
      assert.equal(/, frame \d/.test(html), block.queries.cells[0] > 1);
      assert.equal(/the clip into N = 45 cells \(3 frames of 3 &times; 5\)/.test(html), block.queries.cells[0] > 1);
    }
  });
}

test("the text goes by the fields of the block", () => {
  const one = named("product, softmax, 1 heads, 1 frames, pooled"), about = one.meta.about;
  const html = (changes, name) => lessonHtml(blockOf(name ? named(name) : one, changes), "row");
  assert.match(html({}), /<td>1&times;1 convolution, 15 &times; 3<\/td>/);
  assert.match(html({}), /<td>1&times;1 convolution, pooled, 2 &times; 3<\/td>/);
  assert.match(html({}), /of M = .* pooled keys.*max-pooled here.*competes in the softmax/s);
  assert.match(html({}), /convolution back to 8, then/);
  assert.match(html({ about: { ...about, embedded: false } }), /<td>x itself, 15 &times; 8<\/td>/);
  assert.match(html({ about: { ...about, scaled: true } }), /divided by the root of d, as there/);
  assert.match(html({}), /no division by the root of d<\/li><li>one head<\/li><li>no positional encoding/);
  assert.doesNotMatch(html({ about: null }), /<table>|batch norm|root of d/);
  assert.match(html({}, "product, softmax, 2 heads, 1 frames"), /2 heads/);
  assert.match(html({}, "product, count, 1 heads, 1 frames"),
    /is weighed.*The some form form has no softmax: it divides by the number of keys, and weights can be negative\./s);
  assert.match(html({}, "product, rectified, count, 1 heads, 1 frames"), /by the number of keys\./);
  assert.match(html({}, "product, sum, 1 heads, 1 frames"), /divides by the sum of the scores of this row/);
  assert.match(html({}, "product, rectified, sum, 1 heads, 1 frames"), /they sum to 1, or are all 0/);
  assert.doesNotMatch(html({}, "sum, rectified, count, 1 heads, 1 frames"), /<canvas/);
  assert.doesNotMatch(lessonHtml(blockOf(one, { pairwise: { ...one.meta.pairwise, scale: 1 } }), "row"), /data-live="scale"/);
  assert.match(lessonHtml(remoteBlock(), "row"), /the picture into N = 12 cells \(3 &times; 4\)/);
  assert.match(lessonHtml(remoteBlock({ queries: evenGrid(2, 3, 4) }), "row"), /the clip into N = 24 cells \(2 frames of 3 &times; 4\)/);
});

test("y and z are named, and a door leads to the page that explains what is shown", () => {
  const one = "product, softmax, 1 heads, 1 frames";
  assert.match(lessonHtml(blockOf(named(one)), "row"), /y is the sum of all keys\u2019 values, each times its weight.*z = x \+ W<sub>z<\/sub> y/);
  assert.match(lessonHtml(blockOf(named(one)), "column"), /mixes this one\u2019s value into its own sum y.*z = x \+ W<sub>z<\/sub> y/);
  const page = (name) => /data-page="(\d+)" data-here="1"/.exec(lessonHtml(blockOf(named(name)), "row", true))?.[1];
  assert.equal(page(one), "4");
  assert.equal(page("product, count, 1 heads, 1 frames"), "8");
  assert.equal(page("product, softmax, 1 heads, 3 frames"), "9");
  assert.doesNotMatch(lessonHtml(blockOf(named(one)), "row"), /data-page/);
});

test("the text goes by what else there is: reach, places, tokens aside, a row for everybody", () => {
  const html = (name) => lessonHtml(blockOf(named(name)), "row");
  assert.match(html("product, softmax, 1 heads, 3 frames"), /Every cell asks every cell of its own frame.*keys, those of its own frame/s);
  assert.match(html("product, softmax, reach"), /Every cell asks every cell in its reach.*keys in its reach/s);
  assert.match(html("product, softmax, bias"), /a table by place/);
  assert.doesNotMatch(html("product, softmax, bias"), /no positional encoding/);
  assert.match(html("product, softmax, aside"), /some of it goes to class, register, padding, which lie on no cell/);
  assert.match(html("product, softmax, unary"), /one and the same row besides its own/);
});

test("the lesson of a column, and of a pair out of reach", () => {
  const block = blockOf(named("product, softmax, 1 heads, 1 frames"));
  assert.match(lessonHtml(block, "column"), /one column of\s+an N &times; M map.*One number of this column.*of the row of that query/s);
  assert.match(lessonHtml(block, "row"), /one row of an N &times; M map; they sum to 1.*One number of this row.*all scores of this row/s);
  const answer = answerTo(block, point, "column");
  assert.match(pairWords(answer, true), /^The key is the cell in row 2, column 1; the query that looks at it most is the cell in row \d, column \d\.$/);
  assert.match(pairWords(answer, false), /out of the query\u2019s reach/);
});
