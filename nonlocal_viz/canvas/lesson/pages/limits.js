// What a map does not say: four ways to be misled, each with a network that does it.

import { cosines, lengthOf, sumOf } from "../../core/sums.js";
import { bestOf } from "../../core/sums.js";
import { drawMap } from "../bars.js";
import { decimal, liveHtml, marked, share } from "../figures.js";
import { followSweep } from "../sweeping.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../pages.js").Start} Start */

/** The cards, each with what it opens. @type {Record<string, Start>} */
const LIMITS_DOORS = {
  alike: { example: "bunny", block: "layer2.1", x: 376, y: 250, model: "concatenation" },
  sink: { example: "bunny", block: "layer2.1", x: 376, y: 250, model: "labels_only" },
  carry: { example: "astronaut", block: "layer2.1", x: 416, y: 83, model: "labels_only" },
  dead: { example: "bunny", block: "layer2.1", x: 376, y: 250 },
};
const LIMITS_NAMES = Object.keys(LIMITS_DOORS);
/** The second query of the card of collapse, in parts of the photo. */
const SECOND = [600 / 1024, 400 / 576];

/** @param {At} at */
const doorOf = ({ memo }) => memo.door || "carry";

/** Another query's row, and the cosine of both. @param {At} at */
function secondLimits({ queries, affinity, size, point, row }) {
  const cell = queries.find(queries.x.clamp(SECOND[0] * size.width), queries.y.clamp(SECOND[1] * size.height), point.t),
    other = Float32Array.from(affinity.row(cell));
  const product = row.reduce((sum, w, k) => sum + w * other[k], 0);
  return { other, cell, cosine: product / (lengthOf(row) * lengthOf(other) || 1) };
}

/** What each key adds: the size of its weight times its value behind W_z. @param {At} at @returns {Float32Array | null} */
function carriedLimits({ got, row }) {
  const { sizes } = got.sizes || {};
  return sizes && sizes.length === row.length ? row.map((w, k) => Math.abs(w) * sizes[k]) : null;
}

/** The place of a key among all by what it adds, 1 is first. @param {ArrayLike<number>} list @param {number} k */
const rankOf = (list, k) => 1 + Array.from(list).filter((v) => v > list[k]).length;

/** @param {At} at @returns {import("../../pages.js").Question | null} */
function askLimits(at) {
  const { lesson, row, keys } = at, door = doorOf(at);
  if (door !== "carry") return { kind: "which", key: `limits.${door}.ask`, right: { alike: 1, sink: 0, dead: 2 }[/** @type {"alike"} */ (door)], options: ["a", "b", "c"].map((name) => ({ words: lesson.say(`limits.${door}.ask.${name}`) })) };
  const adds = carriedLimits(at);
  if (!adds) return null;
  const heavy = bestOf(row), best = bestOf(adds);
  if (heavy === best) return null;
  /** @type {[number, number][]} */
  const places = [heavy, best].map((k) => { const { left, right, top, bottom } = keys.rect(k); return [(left + right) / 2, (top + bottom) / 2]; });
  const first = best < heavy ? 0 : 1, order = first === 0 ? [1, 0] : [0, 1];
  return { kind: "which", key: "limits.carry.ask", right: order.indexOf(1), options: order.map((i) => ({ words: lesson.say("asking.place"),
    ...share(adds[[heavy, best][i]] / (sumOf(adds) || 1)), place: places[i] })) };
}

