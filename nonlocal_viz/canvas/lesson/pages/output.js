// What comes out: the weighted mean of the values, brought back and added to x.

import { cosineOf, cosines, lengthOf, mixture, sumOf } from "../../core/sums.js";
import { drawBars } from "../bars.js";
import { decimal, holding, liveHtml, marked } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */

/** The tensors of the page, if they are here. @param {At} at @returns {{ x: Float32Array, g: Float32Array, added: Float32Array, c: number, d:
 * number } | null} */
function tensorsOutput({ got, block: { meta } }) {
  const { x, g, added } = got.parts || {};
  return x && g && added && meta.about ? { x, g, added, c: meta.about.input, d: meta.about.inner } : null;
}

/** x + share * added of a cell. @param {{ x: Float32Array, added: Float32Array, c: number }} parts @param {number} q @param {number} share */
function outOf({ x, added, c }, q, share) {
  return Float32Array.from({ length: c }, (_, i) => x[q * c + i] + share * added[q * c + i]);
}

/** So many other cells are looked at, evenly over all. */
const OUTPUT_OTHERS = 24;

/** How alike y of this cell is to that of others, by the least and the greatest cosine. @param {At} at @param {{ g: Float32Array, d: number }} parts */
function spreadOutput({ affinity, row, q, queries, keys }, { g, d }) {
  const y = mixture(row, g, d), step = Math.max(1, Math.floor(queries.count / OUTPUT_OTHERS)), found = [];
  if (queries.cells[0] !== keys.cells[0]) return {};
  for (let other = step >> 1; other < queries.count; other += step) if (other !== q) found.push(cosineOf(y, mixture(affinity.row(other), g, d)));
  if (!found.length || found.some(Number.isNaN)) return {};
  return { yOthers: found.length, yLeast: decimal(Math.min(...found), 3), yMost: decimal(Math.max(...found), 3) };
}

