// One row: the scores of one query compete in a softmax over positions.

import { bestOf, pooledKeys, scoresAmong, scoresOf, softmax, sumOf, supportOf } from "../../core/sums.js";
import { ringPlaces, sameAll } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { letteredPlace } from "../asking.js";
import { decimal, liveHtml, timesEven, tiny } from "../figures.js";
import { onLog } from "../../core/grading.js";
import { followSweep } from "../sweeping.js";
import { dividedBy, formOf, keyOf } from "../texts.js";

/** @typedef {import("../../pages.js").At} At */

/** Of the shipped photo: far on the saucer, near on the table. @type {[string, [number, number]][]} */
const ROW_PLACES = [["saucer", [405, 315]], ["table", [60, 200]], ["cup", [250, 90]]];
const ROW_AXES = ["keys", "queries", "whole", "channels"];
/** Of the temperature. */
const COLDEST = 0.1;
const HOTTEST = 8;
/** A sum below this is written by its size. */
const ROW_SMALL = 0.01;

/** @param {At} at @returns {import("../../pages.js").Question | null} */
function askRow(at) {
  const { lesson, row, keys, neutral, size, queries, q, point } = at;
  if (formOf(at)) return null;
  if (!neutral) {
    const values = ROW_PLACES.map(([, place]) => row[keys.find(...place)] * row.length);
    return { kind: "which", right: values.indexOf(Math.max(...values)), options: ROW_PLACES.map(([name, place], i) => ({ words: lesson.say(`row.ask.${name}`), ...timesEven(values[i]), place })) };
  }
  const four = ringPlaces(row, keys, size, middle(queries.rect(q)), point.t);
  if (!four) return null;
  const right = four.reduce((best, { value }, i) => (Math.abs(value) > Math.abs(four[best].value) ? i : best), 0);
  return { kind: "which", right, own: true, options: four.map(({ x, y, value }, i) => ({ words: letteredPlace(lesson, i),
    ...timesEven(value * row.length), place: [x, y] })) };
}

/** Whether the softmax can be taken apart here. @param {At} at */
const plainRow = ({ affinity }) => affinity.pairwise.score === "product" && affinity.pairwise.normalise === "softmax" && affinity.heads === 1;

/** The keys, pooled; made once a page. @param {At} at */
const pooledRow = ({ memo, affinity, block }) => (memo.pool ||= pooledKeys(affinity, block.meta.keys));

/** What the switches make of the row. @param {At} at @returns {{ weights: Float32Array, grid: import("../../core/grid.js").Grid } | null} null: the
 * row as it is */
function madeRow(at) {
  const { memo, affinity, q, keys, lesson, block } = at, heat = memo.heat || 1;
  if (!plainRow(at)) return null;
  if (memo.pooled) {
    const kept = pooledRow(at);
    return { weights: softmax(scoresAmong(affinity, q, kept.keys), heat), grid: kept.grid };
  }
  const axis = memo.axis || "keys", found = lesson.swept.get(block);
  if (axis === "keys") return heat === 1 ? null : { weights: softmax(scoresOf(affinity, q), heat), grid: keys };
  if (axis === "channels") return { weights: new Float32Array(keys.count).fill(1), grid: keys };
  if (!found) return null;
  const scores = scoresOf(affinity, q);
  return { weights: Float32Array.from(scores, (s, k) => Math.exp(s - (axis === "queries" ? found.downwards[k] : found.whole))), grid: keys };
}

/** @param {At} at */
function drawRow(at) {
  const { lesson, row, keys, memo, affinity, point } = at, mine = keys.find(point.x, point.y, point.t), now = madeRow(at)?.weights || row;
  lesson.put("rowSum", sumOf(now) < ROW_SMALL ? tiny(sumOf(now)) : decimal(sumOf(now), sumOf(now) < 100 ? 3 : 0));
  lesson.put("support", Math.round(supportOf(now)));
  lesson.put("keysNow", now.length);
  lesson.put("heat", decimal(memo.heat || 1, 2));
  if (affinity.heads === 1) {
    followSweep(at, (found) => {
      if (mine >= 0) lesson.put("columnSum", decimal(found.columns[mine], 3));
    });
  }
}

