// One score: a sum over channels for a pair of cells.

import { ringPlaces } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { bestOf, sumOf } from "../../core/sums.js";
import { number } from "../../core/numbers.js";
import { barAt, drawBars } from "../bars.js";
import { difference, figure, holding, liveHtml } from "../figures.js";
import { dividedBy, formOf } from "../texts.js";

/** @typedef {import("../../pages.js").At} At */

/** The other key of the shipped photo: blurred ground. @type {[number, number]} */
const SCORE_GROUND = [420, 150];
/** So many times the weight are worth a question. */
const SCORE_CLEAR = 3;
const SCORE_DIGITS = 6;
/** A lead of a channel that is worth a question. */
const SCORE_GAP = 0.05;
/** A lead that is shown as none. */
const SCORE_NO_LEAD = 0.005;

/** The two keys that are compared: the strong one and the weak one. @param {At} at @returns {[number, number]} */
function pairOfScore({ lesson, neutral, row, keys, size, queries, q, point }) {
  const { start } = lesson;
  if (!neutral && start.key) return [keys.find(...start.key), keys.find(...SCORE_GROUND)];
  const ring = ringPlaces(row, keys, size, middle(queries.rect(q)), point.t), weak = ring && ring.reduce((a, b) => (a.value < b.value ? a : b)).cell;
  // Where nothing on the ring stands out: the strongest and the weakest of all.
  return [bestOf(row), weak ?? row.reduce((least, w, k) => (w < row[least] ? k : least), 0)];
}

/** @param {At} at @param {number} key */
const scoreOf = ({ affinity, q }, key) => affinity.score(q + affinity.aside.query.before.length, key + affinity.aside.key.before.length, 0);

/** What each channel does to the lead of one key over another. @param {At} at @param {number} a @param {number} b */
function leadsScore({ affinity, q }, a, b) {
  const one = affinity.products(q, a), two = affinity.products(q, b);
  return one.map((v, c) => v - two[c]);
}

/** The sums above and below 0 and what they make, the weight that the score makes, and how many times an even share that is: with so few
 * digits that all of it holds for whoever computes with the digits that are shown. @param {Float32Array} products @param {number} normaliser
 * @param {number} weight @param {number} keys how many there are @param {string} [form] how scores become weights where that is no softmax
 * @returns {Record<"plus" | "minus" | "score" | "normaliser" | "weight" | "times", import("../../pages.js").Figure>} */
export function inParts(products, normaliser, weight, keys, form = "") {
  const plus = sumOf(products.filter((v) => v > 0)), minus = -sumOf(products.filter((v) => v < 0)), times = number(weight * keys);
  let digits = 3;
  while (digits < SCORE_DIGITS && number(Number(number(weight, digits)) * keys) !== times) digits++;
  const shown = number(weight, digits), parts = holding([plus, minus, plus - minus, normaliser], ([a, b, s, n], decimals) =>
    (a - b).toFixed(decimals) === s.toFixed(decimals) && number(form ? s / n : Math.exp(s - n), digits) === shown);
  return { plus: parts[0], minus: parts[1], score: parts[2], normaliser: parts[3], weight: { value: weight, text: shown }, times: { value: weight
    * keys, text: times } };
}

/** Whether neither key is the stronger one, as far as it is shown. @param {At} at */
function leadsNothing(at) {
  const [strong, weak] = pairOfScore(at);
  return Math.abs(scoreOf(at, strong) - scoreOf(at, weak)) < SCORE_NO_LEAD;
}

/** What the page compares: both scores, their difference and what it means, and the tallest bar for both keys.
 * @param {At} at @returns {import("../../pages.js").Figures} */
function comparedScore(at) {
  const { affinity, q } = at;
  if (affinity.pairwise.score !== "product") return {};
  const [strong, weak] = pairOfScore(at), one = scoreOf(at, strong), two = scoreOf(at, weak), ratio = Math.exp(one - two);
  const [s1, s2, diff] = holding([one, two, one - two], ([a, b, d], decimals) => (a - b).toFixed(decimals) === d.toFixed(decimals)
    && figure(Math.exp(d)).text === figure(ratio).text);
  const here = affinity.products(q, strong), tall = bestOf(here), [tallOne, tallTwo, tallLead] = difference(here[tall], affinity.products(q, weak)[tall]);
  return { s1, s2, diff, ratio, tall, tallOne, tallTwo, tallLead, what: dividedBy(at) };
}

/** @param {At} at @returns {import("../../pages.js").Question | null} */
function askScore(at) {
  if (at.affinity.pairwise.score !== "product" || formOf(at)) return null;
  const [strong, weak] = pairOfScore(at), ratio = Math.exp(scoreOf(at, strong) - scoreOf(at, weak));
  return ratio >= SCORE_CLEAR ? { kind: "number", truth: ratio, low: 1, high: ratio < 500 ? 1000 : 1e5 } : null;
}

/** @param {At} at @returns {import("../../pages.js").Question | null} */
function checkScore(at) {
  const { lesson, affinity, q } = at;
  if (affinity.pairwise.score !== "product" || formOf(at)) return null;
  const pair = pairOfScore(at);
  const gaps = leadsScore(at, ...pair), tall = bestOf(affinity.products(q, pair[0])), gap = gaps.reduce((best, v, c) => (v > gaps[best] ? c : best), 0);
  if (tall === gap || gaps[gap] < SCORE_GAP) return null;
  // The channel whose lead is largest is the one whose loss costs the most.
  return {
    kind: "which", right: 1, options: [
      { words: lesson.say("score.check.tall", { channel: String(tall) }), value: gaps[tall] }, { words: lesson.say("score.check.gap",
        { channel: String(gap) }), value: gaps[gap] },
      { words: lesson.say("score.check.any") },
    ],
  };
}