/** What each card shows. @type {Record<string, (at: At, maps: (HTMLCanvasElement | null)[]) => void>} */
const SHOWN = {
  alike: (at, [one, two]) => {
    const { lesson, row, keys, queries, q, block: { meta: { signed } }, affinity } = at, { other, cell, cosine } = secondLimits(at);
    lesson.put("cosine", decimal(cosine, 3));
    if (one) drawMap(one, lesson, row, keys, { signed, query: queries.rect(q), frame: at.point.t });
    if (two) drawMap(two, lesson, other, keys, { signed, query: queries.rect(cell), frame: at.point.t });
    if (affinity.heads === 1) followSweep(at, (found) => lesson.put("meanCosine", decimal(found.mean, 3)));
  },
  sink: (at, [one]) => {
    const { lesson, keys, queries, block: { meta: { signed } }, affinity } = at;
    if (affinity.heads === 1) followSweep(at, ({ columns, bestOf: chosen }) => {
      const best = bestOf(columns), even = sumOf(columns) / columns.length, sorted = Float64Array.from(columns).sort().reverse();
      lesson.put("sinkTimes", columns[best] / (even || 1));
      lesson.put("sinkShare", share(chosen[best] / queries.count));
      lesson.put("fewShare", share(sumOf(sorted.subarray(0, Math.max(1, Math.round(sorted.length / 100)))) / (sumOf(sorted) || 1)));
      lesson.marks.box("sink", keys.rect(best), "nlv-key");
      if (one) drawMap(one, lesson, Float32Array.from(columns), keys, { signed, frame: 0 });
    });
  },
  carry: (at, [one, two]) => {
    const { lesson, row, keys, queries, q } = at, adds = carriedLimits(at), total = adds ? sumOf(adds) || 1 : 1;
    if (!adds) return;
    lesson.put("heavyAdds", share(adds[bestOf(row)] / total));
    lesson.put("bestAdds", share(adds[bestOf(adds)] / total));
    if (one) drawMap(one, lesson, row, keys, { signed: at.block.meta.signed, query: queries.rect(q), frame: at.point.t });
    if (two) drawMap(two, lesson, adds, keys, { query: queries.rect(q), frame: at.point.t });
  },
  dead: ({ lesson, got: { parts }, block: { meta }, q }) => {
    if (!parts?.x || !parts.added) return;
    const c = meta.about?.input || 0, own = parts.added.subarray(q * c, (q + 1) * c), mean = (/** @type {number} */ much) => {
      const all = cosines(parts.x, parts.added, c, much, q);
      return decimal(sumOf(all) / all.length, 2);
    };
    lesson.put("deadAdded", decimal(0 * lengthOf(own), 2));
    lesson.put("liveAdded", decimal(lengthOf(own), 2));
    lesson.put("alikeDead", mean(0));
    lesson.put("alikeLive", mean(1));
  },
};

/** @param {At} at @param {HTMLElement} box */
function drawLimits(at, box) {
  SHOWN[doorOf(at)](at, ["one", "two"].map((name) => /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-map="${name}"]`))));
}

/** @param {At} at */
function bodyLimits(at) {
  const { lesson, revealed } = at, door = doorOf(at);
  if (!revealed) return "";
  const map = (/** @type {string} */ name) => `<figure><canvas data-map="${name}" role="img" aria-label="${lesson.say(`limits.${door}.${name}`)}"></canvas><figcaption>${marked(lesson.say(`limits.${door}.${name}`))}</figcaption></figure>`;
  const maps = { alike: ["one", "two"], sink: ["one"], carry: ["one", "two"], dead: [] }[/** @type {"alike"} */ (door)] || [];
  const live = Object.fromEntries(["cosine", "meanCosine", "sinkTimes", "sinkShare", "fewShare", "heavyAdds", "bestAdds", "deadAdded", "liveAdded",
    "alikeDead", "alikeLive"].map((name) => [name, liveHtml(name)]));
  return `<div class="nlv-try"><div class="nlv-small2">${maps.map(map).join("")}</div><p class="nlv-live">${lesson.say(`limits.${door}.live`, live)}</p></div>`;
}

/** The four cards. @param {At} at */
function cardsLimits(at) {
  const { lesson } = at, now = doorOf(at);
  return `<p class="nlv-tools nlv-cards" role="group" aria-label="${lesson.say("limits.cards")}">${LIMITS_NAMES.map((name) =>
    `<button type="button" class="nlv-button" data-act="door" data-door="${name}" aria-pressed="${name === now}">${lesson.say(`limits.${name}.card`)}</button>`).join("")}</p>`;
}

/** @type {import("../../pages.js").Page} */
export const limitsPage = {
  name: "limits", veil: true, pointer: "query", stages: ["A", "g", "wz"], formulas: ["carried"],
  start: LIMITS_DOORS.carry, doors: LIMITS_DOORS,
  needs: (_block, _point, { door }) => ({
    ...(door === undefined || door === "carry" ? { sizes: { want: "tensors", names: ["sizes"] } } : {}), ...(door === "dead"
      ? { parts: { want: "tensors", names: ["x", "added"] } } : {}),
  }),
  lead: cardsLimits,
  after: (at) => {
    const adds = doorOf(at) === "carry" ? carriedLimits(at) : null;
    return adds && bestOf(adds) === bestOf(at.row) ? "limits.carry.agree" : `limits.${doorOf(at)}.after`;
  },
  before: () => ({}),
  facts: (at) => {
    const adds = doorOf(at) === "carry" ? carriedLimits(at) : null;
    if (!adds) return {};
    const heavy = bestOf(at.row), best = bestOf(adds), total = sumOf(adds) || 1;
    return { heavyWeight: at.row[heavy], bestWeight: at.row[best], rank: heavy === best ? undefined : rankOf(adds, heavy),
      heavyShare: share(adds[heavy] / total),
      bestShare: share(adds[best] / total), m: at.keys.count };
  },
  ask: askLimits,
  check: (at) => ({ kind: "which", right: 1, options: ["a", "b", "c"].map((name) => ({ words: at.lesson.say(`limits.check.${name}`) })) }),
  body: bodyLimits, draw: drawLimits,
};
