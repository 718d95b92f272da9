// One weight of an answer, worked out so that whoever computes with the digits that are printed comes to the
// weight that is printed.

import { fixed, number } from "./numbers.js";

/** @typedef {import("./answer.js").Answer} Answer */
/** @typedef {import("./affinity.js").Affinity} Affinity */
/** @typedef {{ plain: number, scale: number, bias: number | null, normaliser: number, unary: number | null, weight: number }} Parts
 * what a weight is made of: of a sum `a` and `b`, of a product all channels together, is `plain` */
/** @typedef {Record<string, string>} Printed by the names of their places in the lesson */

const MOST_DECIMALS = 12;

/** The query and key tokens of the strongest pair of an answer. @param {Answer} answer @param {Affinity} affinity @returns {[number, number]} */
function pairOf({ direction, index, stats }, { aside }) {
  const [query, key] = direction === "row" ? [index, stats.best] : [stats.best, index];
  return [query + aside.query.before.length, key + aside.key.before.length];
}

/** The strongest pair of an answer, worked out in its head, the first of several: its numbers by the names of their places, and the
 * product of every channel where the score is one. Null where the factors are not here. A pair out of reach has no
 * score that counts. @param {Answer} answer @returns {{ numbers: Printed, products: Float32Array | null, reached: boolean } | null} */
export function workedOut(answer) {
  const { block, direction, stats, weights } = answer, { affinity } = block;
  if (!affinity) return null;
  const { pairwise, aside, heads, unary, bias } = affinity, [q, k] = pairOf(answer, affinity), head = answer.head ?? 0;
  const products = pairwise.score === "sum" ? null : affinity.products(q - aside.query.before.length, k - aside.key.before.length, head);
  const normaliser = affinity.normaliserOf(q, head);
  const at = head * affinity.queryTokens + q, to = head * affinity.keyTokens + k, [a, b] = products ? [0, 0] : [affinity.query[at], affinity.key[to]];
  const plain = products ? affinity.plain(q, k, head) : a + b;
  const parts = {
    plain, scale: affinity.scales[head], bias: bias && bias.at(q, k, head), normaliser,
    unary: unary && unary[to], weight: heads > 1 ? affinity.entry(q, k, head, normaliser) : weights[stats.best],
  };
  const digits = block.digits(direction), reached = affinity.reaches(q, k);
  const numbers = reached ? printed(affinity, parts, digits, products ? undefined : [a, b]) : outOfReach(parts, digits);
  return {
    products, reached,
    numbers: { ...numbers, span: String(affinity.span(q - aside.query.before.length)), mean: number(weights[stats.best], digits) },
  };
}

/** @param {Parts} parts @param {number} digits @returns {Printed} */
function outOfReach({ unary, weight }, digits) {
  const none = Object.fromEntries(["a", "b", "sum", "scale", "scaled", "bias", "biased", "score", "normaliser"].map((name) => [name, "none"]));
  return { ...none, own: "0", unary: number(unary || 0, digits), weight: number(weight, digits) };
}

/** As few decimals as it takes for the sum to hold by hand. A weight on the edge between two roundings may
 * take a digit more itself. @param {Affinity} affinity @param {Parts} parts @param {number} digits
 * @param {[number, number]} [terms] @returns {Printed} */
function printed(affinity, parts, digits, terms) {
  for (const own of [digits, digits + 1, digits + 2]) {
    for (let decimals = digits; decimals <= MOST_DECIMALS; decimals++) {
      const found = steps(affinity, parts, decimals, own, terms);
      if (found.holds) return found.numbers;
    }
  }
  return steps(affinity, parts, MOST_DECIMALS, digits, terms).numbers;
}

/** Every step is taken with the numbers that the step before printed. @param {Affinity} affinity @param {Parts} parts
 * @param {number} decimals @param {number} digits of the weight @param {[number, number]} [terms] */
function steps({ pairwise }, { plain, scale, bias, normaliser, unary, weight }, decimals, digits, terms) {
  /** @type {Printed} */
  const numbers = {};
  const put = (/** @type {string} */ name, /** @type {number} */ value) => Number(numbers[name] = fixed(value, decimals));
  let score = terms ? put("a", terms[0]) + put("b", terms[1]) : plain;
  score = put("sum", score);
  if (pairwise.score === "product" && scale !== 1) {
    numbers.scale = String(+scale.toPrecision(decimals));
    score = put("scaled", score * Number(numbers.scale));
  }
  if (bias !== null) {
    put("bias", bias);
    score = put("biased", score + Number(numbers.bias));
  }
  score = put("score", pairwise.rectify ? Math.max(0, score) : score);
  if (pairwise.normalise === "count") numbers.normaliser = String(normaliser); else put("normaliser", normaliser);
  const by = Number(numbers.normaliser);
  let made = pairwise.normalise === "softmax" ? Math.exp(score - by) : score / (by || 1);
  if (unary !== null) {
    numbers.own = number(made, digits + 2);
    numbers.unary = number(unary, digits + 2);
    made = Number(numbers.own) + Number(numbers.unary);
  }
  numbers.weight = number(weight, digits);
  return { numbers, holds: number(made, digits) === numbers.weight };
}
