// A dead block: its map is there to be seen, and nothing is added.

import { cosines, lengthOf, sumOf } from "../../core/sums.js";
import { decimal } from "../figures.js";

/** @typedef {import("../../pages.js").Card} Card */

/** @type {Card} */
export const deadCard = {
  start: { example: "bunny", block: "layer2.1", x: 376, y: 250 },
  // The map is what the question is about, and may be seen.
  veil: false, formulas: ["residual"], maps: [], needs: { parts: { want: "tensors", names: ["x", "added"] } },
  ask: ({ lesson }) => ({ kind: "which", key: "limits.dead.ask", right: 2,
    options: ["a", "b", "c"].map((name) => ({ words: lesson.say(`limits.dead.ask.${name}`) })) }),
  after: () => "limits.dead.after",
  facts: () => ({}),
  live: ({ got }) => (got.parts?.added ? "limits.dead.live" : ""),
  draw: ({ lesson, got: { parts }, block: { meta }, q }) => {
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
