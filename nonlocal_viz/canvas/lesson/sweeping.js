// A pass over all rows of a block, in parts between which the page stays alive; its results are kept with the block.

import { sweep } from "../core/sums.js";

/** @typedef {import("../core/sums.js").Sweep} Sweep */

/** Milliseconds of a part. */
const PART = 12;

/** @param {import("../pages.js").At} at @param {(found: Sweep) => void} then at once where it is known; else once it is */
export function followSweep({ block, affinity, lesson }, then) {
  const known = lesson.swept.get(block);
  if (known) then(known);
  if (known !== undefined) return;
  lesson.swept.set(block, null);
  const passes = sweep(affinity);
  const go = () => {
    const until = performance.now() + PART;
    for (let step = passes.next(); ; step = passes.next()) {
      if (step.done) {
        lesson.swept.set(block, step.value);
        if (lesson.session.open?.block === block) lesson.render();
        return;
      }
      if (performance.now() > until) break;
    }
    setTimeout(go, 4);
  };
  setTimeout(go, 30);
}