/** @param {At} at */
function bodyRow({ lesson, memo, revealed, block, affinity }) {
  if (!revealed) return "";
  const axis = memo.axis || "keys", { direction } = lesson.session.look,
    press = (/** @type {string} */ act, /** @type {string} */ words, /** @type {boolean} */ on, more = "") =>
    `<button type="button" class="nlv-button" data-act="${act}"${more} aria-pressed="${on}">${words}</button>`;
  const softens = affinity.pairwise.normalise === "softmax" && affinity.pairwise.score === "product";
  return `<div class="nlv-try"><p class="nlv-tools">${press("direction", lesson.say("row.asrow"), direction === "row", ' data-choice="row"')}${press("direction", lesson.say("row.ascolumn"), direction === "column", ' data-choice="column"')}</p>
    <p class="nlv-sumline">${lesson.say(direction === "row" ? "row.sum" : "row.columnsum", { sum: liveHtml(direction === "row" ? "rowSum" : "columnSum") })}</p>
    ${softens && direction === "row" ? `<p class="nlv-tools"><label>${lesson.say("row.heat")} <input type="range" min="0" max="1" step="0.01" value="${heatAt(memo.heat || 1)}" data-slide="heat"> ${liveHtml("heat")}</label></p>
    <p class="nlv-live">${lesson.say(axis === "keys" ? "row.support" : "row.support.parts", { support: liveHtml("support"), keys: liveHtml("keysNow") })}</p>
    <h3>${lesson.say("row.axis")}</h3><p class="nlv-tools">${ROW_AXES.map((name) => press("axis", lesson.say(`row.axis.${name}`), axis === name, ` data-choice="${name}"`)).join("")}</p>
    <p class="nlv-live">${lesson.say(`row.axis.${axis}.says`)}</p>
    ${block.meta.pooled ? "" : `<p class="nlv-tools">${press("pool", lesson.say("row.pool"), Boolean(memo.pooled))}</p>${memo.pooled ? `<p class="nlv-live">${lesson.say("row.pool.says")}</p>` : ""}`}` : ""}</div>`;
}

/** @param {number} heat */
const heatAt = (heat) => Math.log(heat / COLDEST) / Math.log(HOTTEST / COLDEST);

/** @type {import("../../pages.js").Page} */
export const rowPage = {
  name: "row", veil: true, pointer: "query", stages: ["score", "A"], formulas: ["softmax"], softmax: true,
  start: { example: "coffee", block: "layer2.1", x: 140, y: 270 },
  before: (at) => ({ n: at.queries.count, m: at.keys.count, what: dividedBy(at) }),
  facts: (at) => {
    // Of the keys that get an even share at least, the one that gives back least of what it gets.
    const { row: given, affinity, block, keys, lesson } = at, found = lesson.swept.get(block), colsum = found ? Math.max(...found.columns) : undefined;
    const back = block.meta.pooled || keys.cells[0] > 1 ? null : Float32Array.from(affinity.column(at.q));
    const rowsum = decimal(sumOf(given), 3);
    if (!back) return { colsum, rowsum };
    const most = given.reduce((best, w, k) => (w * keys.count >= 1 && w / back[k] > given[best] / back[best] ? k : best), bestOf(given));
    return { colsum, rowsum, there: given[most], back: back[most] };
  },
  after: (at) => {
    if (formOf(at)) return keyOf(at, "after");
    if (at.block.meta.pooled || at.keys.cells[0] > 1) return "row.after.pooled";
    return sameAll(at.row) ? "row.after.even" : "row.after";
  },
  none: (at) => (formOf(at) ? "row.none.form" : undefined),
  ask: askRow,
  check: (at) => {
    const { lesson, block, keys, point } = at, found = lesson.swept.get(block), mine = keys.find(point.x, point.y, point.t);
    if (at.affinity.heads > 1 || mine < 0 || formOf(at)) return null;
    if (!found) followSweep(at, () => lesson.render());
    return found ? { kind: "which", right: 1, options: [
      { words: lesson.say("row.check.one") }, { words: lesson.say("row.check.any"), value: found.columns[mine] }, { words: lesson.say("row.check.none") },
    ] } : null;
  },
  body: bodyRow, draw: drawRow,
  plan: (at) => (at.memo.pooled && plainRow(at) ? { keys: pooledRow(at).grid.count } : {}),
  paint: (at) => {
    const found = madeRow(at);
    const what = at.memo.axis === "channels" ? "painted.shares" : "painted.weight";
    return found && { what, ...found, signed: false, top: found.weights.reduce((most, w) => Math.max(most, w), 0) };
  },
  act: ({ lesson, memo }, name, element) => {
    const { choice } = element.dataset;
    if (name === "direction") lesson.session.setLook({ direction: choice === "column" ? "column" : "row" });
    else if (name === "axis") Object.assign(memo, { axis: choice, pooled: false, heat: 1 });
    else if (name === "pool") Object.assign(memo, { pooled: !memo.pooled, axis: "keys" });
    else return;
    lesson.render();
    lesson.session.draw();
  },
  slide: ({ lesson, memo }, name, value) => {
    if (name !== "heat") return;
    memo.heat = onLog(value, COLDEST, HOTTEST);
    if (memo.axis && memo.axis !== "keys") memo.axis = "keys";
    lesson.session.draw();
  },
};
