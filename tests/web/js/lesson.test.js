import assert from "node:assert/strict";
import test from "node:test";
import { answerTo } from "../../../nonlocal_viz/web/canvas/core/answer.js";
import { lessonHtml, workedOut } from "../../../nonlocal_viz/web/canvas/core/lesson.js";
import { number } from "../../../nonlocal_viz/web/canvas/core/words.js";
import { blockOf, evenGrid, golden, named, remoteBlock } from "./golden.js";

/** A formula of the lesson with its numbers put in, as people read it. */
function formulas(block, numbers) {
  const html = lessonHtml(block).replace(/<(b|span) data-live="(\w+)">-<\/\1>/g, (_, tag, name) => numbers[name]);
  return [...html.matchAll(/<p class="nlv-formula">(.*?)<\/p>/g)].map(([, text]) => text);
}

const point = { x: 15, y: 25, t: 0 };

for (const one of golden.cases.filter(({ name }) => name.endsWith("1 heads, 1 frames"))) {
  for (const direction of ["row", "column"]) {
    test(`one number worked out: ${one.name}, ${direction}`, () => {
      const block = blockOf(one), answer = answerTo(block, point, direction), { numbers, products } = workedOut(answer);
      const { best } = answer.stats, { affinity } = block, { score, rectify, normalise } = one.meta.pairwise;
      const [q, k] = direction === "row" ? [answer.index, best] : [best, answer.index];
      const weight = answer.weights[best], [first, second] = formulas(block, numbers);
      assert.equal(numbers.weight, number(weight));
      const [h, w] = answer.grid.unflat(best).slice(1), [a, b] = answer.at.slice(1);
      assert.equal(numbers.pair, direction === "row" ? `The query is cell (${a}, ${b}); its strongest key is cell (${h}, ${w}).`
        : `The key is cell (${a}, ${b}); the query that looks at it most is cell (${h}, ${w}).`);
      const plain = score === "sum" ? affinity.query[q] + affinity.key[k]
        : [0, 1, 2].reduce((sum, c) => sum + affinity.query[3 * q + c] * affinity.key[3 * k + c], 0);
      const scaled = score === "sum" ? plain : 0.6 * plain, found = rectify ? Math.max(0, scaled) : scaled;
      assert.ok(Math.abs(Number(numbers.score) - found) < 6e-4);
      assert.equal(first.includes("ReLU"), rectify);
      if (score === "sum") {
        assert.equal(products, null);
        assert.ok(first.startsWith(`score = a + b = ${number(affinity.query[q])} + ${number(affinity.key[k])} = ${number(plain)}`));
      } else {
        assert.ok(Math.abs(products.reduce((x, y) => x + y, 0) - plain) < 1e-5);
        assert.ok(first.includes(`sum over 3 channels = ${plain.toFixed(3)} &times; 0.6 = ${scaled.toFixed(3)}`), first);
      }
      assert.ok(second.endsWith(`= ${number(weight)}`));
      const normaliser = affinity.normalisers && affinity.normalisers[q];
      if (normalise === "softmax") assert.ok(second.startsWith(`weight = exp(${numbers.score} &minus; ${normaliser.toFixed(3)})`), second);
      if (normalise === "count") assert.ok(second.startsWith(`weight = ${numbers.score} / M = ${numbers.score} / 15 =`), second);
      if (normalise === "sum") assert.ok(second.includes(`${numbers.score} / ${normaliser.toFixed(3)} =`), second);
    });
  }
}

test("what a formula prints is its weight", () => {
  const block = blockOf(named("product, softmax, 1 heads, 1 frames")), { numbers } = workedOut(answerTo(block, point, "row"));
  assert.ok(Math.abs(Math.exp(numbers.score - numbers.normaliser) - numbers.weight) < 2e-3);
  const count = blockOf(named("product, rectified, count, 1 heads, 3 frames, pooled")), worked = workedOut(answerTo(count, { ...point, t: 2 }, "row"));
  assert.equal(worked.numbers.span, "2");
  assert.ok(Math.abs(worked.numbers.score / 2 - worked.numbers.weight) < 2e-3);
});

test("the text goes by the fields of the block", () => {
  const one = named("product, softmax, 1 heads, 1 frames, pooled"), about = one.meta.about;
  const html = (changes, name) => lessonHtml(blockOf(name ? named(name) : one, changes));
  assert.match(html({}), /<td>1&times;1 convolution, 15 &times; 3<\/td>/);
  assert.match(html({}), /<td>1&times;1 convolution, pooled, 2 &times; 3<\/td>/);
  assert.match(html({}), /competes in the softmax.*max-pooled here/s);
  assert.match(html({}), /convolution back to 8, then/);
  assert.match(html({ about: { ...about, embedded: false } }), /<td>x itself, 15 &times; 8<\/td>/);
  assert.match(html({ about: { ...about, scaled: true } }), /divided by the root of d, as there/);
  assert.match(html({}), /no division by the root of d;\s+one head/);
  assert.doesNotMatch(html({ about: null }), /<table>/);
  assert.match(html({}, "product, softmax, 2 heads, 1 frames"), /2 heads/);
  assert.match(html({}, "product, count, 1 heads, 1 frames"),
    /is weighed.*The some form form has no softmax: it divides by the number of keys, and weights can be negative\./s);
  assert.match(html({}, "product, rectified, count, 1 heads, 1 frames"), /by the number of keys\./);
  assert.match(html({}, "product, sum, 1 heads, 1 frames"), /divides by the sum of its scores/);
  assert.doesNotMatch(html({}, "sum, rectified, count, 1 heads, 1 frames"), /<canvas/);
  assert.doesNotMatch(lessonHtml(blockOf(one, { pairwise: { ...one.meta.pairwise, scale: 1 } })), /data-live="scale"/);
  assert.match(lessonHtml(remoteBlock()), /into 12 cells \(3 &times; 4\)/);
  assert.match(lessonHtml(remoteBlock({ queries: evenGrid(2, 3, 4) })), /into 24 cells \(2 &times; 3 &times; 4\)/);
});

test("without factors there is nothing to work out", () => {
  const block = remoteBlock();
  block.got = { index: 9, direction: "row", weights: new Float32Array(12) };
  assert.equal(workedOut(answerTo(block, point, "row")), null);
});
