// One score: a sum over channels for a pair of cells.

import { ringPlaces } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { bestOf, sumOf } from "../../core/sums.js";
import { number } from "../../core/numbers.js";
import { barAt, drawBars } from "../bars.js";
import { decimal, liveHtml } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */

/** The other key of the shipped photo: blurred ground. @type {[number, number]} */
const SCORE_GROUND = [420, 150];
/** So many times the weight are worth a question. */
const SCORE_CLEAR = 3;
const SCORE_DECIMALS = 6;

/** The two keys that are compared: the strong one and the weak one. @param {At} at @returns {[number, number] | null} */
function pairOfScore({ lesson, neutral, row, keys, size, queries, q, point }) {
  const { start } = lesson;
  if (!neutral && start.key) return [keys.find(...start.key), keys.find(...SCORE_GROUND)];
  const ring = ringPlaces(row, keys, size, middle(queries.rect(q)), point.t), weak = ring && ring.reduce((a, b) => (a.value < b.value ? a : b)).cell;
  return weak === null ? null : [bestOf(row), weak];
}

/** @param {At} at @param {number} key */
const scoreOf = ({ affinity, q }, key) => affinity.score(q + affinity.aside.query.before.length, key + affinity.aside.key.before.length, 0);

/** What each channel does to the lead of one key over another. @param {At} at @param {number} a @param {number} b */
function leadsScore({ affinity, q }, a, b) {
  const one = affinity.products(q, a), two = affinity.products(q, b);
  return one.map((v, c) => v - two[c]);
}

/** The sums above and below 0 and what they make, and the weight that the score makes, at so few decimals that both
 * sums hold for whoever computes with the digits that are shown. @param {Float32Array} products @param {number} normaliser @param {number} weight
 * @returns {Record<"plus" | "minus" | "score" | "normaliser", import("../../pages.js").Figure>} */
export function inParts(products, normaliser, weight) {
  const plus = sumOf(products.filter((v) => v > 0)), minus = -sumOf(products.filter((v) => v < 0)), score = plus - minus;
  for (let decimals = 2; ; decimals++) {
    const [a, b, s, n] = [plus, minus, score, normaliser].map((v) => Number(v.toFixed(decimals)));
    const holds = (a - b).toFixed(decimals) === s.toFixed(decimals) && number(Math.exp(s - n)) === number(weight);
    if (holds || decimals === SCORE_DECIMALS) {
      return { plus: decimal(plus, decimals), minus: decimal(minus, decimals), score: decimal(score, decimals), normaliser: decimal(normaliser, decimals) };
    }
  }
}

/** @param {At} at @returns {import("../../pages.js").Question | null} */
function askScore(at) {
  const pair = at.affinity.pairwise.score === "product" ? pairOfScore(at) : null, ratio = pair ? Math.exp(scoreOf(at, pair[0]) - scoreOf(at, pair[1])) : 0;
  return ratio >= SCORE_CLEAR ? { kind: "number", truth: ratio, low: 1, high: ratio < 500 ? 1000 : 1e5 } : null;
}

