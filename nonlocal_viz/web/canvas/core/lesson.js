// "What am I looking at?": the lesson's text for a block, and one number of the row worked out.
// What it says is decided by the fields of the block, never by the name of its instantiation.

import { label, number } from "./words.js";

/** @typedef {import("./answer.js").Answer} Answer */
/** @typedef {import("./answer.js").Block} Block */
/** @typedef {import("../protocol.js").Pairwise} Pairwise */

/** A number that follows the pointer; `tag` is b where it is to be seen. @param {string} name */
const live = (name, tag = "b") => `<${tag} data-live="${name}">-</${tag}>`;
const SPAN = live("span", "span");

/** Channels of theta and phi. @param {Block} block */
function width({ meta: { about, channels } }) {
  if (!about) return channels;
  return about.embedded ? about.inner : about.input;
}

/** The lesson about a block. @param {Block} block @returns {string} html */
export function lessonHtml(block) {
  return `<div>${blockHtml(block)}</div><div>${sumHtml(block)}</div>`;
}

/** @param {Block} block */
function blockHtml(block) {
  const { meta, queries } = block, softmax = meta.pairwise?.normalise === "softmax";
  return `<h3>Self-attention over positions</h3>
    <p>The block cuts the picture into ${queries.count} cells (${queries.cells.filter((c, i) => i || c > 1).join(" &times; ")}).
    Every cell asks every ${meta.pooled ? `of ${SPAN} pooled keys` : "cell"}: how much do you matter to me?
    The colours are the answers that one cell gets, one row of an N &times; M map.</p>
    ${tableHtml(block)}
    <h3>Attention over channels? No.</h3>
    <p>The sum in a score runs over channels, as Q K<sup>T</sup> sums over d<sub>k</sub>. It makes one number for each
    pair of positions; what ${softmax ? "competes in the softmax" : "is weighed"} are the ${SPAN} positions.</p>
    <h3>What differs from a Transformer's head</h3>
    <ul><li>${meta.about?.scaled ? "scores are divided by the root of d, as there" : "no division by the root of d"};
    ${meta.heads > 1 ? `${meta.heads} heads` : "one head"}</li>
    <li>no positional encoding: a cell knows another by its features alone</li>
    <li>batch norm after W<sub>z</sub> starts at gamma 0, so the block begins as the identity, and a residual goes around it</li>
    <li>${meta.pooled ? "keys and values are max-pooled here, so a key covers several cells" : "keys may be max-pooled (here they are not)"}</li></ul>`;
}

/** @param {Block} block */
function tableHtml(block) {
  const { meta: { about, pooled }, queries, keys } = block, d = width(block);
  if (!about) return "";
  const made = about.embedded ? "1&times;1 convolution" : "x itself";
  return `<table><tr><th>paper</th><th>Transformer</th><th>here</th></tr>
    <tr><td>&theta;</td><td>query Q</td><td>${made}, ${queries.count} &times; ${d}</td></tr>
    <tr><td>&phi;</td><td>key K</td><td>${made}${pooled ? ", pooled" : ""}, ${keys.count} &times; ${d}</td></tr>
    <tr><td>g</td><td>value V</td><td>1&times;1 convolution, ${keys.count} &times; ${about.inner}</td></tr>
    <tr><td>W<sub>z</sub></td><td>output projection</td><td>1&times;1 convolution back to ${about.input}, then added to x</td></tr></table>`;
}

/** @param {Block} block */
function sumHtml(block) {
  const { pairwise } = block.meta;
  if (!pairwise) return "";
  const added = pairwise.score === "sum", softmax = pairwise.normalise === "softmax";
  return `<h3>One number of this row, worked out</h3>
    <p data-live="pair">-</p>
    ${added ? "" : `<canvas class="nlv-products" width="900" height="192" role="img" aria-label="product of each channel"></canvas>
    <p class="nlv-soft">&theta;<sub>c</sub> &middot; &phi;<sub>c</sub> for each of the ${width(block)} channels; their sum is the score.</p>`}
    <p class="nlv-formula">score = ${scoreHtml(block, pairwise)}</p>
    <p class="nlv-formula">weight = ${weightHtml(pairwise)}</p>
    <p>${softmax ? "The second number in exp is log &sum; exp of all scores of this row: the softmax." : dividedHtml(block, pairwise)}
    The painted colour is this weight.</p>`;
}

/** @param {Block} block @param {Pairwise} pairwise */
function scoreHtml(block, pairwise) {
  const relu = pairwise.rectify ? `, and ReLU makes it ${live("score")}` : "";
  if (pairwise.score === "sum") return `a + b = ${live("a")} + ${live("b")} = ${live("sum")}${relu}`;
  const sum = `&theta; &middot; &phi; = sum over ${width(block)} channels = ${live("sum")}`;
  const scaled = pairwise.scale === 1 ? "" : ` &times; ${live("scale")} = ${live("scaled")}`;
  return sum + scaled + relu;
}

/** @param {Pairwise} pairwise */
function weightHtml(pairwise) {
  if (pairwise.normalise === "softmax") return `exp(${live("score")} &minus; ${live("normaliser")}) = ${live("weight")}`;
  if (pairwise.normalise === "sum") return `${live("score")} / sum of the scores = ${live("score")} / ${live("normaliser")} = ${live("weight")}`;
  return `${live("score")} / M = ${live("score")} / ${SPAN} = ${live("weight")}`;
}

/** @param {Block} block @param {Pairwise} pairwise */
function dividedHtml({ meta: { instantiation, signed } }, pairwise) {
  const by = pairwise.normalise === "sum" ? "the sum of its scores" : "the number of keys";
  return `The ${label(instantiation)} form has no softmax: it divides by ${by}${signed ? ", and weights can be negative" : ""}.`;
}

/** The strongest pair of an answer, worked out: its numbers by the names of their places, and the product of
 * every channel where the score is one. Null where the factors are not here. @param {Answer} answer
 * @returns {{ numbers: Record<string, string>, products: Float32Array | null } | null} */
export function workedOut(answer) {
  const { block, direction, index, stats, weights } = answer, { affinity } = block;
  if (!affinity) return null;
  const { pairwise, aside } = affinity;
  const [query, key] = direction === "row" ? [index, stats.best] : [stats.best, index];
  const [q, k] = [query + aside.query.before.length, key + aside.key.before.length];
  const score = affinity.score(q, k, 0).toFixed(3), products = pairwise.score === "sum" ? null : affinity.products(query, key);
  const plain = products ? products.reduce((sum, p) => sum + p, 0) : affinity.query[q] + affinity.key[k];
  return {
    products,
    numbers: {
      pair: pairWords(answer), score, weight: number(weights[stats.best]), span: String(affinity.span(query)),
      normaliser: affinity.normaliser(q, 0).toFixed(3),
      ...(products ? { sum: plain.toFixed(3), scale: number(affinity.scales[0]), scaled: (plain * affinity.scales[0]).toFixed(3) }
        : { a: number(affinity.query[q]), b: number(affinity.key[k]), sum: number(plain) }),
    },
  };
}

/** @param {Answer} answer */
function pairWords({ direction, at: [, a, b], grid, stats }) {
  const [, h, w] = grid.unflat(stats.best);
  return direction === "row" ? `The query is cell (${a}, ${b}); its strongest key is cell (${h}, ${w}).`
    : `The key is cell (${a}, ${b}); the query that looks at it most is cell (${h}, ${w}).`;
}
