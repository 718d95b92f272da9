// One map for all: two queries, far apart, and how alike their rows are.

import { isEven } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { cosineOf } from "../../core/sums.js";
import { drawMap } from "../bars.js";
import { decimal } from "../figures.js";
import { followSweep } from "../sweeping.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../pages.js").Card} Card */

/** The second query, in parts of the photo; where the first lies near it, its mirror image. */
const ALIKE_SECOND = [600 / 1024, 400 / 576];
/** Part of the diagonal within which two places are near. */
const ALIKE_NEAR = 0.15;
/** From this cosine on rows are called alike; below the other they differ. */
const ALIKE_SAME = 0.9;
const ALIKE_OTHER = 0.5;

/** The other query's cell and row, and the cosine of both: NaN where a row is 0 everywhere. @param {At} at */
function secondAlike({ queries, affinity, size: { width, height }, point, row }) {
  const x = ALIKE_SECOND[0] * width, y = ALIKE_SECOND[1] * height, near = Math.hypot(x - point.x, y - point.y) < ALIKE_NEAR * Math.hypot(width, height);
  const cell = queries.find(queries.x.clamp(near ? width - x : x), queries.y.clamp(near ? height - y : y), point.t),
    other = Float32Array.from(affinity.row(cell));
  return { other, cell, cosine: cosineOf(row, other) };
}

/** What the two rows are: "zero" where one holds nothing, "even" where nothing stands out of either, "same", "other", "between".
 * @param {At} at @param {{ other: Float32Array, cosine: number }} second */
function kindAlike({ row }, { other, cosine }) {
  if (Number.isNaN(cosine)) return "zero";
  if (isEven(row) && isEven(other)) return "even";
  return cosine >= ALIKE_SAME ? "same" : cosine < ALIKE_OTHER ? "other" : "between";
}

/** @type {Card} */
export const alikeCard = {
  start: { example: "bunny", block: "layer2.1", x: 376, y: 250, model: "concatenation" },
  veil: true, formulas: [], maps: ["one", "two"], needs: {},
  ask: (at) => {
    const { lesson } = at, second = secondAlike(at), kind = kindAlike(at, second);
    if (kind !== "same" && kind !== "other") return null;
    return { kind: "which", key: "limits.alike.ask", right: kind === "same" ? 1 : second.cosine < -ALIKE_OTHER ? 2 : 0,
      options: ["a", "b", "c"].map((name) => ({ words: lesson.say(`limits.alike.ask.${name}`) })) };
  },
  none: (at) => `limits.alike.none.${kindAlike(at, secondAlike(at))}`,
  after: (at) => `limits.alike.after.${kindAlike(at, secondAlike(at))}`,
  facts: (at) => {
    const { cosine } = secondAlike(at);
    return Number.isNaN(cosine) ? {} : { cosine: decimal(cosine, 3) };
  },
  live: (at) => (Number.isNaN(secondAlike(at).cosine) ? "" : at.affinity.pairwise.score === "sum" ? "limits.alike.live.sum" : "limits.alike.live"),
  draw: (at, { one, two }) => {
    const { lesson, row, keys, queries, q, block: { meta: { signed } }, affinity } = at, { other, cell, cosine } = secondAlike(at);
    if (!Number.isNaN(cosine)) lesson.put("cosine", decimal(cosine, 3));
    if (one) drawMap(one, lesson, row, keys, { signed, query: queries.rect(q), frame: at.point.t });
    if (two) drawMap(two, lesson, other, keys, { signed, query: queries.rect(cell), frame: at.point.t });
    if (affinity.heads === 1) followSweep(at, ({ mean }) => { if (!Number.isNaN(mean)) lesson.put("meanCosine", decimal(mean, 3)); });
  },
  marks: (at) => {
    const { lesson: { marks }, queries, q } = at;
    marks.letter("1", middle(queries.rect(q)));
    marks.letter("2", middle(queries.rect(secondAlike(at).cell)));
  },
};