/** @param {At} at @param {HTMLElement} box */
function drawOutput(at, box) {
  const { lesson, memo, row, q } = at, parts = tensorsOutput(at), share = memo.gamma ?? 0;
  lesson.put("gamma", decimal(share, 2));
  if (!parts) return;
  const { x, g, added, c, d } = parts, own = x.subarray(q * c, (q + 1) * c), more = added.subarray(q * c, (q + 1) * c).map((v) => share * v),
    y = mixture(row, g, d), z = outOf(parts, q, share);
  const bars = (/** @type {string} */ name, /** @type {ArrayLike<number>} */ numbers, /** @type {string} */ colour) => {
    const canvas = /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-bars="${name}"]`));
    if (canvas) drawBars(canvas, numbers, { colour: getComputedStyle(canvas).getPropertyValue(colour), ...(name === "added"
      ? { top: Math.max(...added.subarray(q * c, (q + 1) * c).map(Math.abs)) } : {}) });
  };
  bars("x", own, "--x");
  bars("y", y, "--y");
  bars("added", more, "--wz");
  bars("z", z, "--x");
  const alike = cosines(x, added, c, share, q);
  const [xSize, addedSize, zSize] = holding([lengthOf(own), lengthOf(more), lengthOf(z)], ([a, b]) => !a || (b / a).toFixed(3) === (lengthOf(more)
    / lengthOf(own)).toFixed(3));
  lesson.put("xSize", xSize);
  lesson.put("ySize", lengthOf(y));
  lesson.put("addedSize", addedSize);
  lesson.put("zSize", zSize);
  lesson.put("moved", decimal(lengthOf(more) / (lengthOf(own) || 1), 3));
  lesson.put("alike", decimal(sumOf(alike) / alike.length, 2));
}

/** @param {At} at */
function bodyOutput(at) {
  const { lesson, memo, block: { meta }, revealed } = at, c = String(meta.about?.input || 0), d = String(meta.about?.inner || 0);
  const bars = (/** @type {string} */ name, /** @type {string} */ of, /** @type {string} */ size) => `<p class="nlv-barsname"><span class="nlv-of" data-of="${of}">${marked(lesson.say(`output.bars.${name}`, { c, d }))}</span>
    <span>${lesson.say("output.length")} ${liveHtml(size)}</span></p><canvas class="nlv-bars" data-bars="${name}" role="img" aria-label="${lesson.say(`output.bars.${name}`, { c, d })}"></canvas>`;
  const press = (/** @type {string} */ show) => `<button type="button" class="nlv-button" data-act="show-map" data-choice="${show}" aria-pressed="${(memo.shows || "row") === show}">${lesson.say(`output.shows.${show}`)}</button>`;
  if (!revealed) return "";
  return `<div class="nlv-try"><p class="nlv-tools"><label><span class="nlv-of" data-of="bn">${lesson.say("output.gamma")}</span> <input type="range" min="0" max="1" step="0.05" value="${memo.gamma ?? 0}" data-slide="gamma"> ${liveHtml("gamma")}</label></p>
    <p class="nlv-tools">${press("row")}${press("alike")}</p><p class="nlv-live">${lesson.say("output.live", { moved: liveHtml("moved"), alike: liveHtml("alike") })}</p>
    ${bars("x", "x", "xSize")}${bars("y", "y", "ySize")}${bars("added", "bn", "addedSize")}${bars("z", "z", "zSize")}</div>`;
}

/** @type {import("../../pages.js").Page} */
export const outputPage = {
  name: "output", veil: false, pointer: "query", stages: ["A", "g", "y", "wz", "bn", "z"], formulas: ["mixture", "residual"],
  start: { example: "bunny", block: "layer2.1", x: 376, y: 250 },
  needs: () => ({ parts: { want: "tensors", names: ["x", "g", "added"] } }),
  before: ({ block: { meta } }) => ({ c: meta.about?.input || 0, d: meta.about?.inner || 0 }),
  facts: (at) => {
    const parts = tensorsOutput(at);
    if (!parts) return {};
    const { x, added, c } = parts,
      mean = (/** @type {number} */ share) => { const all = cosines(x, added, c, share, at.q); return decimal(sumOf(all) / all.length, 2); };
    const [own, more] = [x, added].map((t) => lengthOf(t.subarray(at.q * c, (at.q + 1) * c)));
    return { alikeBefore: mean(0), alikeAfter: mean(1), movedWhole: decimal(more / (own || 1), 3), ...spreadOutput(at, parts) };
  },
  ask: ({ lesson }) => ({ kind: "which", right: 2, options: ["black", "even", "same"].map((name) => ({ words: lesson.say(`output.ask.${name}`) })) }),
  check: ({ lesson }) => ({ kind: "which", right: 1, options: ["mixture", "added", "replaced"].map((name) => ({ words: lesson.say(`output.check.${name}`) })) }),
  key: (at, name) => {
    if (name !== "more") return undefined;
    const parts = tensorsOutput(at), { yLeast, yMost } = parts ? spreadOutput(at, parts) : {};
    return yLeast && yMost && yLeast.text === yMost.text ? "output.more.even" : undefined;
  },
  body: bodyOutput, draw: drawOutput,
  paint: (at) => {
    const parts = tensorsOutput(at);
    if (at.memo.shows !== "alike" || !parts) return null;
    return { what: "painted.cosine", weights: cosines(parts.x, parts.added, parts.c, at.memo.gamma ?? 0, at.q), grid: at.queries, signed: true, top: 1 };
  },
  act: ({ lesson, memo }, name, element) => {
    if (name !== "show-map") return;
    memo.shows = element.dataset.choice;
    lesson.render();
    lesson.session.draw();
  },
  slide: ({ lesson, memo }, name, value) => {
    if (name !== "gamma") return;
    memo.gamma = value;
    lesson.session.draw();
  },
};
