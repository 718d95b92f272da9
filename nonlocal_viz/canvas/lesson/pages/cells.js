// A photo becomes N vectors; the block knows no places.

import { shuffled, shuffledRow } from "../../core/sums.js";
import { drawBars } from "../bars.js";
import { tiny } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */

/** Whether rows can be shuffled as the keys are. @param {At} at */
export const shuffles = ({ block, affinity }) => !block.meta.pooled && block.queries.cells[0] === 1 && affinity.pairwise.score === "product"
  && affinity.pairwise.normalise === "softmax";

/** The shuffle of a grid, made once. @param {At} at @returns {Uint32Array} */
export const placesFor = ({ memo, keys }) => (memo.places?.length === keys.count ? memo.places : (memo.places = shuffled(keys.count)));

/** The query where the shuffle has put it, and the tiles. @param {At} at @param {boolean} on */
export function showShuffle({ lesson, keys, queries, q, memo }, on) {
  const { stage } = lesson.session.scene, places = on ? memo.places : null;
  // Every writing of the page clears the marks: the tiles are laid anew where they are gone.
  lesson.marks.shuffle(keys, places);
  stage.queryMark.hidden ||= on;
  stage.keptMark.hidden ||= on;
  if (places) lesson.marks.box("moved", queries.rect(places[q]), "nlv-query held");
  else lesson.marks.remove("moved");
}

/** @param {At} at @param {HTMLElement} box */
function drawCells(at, box) {
  const { lesson, memo, got, affinity, q, block } = at, resting = lesson.at(), width = block.meta.about?.input || 0;
  showShuffle(at, Boolean(memo.shuffled));
  const bars = (/** @type {string} */ name) => /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-bars="${name}"]`));
  const x = got.x?.x, held = resting ? resting.q : q, [one, two, theta] = ["held", "pointed", "theta"].map(bars);
  if (x && one && two) {
    const top = [held, q].reduce((most, k) => x.subarray(k * width, (k
      + 1) * width).reduce((/** @type {number} */ a, /** @type {number} */ v) => Math.max(a, v), most), 0);
    drawBars(one, x.subarray(held * width, (held + 1) * width), { top: undefined, colour: getComputedStyle(one).getPropertyValue("--x") });
    drawBars(two, x.subarray(q * width, (q + 1) * width), { colour: getComputedStyle(two).getPropertyValue("--x") });
    lesson.put("xTop", top);
  }
  if (theta) drawBars(theta, affinity.query.subarray(q * affinity.channels, (q + 1) * affinity.channels),
    { colour: getComputedStyle(theta).getPropertyValue("--theta") });
}

/** @type {import("../../pages.js").Page} */
export const cellsPage = {
  name: "cells", veil: false, pointer: "query", stages: ["x", "theta", "phi", "g"], formulas: ["linear"],
  start: { example: "astronaut", block: "layer2.1", x: 160, y: 400 },
  needs: () => ({ x: { want: "tensors", names: ["x"] } }),
  before: ({ block: { meta }, queries }) => ({
    n: queries.count, c: meta.about?.input || 0, d: meta.about?.inner || 0, frames: queries.cells[0], rows: queries.cells[1], columns: queries.cells[2],
  }),
  key: ({ queries }, name) => (name === "intro" && queries.cells[0] > 1 ? "cells.intro.clip" : undefined),
  facts: (at) => ({
    thetaNumbers: (at.block.meta.about?.inner || 0) * ((at.block.meta.about?.input || 0) + 1),
    ...(shuffles(at) ? { shuffleApart: tiny(shuffledRow(at.affinity, at.q, placesFor(at)).apart) } : {}),
  }),
  ask: (at) => (shuffles(at) ? { kind: "which", right: 0, options: ["move", "change", "even"].map((name) => ({ words: at.lesson.say(`cells.ask.${name}`) })) } : null),
  check: ({ lesson, block: { meta }, queries }) => ({
    kind: "which", right: 2, options: [
      { words: lesson.say("cells.check.rgb") }, { words: lesson.say("cells.check.d"), value: meta.about?.inner || 0 },
      { words: lesson.say("cells.check.c"), value: meta.about?.input || 0 }, { words: lesson.say("cells.check.n"), value: queries.count },
    ],
  }),
  body: (at) => {
    const { lesson, memo, revealed, block: { meta } } = at, c = String(meta.about?.input || 0), d = String(meta.about?.inner || 0);
    const bars = (/** @type {string} */ name, /** @type {string} */ words, /** @type {string} */ of) => `<p class="nlv-barsname"><span class="nlv-of" data-of="${of}">${words}</span></p>
      <canvas class="nlv-bars" data-bars="${name}" role="img" aria-label="${words}"></canvas>`;
    const shuffle = revealed && shuffles(at) ? `<p class="nlv-tools"><button type="button" class="nlv-button nlv-strong" data-act="shuffle" aria-pressed="${Boolean(memo.shuffled)}">
      ${lesson.say(memo.shuffled ? "cells.back" : "cells.shuffle")}</button></p>` : "";
    return `<div class="nlv-try">${shuffle}${bars("held", lesson.say("cells.held", { c }), "x")}${bars("pointed", lesson.say("cells.pointed", { c }), "x")}
      ${bars("theta", lesson.say("cells.theta", { d }), "theta")}</div>`;
  },
  draw: drawCells,
  paint: (at) => {
    if (!at.memo.shuffled || !shuffles(at)) return null;
    const { row } = shuffledRow(at.affinity, at.q, placesFor(at));
    return { weights: row, grid: at.keys, signed: false, top: row.reduce((most, w) => Math.max(most, w), 0) };
  },
  act: ({ lesson, memo }, name) => {
    if (name !== "shuffle") return;
    memo.shuffled = !memo.shuffled;
    lesson.render();
    lesson.session.draw();
  },
  left: (lesson) => lesson.marks.clear(),
};
