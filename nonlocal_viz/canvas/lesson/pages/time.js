// Space and time: a clip is more cells, nothing else.

import { frameShares, strongest } from "../../core/stats.js";
import { drawBars } from "../bars.js";
import { liveHtml, share } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */

/** From so many frames on pairs are asked about. */
const TIME_PAIRED = 4;
/** So many times the least are worth a question. */
const TIME_CLEAR = 1.5;

/** The share of the row that each frame holds. @param {At} at */
const sharesOf = ({ row, keys }) => frameShares(row, keys);

/** What is asked about, from the frames' shares: pairs of neighbours where there are enough of them, else single frames.
 * @param {number[]} shares @returns {{ frames: number[], held: number }[]} */
function partsTime(shares) {
  const single = shares.map((held, t) => ({ frames: [t], held }));
  return shares.length < TIME_PAIRED ? single : shares.slice(1).map((held, t) => ({ frames: [t, t + 1], held: held + shares[t] }));
}

/** The least, the most, and one between; null where they are too much alike for a guess to test anything.
 * @param {At} at @returns {import("../../pages.js").Question | null} */
function askTime(at) {
  const shares = sharesOf(at), { lesson } = at, parts = partsTime(shares);
  if (shares.length < 2) return null;
  const sorted = [...parts].sort((a, b) => a.held - b.held), most = sorted[sorted.length - 1];
  // Where each frame looks at itself alone, there is nothing to guess.
  if (!sorted[0].held || most.held < TIME_CLEAR * sorted[0].held) return null;
  const chosen = [...new Set([sorted[0], sorted[sorted.length >> 1], most])].sort((a, b) => a.frames[0] - b.frames[0]);
  return {
    kind: "which", right: chosen.indexOf(sorted[0]), ...(shares.length < TIME_PAIRED ? { key: "time.ask.frame" } : {}),
    options: chosen.map(({ frames: [one, two], held }) => ({ words: two === undefined ? lesson.say("time.ask.one", { one: String(one) })
      : lesson.say("time.ask.pair", { one: String(one), two: String(two) }), ...share(held) })),
  };
}

/** @param {At} at @param {HTMLElement} box */
function drawTime(at, box) {
  const { lesson, row, keys, point, memo } = at, shown = memo.own ? withinTime(at) : row, shares = frameShares(shown, keys),
    canvas = /** @type {HTMLCanvasElement | null} */ (box.querySelector('[data-bars="frames"]'));
  if (canvas) drawBars(canvas, shares, { colour: getComputedStyle(canvas).getPropertyValue("--a") });
  lesson.put("ownShare", share(shares[point.t] || 0));
  lesson.put("keyFrame", keys.unflat(strongest(shown, 1)[0])[0]);
  lesson.put("queryFrame", point.t);
}

/** The row within its own frame: the same scores, divided by their own sum, or by the number of keys of one frame. @param {At} at */
export function withinTime({ row, keys, point, affinity: { pairwise } }) {
  const size = keys.cells[1] * keys.cells[2], from = point.t * size, out = new Float32Array(row.length);
  let total = 0;
  for (let k = from; k < from + size; k++) total += row[k];
  const by = pairwise.normalise === "count" ? size / row.length : total || 1;
  for (let k = from; k < from + size; k++) out[k] = row[k] / by;
  return out;
}

/** @type {import("../../pages.js").Page} */
export const timePage = {
  name: "time", veil: true, pointer: "query", stages: ["x", "A"], formulas: ["softmax"],
  start: { example: "bunny-clip", block: "layer3.1", x: 300, y: 200, frame: 4 },
  before: ({ queries: { cells: [frames, rows, columns], count }, point }) => ({ t: point.t, frames, rows, columns, n: count, even: share(1 / frames) }),
  facts: (at) => {
    const shares = sharesOf(at), most = Math.max(...shares), least = shares.indexOf(Math.min(...shares));
    return { kt: at.keys.unflat(strongest(at.row, 1)[0])[0], first: share(shares[0]), least, leastShare: share(shares[least]),
      most: shares.indexOf(most), mostShare: share(most) };
  },
  key: (at, name) => (at.keys.cells[0] < 2 && name === "intro" ? "time.intro.still" : undefined),
  after: (at) => (at.keys.cells[0] < 2 ? "time.after.still" : at.neutral ? "time.after.own" : "time.after"),
  ask: askTime,
  none: (at) => (at.keys.cells[0] < 2 ? "time.none" : sharesOf(at).filter(Boolean).length === 1 ? "time.none.apart"
    : "time.none.even"),
  check: (at) => (at.keys.cells[0] < 2 ? null : { kind: "which", right: 1, options: ["more", "same", "each"].map((name) => ({ words: at.lesson.say(`time.check.${name}`) })) }),
  body: ({ lesson, revealed, memo, keys }) => (!revealed || keys.cells[0] < 2 ? "" : `<div class="nlv-try"><p class="nlv-barsname"><span class="nlv-of" data-of="A">${lesson.say("time.shares")}</span></p>
    <canvas class="nlv-bars high" data-bars="frames" role="img" aria-label="${lesson.say("time.shares")}"></canvas>
    <p class="nlv-frameticks" aria-hidden="true">${Array.from({ length: keys.cells[0] }, (_, t) => `<span>${t}</span>`).join("")}</p>
    <p class="nlv-tools"><button type="button" class="nlv-button" data-act="own-frame" aria-pressed="${Boolean(memo.own)}">${lesson.say("time.own")}</button></p>
    <p class="nlv-live">${lesson.say("time.live", { own: liveHtml("ownShare"), frame: liveHtml("queryFrame"), key: liveHtml("keyFrame") })}</p></div>`),
  draw: drawTime,
  paint: (at) => {
    if (!at.memo.own || at.keys.cells[0] < 2) return null;
    const weights = withinTime(at);
    return { what: "painted.own", weights, grid: at.keys, signed: at.block.meta.signed, top: weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0) };
  },
  act: ({ lesson, memo }, name) => {
    if (name !== "own-frame") return;
    memo.own = !memo.own;
    lesson.render();
    lesson.session.draw();
  },
};
