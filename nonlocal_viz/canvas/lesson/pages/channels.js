// Places or channels: what is weighed are positions.

import { channelTable, shuffled, smallMap } from "../../core/sums.js";
import { drawTable } from "../bars.js";
import { liveHtml, tiny } from "../figures.js";
import { dividedBy, formOf } from "../texts.js";
import { placesFor, showShuffle, shuffles } from "./cells.js";
import { shuffledRow } from "../../core/sums.js";

/** @typedef {import("../../pages.js").At} At */

/** Cells a pixel of the small map. */
const CHANNELS_STEP = 8;

/** Queries and keys in another order. @param {At} at */
function shuffledFactors({ affinity, keys }) {
  const places = shuffled(keys.count), { channels, query, key } = affinity,
    moved = { query: new Float32Array(query.length), key: new Float32Array(key.length) };
  places.forEach((to, k) => {
    moved.query.set(query.subarray(k * channels, (k + 1) * channels), to * channels);
    moved.key.set(key.subarray(k * channels, (k + 1) * channels), to * channels);
  });
  return { ...moved, channels, queryTokens: affinity.queryTokens, keyTokens: affinity.keyTokens };
}

/** Both tables, made once a block; moved: the small map of what is shuffled. @param {At} at
 * @returns {{ map: ReturnType<typeof smallMap>, moved: ReturnType<typeof smallMap>, table: Float64Array, top: number, apart: number }} */
function tablesChannels(at) {
  const { memo, affinity, block } = at;
  if (memo.tablesOf === block) return memo.tables;
  const table = channelTable(affinity), other = shuffles(at) ? channelTable(/** @type {any} */ (shuffledFactors(at))) : table;
  let apart = 0, top = 0;
  table.forEach((v, i) => { apart = Math.max(apart, Math.abs(v - other[i])); top = Math.max(top, Math.abs(v)); });
  memo.tablesOf = block;
  const map = smallMap(affinity, CHANNELS_STEP);
  const moved = shuffles(at) ? smallMap(affinity, CHANNELS_STEP, placesFor(at)) : map;
  return (memo.tables = { map, moved, table, top, apart });
}

/** @param {At} at @param {HTMLElement} box */
function drawChannels(at, box) {
  const { lesson, affinity, q, memo } = at, one = /** @type {HTMLCanvasElement | null} */ (box.querySelector('[data-table="positions"]')),
    two = /** @type {HTMLCanvasElement | null} */ (box.querySelector('[data-table="channels"]'));
  showShuffle(at, Boolean(memo.shuffled));
  if (!one || !two || affinity.pairwise.score !== "product") return;
  const { map, moved, table, apart, top } = tablesChannels(at), row = memo.shuffled ? placesFor(at)[q] : q, drawn = memo.shuffled ? moved : map;
  drawTable(one, lesson, drawn.weights, drawn.width, false, Math.floor(row / CHANNELS_STEP));
  if (memo.drawn !== two) drawTable(two, lesson, table, affinity.channels, true);
  memo.drawn = two;
  lesson.put("rowNow", row);
  lesson.put("channelApart", tiny(apart));
  lesson.put("channelTop", top);
  // How many numbers of the table are others than where the pointer was before.
  lesson.put("channelMoved", memo.before ? table.filter((v, i) => v !== memo.before[i]).length : 0);
  memo.before = table;
}

/** @type {import("../../pages.js").Page} */
export const channelsPage = {
  name: "channels", veil: false, pointer: "query", stages: ["theta", "phi", "score"], formulas: ["positions"], softmax: true,
  start: { example: "astronaut", block: "layer2.1", x: 160, y: 400 },
  before: ({ queries, keys, affinity }) => ({ n: queries.count, m: keys.count, d: affinity.channels }),
  facts: ({ queries, keys, affinity }) => ({ positionNumbers: queries.count * keys.count, channelNumbers: affinity.channels ** 2 }),
  ask: ({ queries, keys, affinity }) => {
    const n = queries.count, m = keys.count, d = affinity.channels, size = (/** @type {number} */ a, /** @type {number} */ b) => ({ words: `${a} \u00d7 ${b}` });
    return affinity.pairwise.score !== "product" || d === m ? null : { kind: "which", right: 1, options: [size(d, d), size(n, m), size(n, d)] };
  },
  after: ({ keys }) => (keys.cells[0] > 1 ? "channels.after.clip" : "channels.after"),
  check: ({ lesson }) => ({ kind: "which", right: 0, options: ["same", "twice", "four"].map((name) => ({ words: lesson.say(`channels.check.${name}`) })) }),
  // How large the table is, is what is asked.
  plan: ({ revealed }) => (revealed ? {} : { hidden: ["score", "A"] }),
  body: (at) => {
    const { lesson, revealed, memo, queries, keys, affinity } = at, n = String(queries.count), m = String(keys.count), d = String(affinity.channels),
      positions = lesson.say(formOf(at) ? "channels.positions.form" : "channels.positions", { n, m, what: dividedBy(at) });
    if (!revealed || affinity.pairwise.score !== "product") return "";
    return `<div class="nlv-try"><div class="nlv-small2 nlv-table"><figure><canvas data-table="positions" data-of="A" role="img" aria-label="${positions}"></canvas><figcaption>${positions}</figcaption></figure>
      <figure><canvas data-table="channels" role="img" aria-label="${lesson.say("channels.channels", { d })}"></canvas><figcaption>${lesson.say("channels.channels", { d })}</figcaption></figure></div>
      <p class="nlv-live">${lesson.say("channels.live", { row: liveHtml("rowNow"), moved: liveHtml("channelMoved") })}</p>
      ${shuffles(at) ? `<p class="nlv-tools"><button type="button" class="nlv-button" data-act="shuffle" aria-pressed="${Boolean(memo.shuffled)}">${lesson.say(memo.shuffled ? "cells.back" : "cells.shuffle")}</button></p>
      <p class="nlv-live">${lesson.say("channels.shuffled", { apart: liveHtml("channelApart"), top: liveHtml("channelTop") })}</p>` : ""}</div>`;
  },
  draw: drawChannels,
  paint: (at) => {
    if (!at.memo.shuffled || !shuffles(at)) return null;
    const { row } = shuffledRow(at.affinity, at.q, placesFor(at));
    return { weights: row, grid: at.keys, signed: false, top: row.reduce((most, w) => Math.max(most, w), 0) };
  },
  act: (at, name) => {
    if (name !== "shuffle") return;
    placesFor(at);
    at.memo.shuffled = !at.memo.shuffled;
    at.lesson.render();
    at.lesson.session.draw();
  },
  left: (lesson) => lesson.marks.clear(),
};
