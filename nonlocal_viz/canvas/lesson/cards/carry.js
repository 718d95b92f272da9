// Weight is not contribution: what a key adds is its weight times its value behind W_z.

import { isEven, sameAll } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { bestOf, sumOf } from "../../core/sums.js";
import { letteredPlace } from "../asking.js";
import { drawMap } from "../bars.js";
import { share } from "../figures.js";
import { COUNTING } from "../texts.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../pages.js").Card} Card */

/** What each key adds: the size of its weight times its value behind W_z. @param {At} at @returns {Float32Array | null} */
function carriedOf({ got, row }) {
  const { sizes } = got.sizes || {};
  return sizes && sizes.length === row.length ? row.map((w, k) => Math.abs(w) * sizes[k]) : null;
}

/** The place of a key among all by what it adds, 1 is first. @param {ArrayLike<number>} list @param {number} k */
const rankOf = (list, k) => 1 + Array.from(list).filter((v) => v > list[k]).length;

/** @type {Card} */
export const carryCard = {
  start: { example: "astronaut", block: "layer2.1", x: 416, y: 83, model: "labels_only" },
  veil: true, formulas: ["carried"], maps: ["one", "two"], needs: { sizes: { want: "tensors", names: ["sizes"] } },
  ask: (at) => {
    const { lesson, row, keys } = at, adds = carriedOf(at);
    if (!adds || isEven(row)) return null;
    const heavy = bestOf(row), best = bestOf(adds);
    if (heavy === best) return null;
    const order = best < heavy ? [best, heavy] : [heavy, best], total = sumOf(adds) || 1;
    return { kind: "which", key: order[0] === heavy ? "limits.carry.ask.first" : "limits.carry.ask.second", right: order.indexOf(best),
      options: order.map((k, i) => ({ words: letteredPlace(lesson, i), ...share(adds[k] / total), place: middle(keys.rect(k)) })) };
  },
  none: (at) => {
    if (at.got.sizes === false) return "limits.carry.none.refused";
    return !carriedOf(at) ? COUNTING : isEven(at.row) ? "asking.even" : "limits.carry.none";
  },
  after: (at) => {
    const adds = carriedOf(at);
    if (adds && sameAll(at.row) && sameAll(adds)) return "limits.carry.agree.even";
    return adds && bestOf(adds) === bestOf(at.row) ? "limits.carry.agree" : "limits.carry.after";
  },
  facts: (at) => {
    const adds = carriedOf(at);
    if (!adds) return {};
    const heavy = bestOf(at.row), best = bestOf(adds), total = sumOf(adds) || 1;
    return { heavyWeight: at.row[heavy], bestWeight: at.row[best], rank: heavy === best ? undefined : rankOf(adds, heavy),
      heavyShare: share(adds[heavy] / total), bestShare: share(adds[best] / total), m: at.keys.count };
  },
  live: (at) => (carriedOf(at) ? "limits.carry.live" : ""),
  draw: (at, { one, two }) => {
    const { lesson, row, keys, queries, q } = at, adds = carriedOf(at), total = adds ? sumOf(adds) || 1 : 1;
    if (!adds) return;
    lesson.put("heavyAdds", share(adds[bestOf(row)] / total));
    lesson.put("bestAdds", share(adds[bestOf(adds)] / total));
    if (one) drawMap(one, lesson, row, keys, { signed: at.block.meta.signed, query: queries.rect(q), frame: at.point.t });
    if (two) drawMap(two, lesson, adds, keys, { query: queries.rect(q), frame: at.point.t });
  },
};