/** @param {At} at @returns {import("../../pages.js").Question | null} */
function checkScore(at) {
  const { lesson, affinity, q } = at, pair = pairOfScore(at);
  if (!pair) return null;
  const gaps = leadsScore(at, ...pair), tall = bestOf(affinity.products(q, pair[0])), gap = gaps.reduce((best, v, c) => (v > gaps[best] ? c : best), 0);
  if (tall === gap) return null;
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
  const { lesson, affinity, q, memo, row } = at, pair = pairOfScore(at), key = lesson.place.key ?? bestOf(row),
    canvas = /** @type {HTMLCanvasElement | null} */ (box.querySelector('[data-bars="products"]'));
  if (!canvas || affinity.pairwise.score !== "product") return;
  const products = affinity.products(q, key), other = pair ? pair[1] : key, shown = memo.compare ? leadsScore(at, key, other) : products;
  let total = 0;
  const line = memo.compare ? undefined : products.map((v) => (total += v));
  drawBars(canvas, shown, { marked: lesson.place.channel ?? -1, colour: getComputedStyle(canvas).getPropertyValue("--a"), line: memo.running ? line
    : undefined });
  const parts = inParts(products, affinity.normaliserOf(q + affinity.aside.query.before.length, 0), row[key]);
  for (const [name, value] of Object.entries(parts)) lesson.put(name, value);
  lesson.put("weight", row[key]);
  lesson.put("times", row[key] * row.length);
  lesson.put("tallest", bestOf(shown));
  const { channel } = lesson.place;
  lesson.put("channelValue", channel === null ? NaN : shown[channel]);
  if (pair && memo.compare) lesson.marks.box("other", at.keys.rect(pair[1]), "nlv-key nlv-other");
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

/** @type {import("../../pages.js").Page} */
export const scorePage = {
  name: "score", veil: true, pointer: "key", stages: ["theta", "phi", "score"], formulas: ["score", "ratio"],
  start: { example: "cat", block: "layer3.1", x: 318, y: 128, key: [167, 112] },
  before: (at) => {
    const pair = at.affinity.pairwise.score === "product" ? pairOfScore(at) : null;
    return pair ? { s1: decimal(scoreOf(at, pair[0]), 2), s2: decimal(scoreOf(at, pair[1]), 2), d: at.affinity.channels } : { d: at.affinity.channels };
  },
  facts: (at) => {
    const pair = pairOfScore(at), diff = pair ? scoreOf(at, pair[0]) - scoreOf(at, pair[1]) : 0;
    return pair ? { diff: decimal(diff, 2), ratio: Math.exp(diff) } : {};
  },
  ask: askScore, check: checkScore,
  body: ({ lesson, memo, revealed }) => (!revealed ? "" : `<div class="nlv-try"><p class="nlv-tools">
    <button type="button" class="nlv-button" data-act="compare" aria-pressed="${Boolean(memo.compare)}">${lesson.say("score.compare")}</button>
    <button type="button" class="nlv-button" data-act="running" aria-pressed="${Boolean(memo.running)}">${lesson.say("score.running")}</button></p>
    <p class="nlv-barsname"><span class="nlv-of" data-of="score">${lesson.say(memo.compare ? "score.leads" : "score.products")}</span>
      <span>${lesson.say("crumb.channel")} ${liveHtml("tallest")} ${lesson.say("score.tallest")}</span></p>
    <canvas class="nlv-bars high" data-bars="products" tabindex="0" role="img" aria-label="${lesson.say("score.products")}"></canvas>
    <p class="nlv-sumline">${liveHtml("plus")} \u2212 ${liveHtml("minus")} = <span class="nlv-of" data-of="score">${lesson.say("score.score")}</span> ${liveHtml("score")}</p>
    <p class="nlv-sumline">exp(${liveHtml("score")} \u2212 ${liveHtml("normaliser")}) = <span class="nlv-of" data-of="A">${lesson.say("score.weight")}</span> ${liveHtml("weight")}${lesson.say("score.istimes", { times: liveHtml("times") })}</p>
    <p class="nlv-live">${lesson.say("score.normaliser", { normaliser: liveHtml("normaliser") })}</p></div>`),
  draw: drawScore,
  paint: ({ lesson, affinity, q, keys }) => {
    const { channel } = lesson.place;
    if (channel === null || affinity.pairwise.score !== "product") return null;
    const weights = Float32Array.from({ length: keys.count }, (_, k) => affinity.query[q * affinity.channels
      + channel] * affinity.key[k * affinity.channels + channel]);
    return { weights, grid: keys, signed: true, top: weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0) };
  },
  act: ({ lesson, memo }, name) => {
    if (name !== "compare" && name !== "running") return;
    memo[name] = !memo[name];
    lesson.render();
    lesson.session.draw();
  },
};

