// An ancestor and four forms under one pointer: one formula, another f.

import { ringPlaces } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { bestOf, cosineOf, sumOf, supportOf } from "../../core/sums.js";
import { modelOf } from "../../core/source.js";
import { drawMap } from "../bars.js";
import { decimal, liveHtml, share } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../core/answer.js").Block} Block */

const COUSINS_FORMS = ["nonlocal_means", "gaussian", "embedded_gaussian", "dot_product", "concatenation"];
/** Rows with a greater cosine cannot be told apart. */
const COUSINS_ALIKE = 0.9;
/** Of the shipped photo: a stone of the belly's colour, and the belly lower down. @type {[string, [number, number]][]} */
const COUSINS_PLACES = [["stone", [760, 290]], ["belly", [370, 400]]];

/** The rows of a point in each form that is here. @param {At} at @returns {[string, Block | null, Float32Array | null][]} */
function rowsOf(at) {
  const { got, block, lesson: { session }, point } = at, now = modelOf(session.open && session.open.source, session.ownModel);
  return COUSINS_FORMS.map((name) => {
    const one = name === now ? block : got[name]?.cousin || null, cell = one ? one.queries.find(point.x, point.y, point.t) : -1;
    return [name, one, one?.affinity && cell >= 0 ? Float32Array.from(one.affinity.row(cell)) : null];
  });
}

/** Four rows of the block, of which one is this query's. @param {At} at @returns {import("../../pages.js").Question | null} */
function askCousins(at) {
  const { lesson, row, keys, queries, size, q, point, affinity, block: { meta } } = at;
  if (meta.pooled) return null;
  // A cell of the ring that the row itself sets apart gives rows that can be told from it.
  const four = ringPlaces(row, keys, size, middle(queries.rect(q)), point.t), others = four ? four.map(({ cell }) => cell) : fallbackCousins(at);
  const right = q % 4, cells = others.slice(0, 3), rows = cells.map((cell) => Float32Array.from(affinity.row(cell)));
  // Rows that look alike cannot be told apart.
  if (rows.some((other) => !(cosineOf(row, other) < COUSINS_ALIKE))) return null;
  cells.splice(right, 0, q);
  return {
    kind: "which", right,
    options: cells.map((cell, i) => ({
      words: lesson.state.ask ? lesson.say(i === right ? "cousins.ask.this" : "cousins.ask.other") : "", row: Float32Array.from(affinity.row(cell)),
    })),
  };
}

/** Cells far from the query. @param {At} at */
function fallbackCousins({ queries: { cells: [, height, width] }, queries, point }) {
  return [[0.15, 0.15], [0.85, 0.2], [0.2, 0.85]].map(([x, y]) => queries.flat(point.t, Math.floor(y * height), Math.floor(x * width)));
}

/** @param {At} at @param {HTMLElement} box */
function drawCousins(at, box) {
  const { lesson, queries, q } = at;
  for (const [name, block, row] of rowsOf(at)) {
    const canvas = /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-form="${name}"]`));
    if (!block || !row || !canvas) continue;
    const best = bestOf(row), negative = -sumOf(row.filter((w) => w < 0)), total = sumOf(row.map(Math.abs));
    drawMap(canvas, lesson, row, block.keys, { signed: block.meta.signed, query: queries.rect(q), frame: at.point.t });
    lesson.put(`${name}Sum`, decimal(sumOf(row), 3));
    lesson.put(`${name}Top`, row[best]);
    if (block.meta.distribution) lesson.put(`${name}Support`, Math.round(supportOf(row)));
    if (block.meta.signed) lesson.put(`${name}Negative`, share(total ? negative / total : 0));
  }
}

/** @param {At} at */
function bodyCousins({ lesson, revealed }) {
  if (!revealed) return "";
  const says = (/** @type {string} */ name) => ({ dot_product: "cousins.signed", concatenation: "cousins.counted" })[name] || "cousins.shared";
  return `<div class="nlv-try"><p class="nlv-soft nlv-remark">${lesson.say("cousins.scales")}</p><div class="nlv-many">${COUSINS_FORMS.map((name) => `<figure><canvas data-form="${name}" role="img" aria-label="${lesson.say(`cousins.${name}`)}"></canvas><figcaption><b>${lesson.say(`cousins.${name}`)}</b><br>
    ${lesson.say(`cousins.${name}.f`)}<br>${lesson.say(says(name), { sum: liveHtml(`${name}Sum`), support: liveHtml(`${name}Support`), negative: liveHtml(`${name}Negative`) })}</figcaption></figure>`).join("")}</div></div>`;
}

/** @type {import("../../pages.js").Page} */
export const cousinsPage = {
  name: "cousins", veil: true, pointer: "query", stages: ["score", "A"], formulas: ["general"],
  start: { example: "bunny", block: "layer2.1", x: 376, y: 250 },
  needs: () => Object.fromEntries(COUSINS_FORMS.map((model) => [model, { want: "cousin", model }])),
  before: () => ({}),
  facts: (at) => {
    /** @type {import("../../pages.js").Figures} */
    const found = {};
    for (const [name, block, row] of rowsOf(at)) {
      if (!row || !block) continue;
      if (name === "nonlocal_means" || name === "embedded_gaussian") {
        for (const [place, at_] of COUSINS_PLACES) if (!at.neutral) found[`${name === "nonlocal_means" ? "colour" : "learned"}_${place}`] = row[block.keys.find(...at_)] * row.length;
      }
      found[`sum_${name}`] = decimal(sumOf(row), 3);
    }
    return found;
  },
  ask: askCousins,
  none: ({ block: { meta } }) => (meta.pooled ? "cousins.none" : "cousins.none.alike"),
  check: (at) => {
    const sums = Object.fromEntries(rowsOf(at).flatMap(([name, , row]) => (row ? [[name, sumOf(row)]] : []))), { lesson } = at;
    if (Object.keys(sums).length < COUSINS_FORMS.length) return null;
    return { kind: "which", right: 1, options: ["all", "softmax", "none"].map((name) => ({ words: lesson.say(`cousins.check.${name}`) })) };
  },
  body: bodyCousins, draw: drawCousins,
};