/** @param {At} at @param {HTMLElement} box */
function drawScore(at, box) {
  const { lesson, affinity, q, memo, row } = at, key = lesson.place.key ?? bestOf(row),
    canvas = /** @type {HTMLCanvasElement | null} */ (box.querySelector('[data-bars="products"]'));
  if (!canvas || affinity.pairwise.score !== "product") return;
  const products = affinity.products(q, key), weak = pairOfScore(at)[1], shown = memo.compare ? leadsScore(at, key, weak) : products;
  let total = 0;
  const line = memo.compare ? undefined : products.map((v) => (total += v));
  drawBars(canvas, shown, { marked: lesson.place.channel ?? -1, colour: getComputedStyle(canvas).getPropertyValue("--a"), line: memo.running ? line
    : undefined });
  const parts = inParts(products, affinity.normaliserOf(q + affinity.aside.query.before.length, 0), row[key], row.length, formOf(at));
  for (const [name, value] of Object.entries(parts)) lesson.put(name, value);
  lesson.put("tallest", bestOf(shown));
  const { channel } = lesson.place;
  lesson.put("channelValue", channel === null ? NaN : shown[channel]);
  if (memo.compare) lesson.marks.box("other", at.keys.rect(weak), "nlv-key nlv-other");
  else lesson.marks.remove("other");
  if (!canvas.dataset.heard) listenScore(lesson, canvas, products.length);
}

/** The channel that is pointed at. @param {import("../lesson.js").Lesson} lesson @param {HTMLCanvasElement} canvas @param {number} count */
function listenScore(lesson, canvas, count) {
  const set = (/** @type {number | null} */ channel) => {
    if (lesson.place.channel === channel) return;
    lesson.place.channel = channel;
    lesson.session.refresh();
  };
  canvas.dataset.heard = "1";
  canvas.addEventListener("pointermove", (event) => set(barAt(canvas, event, count)));
  canvas.addEventListener("pointerleave", () => set(null));
  canvas.addEventListener("keydown", ({ key, preventDefault: _ }) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (by) set(((lesson.place.channel ?? -1) + by + count) % count);
  });
}

/** @param {At} at */
function bodyScore(at) {
  const { lesson, memo, revealed, affinity } = at;
  if (!revealed) return "";
  const form = formOf(at), even = affinity.pairwise.score === "product" && leadsNothing(at);
  const made = form ? `${liveHtml("score")} \u00f7 ${liveHtml("normaliser")}` : `exp(${liveHtml("score")} \u2212 ${liveHtml("normaliser")})`;
  return `<div class="nlv-try"><p class="nlv-tools">
    <button type="button" class="nlv-button" data-act="compare" aria-pressed="${Boolean(memo.compare)}">${lesson.say(even ? "score.compare.even" : "score.compare")}</button>
    <button type="button" class="nlv-button" data-act="running" aria-pressed="${Boolean(memo.running)}">${lesson.say("score.running")}</button></p>
    <p class="nlv-barsname"><span class="nlv-of" data-of="score">${lesson.say(memo.compare ? (even ? "score.leads.even" : "score.leads") : "score.products")}</span>
      <span>${lesson.say("crumb.channel")} ${liveHtml("tallest")} ${lesson.say("score.tallest")}</span></p>
    <canvas class="nlv-bars high" data-bars="products" tabindex="0" role="img" aria-label="${lesson.say("score.products")}"></canvas>
    <p class="nlv-sumline">${liveHtml("plus")} \u2212 ${liveHtml("minus")} = <span class="nlv-of" data-of="score">${lesson.say("score.score")}</span> ${liveHtml("score")}</p>
    <p class="nlv-sumline">${made} = <span class="nlv-of" data-of="A">${lesson.say("score.weight")}</span> ${liveHtml("weight")}${lesson.say("score.istimes", { times: liveHtml("times") })}</p>
    <p class="nlv-live">${lesson.say(form ? "score.normaliser.form" : "score.normaliser", { normaliser: liveHtml("normaliser"), what: dividedBy(at) })}</p></div>`;
}

/** @type {import("../../pages.js").Page} */
export const scorePage = {
  name: "score", veil: true, pointer: "key", stages: ["theta", "phi", "score"], formulas: ["score", "ratio"], softmax: true,
  start: { example: "cat", block: "layer3.1", x: 318, y: 128, key: [167, 112] },
  before: (at) => ({ s1: comparedScore(at).s1, s2: comparedScore(at).s2, d: at.affinity.channels }),
  facts: comparedScore,
  after: (at) => {
    if (at.affinity.pairwise.score !== "product") return "score.after.sum";
    return formOf(at) ? "score.after.form" : leadsNothing(at) ? "score.after.even" : "score.after";
  },
  none: (at) => (formOf(at) ? "score.none.form" : undefined),
  ask: askScore, check: checkScore,
  body: bodyScore,
  draw: drawScore,
  paint: ({ lesson, affinity, q, keys }) => {
    const { channel } = lesson.place;
    if (channel === null || affinity.pairwise.score !== "product") return null;
    const weights = Float32Array.from({ length: keys.count }, (_, k) => affinity.query[q * affinity.channels
      + channel] * affinity.key[k * affinity.channels + channel]);
    return { what: "painted.product", weights, grid: keys, signed: true, top: weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0) };
  },
  act: ({ lesson, memo }, name) => {
    if (name !== "compare" && name !== "running") return;
    memo[name] = !memo[name];
    lesson.render();
    lesson.session.draw();
  },
};

