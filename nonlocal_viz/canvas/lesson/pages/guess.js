// One cell can look at any other, however far.

import { firstOf, gradedPlace, isEven, ringPlaces } from "../../core/grading.js";
import { middle } from "../../core/grid.js";
import { bestOf } from "../../core/sums.js";
import { letteredPlace } from "../asking.js";
import { liveHtml, share, timesEven } from "../figures.js";
import { followSweep } from "../sweeping.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../pages.js").Question} Question */

/** Of the shipped photo, in pixels: what the check asks from, and what it offers. @type {[number, number]} */
const GUESS_OTHER = [165, 112];
/** @type {[string, [number, number]][]} */
const GUESS_PLACES = [["there", [318, 128]], ["nose", [250, 235]], ["self", GUESS_OTHER], ["ground", [420, 150]]];

/** How many times an even share. @param {At} at @param {number} k */
const timesGuess = ({ row }, k) => row[k] * row.length;

/** Pixels between the middles of the query and of a key. @param {At} at @param {number} k */
export function apart({ queries, keys, q }, k) {
  const [x, y] = middle(queries.rect(q)), [u, v] = middle(keys.rect(k));
  return Math.round(Math.hypot(u - x, v - y));
}

/** Where the strongest key lies: "even" where none stands out, "tie" where several share the first rank,
 * "self", "near" for a neighbour, "frame" for another frame, "far".
 * @param {At} at */
function kindGuess(at) {
  const { row, keys, point } = at, best = bestOf(row), own = keys.find(point.x, point.y, point.t);
  if (isEven(row)) return "even";
  if (firstOf(row) > 1) return "tie";
  if (best === own) return "self";
  const [a, b] = [best, own].map((k) => keys.unflat(k));
  if (a[0] !== b[0]) return "frame";
  return Math.max(Math.abs(a[1] - b[1]), Math.abs(a[2] - b[2])) <= 1 ? "near" : "far";
}

/** The key furthest away that gets an even share at least. @param {At} at */
function reachGuess(at) {
  const { row } = at, far = Array.from(row, (w, k) => (w * row.length >= 1 ? apart(at, k) : -1));
  return bestOf(far.map((d) => Math.max(0, d)));
}

/** @param {At} at @returns {Question | null} */
function askGuess(at) {
  const { lesson, row, keys, size, point, queries, q } = at, own = middle(queries.rect(q));
  if (isEven(row)) return null;
  // Where marking the query itself would do, the question would test nothing.
  if (lesson.memo.where === undefined || lesson.memo.whereOf !== q) {
    lesson.memo.where = !gradedPlace(row, keys, size, own, point.t).pass;
    lesson.memo.whereOf = q;
  }
  if (lesson.memo.where) return { kind: "where" };
  const four = ringPlaces(row, keys, size, own, point.t);
  if (!four) return null;
  const right = four.reduce((best, { value }, i) => (Math.abs(value) > Math.abs(four[best].value) ? i : best), 0);
  return { kind: "which", right, own: true, options: four.map(({ x, y, value }, i) => ({ words: letteredPlace(lesson, i),
    ...timesEven(value * row.length), place: [x, y] })) };
}

/** @param {At} at @returns {Question | null} */
function checkGuess(at) {
  const { lesson, keys, affinity } = at;
  if (at.neutral) return null;
  const row = Float32Array.from(affinity.row(at.queries.find(...GUESS_OTHER))), values = GUESS_PLACES.map(([, place]) => row[keys.find(...place)] * row.length);
  return {
    kind: "which", right: values.indexOf(Math.max(...values)),
    options: GUESS_PLACES.map(([name, place], i) => ({ words: lesson.say(`guess.check.${name}`), ...timesEven(values[i]), place })),
  };
}

/** The cell that the check asks from, while its row is shown; -1: it is not. @param {At} at */
function otherGuess({ lesson, neutral, queries }) {
  return lesson.state.check && !neutral && !lesson.session.pointed.preview ? queries.find(...GUESS_OTHER) : -1;
}

/** @type {import("../../pages.js").Page} */
export const guessPage = {
  name: "guess", veil: true, pointer: "query", stages: ["x", "A"], formulas: [],
  start: { example: "cat", block: "layer3.1", x: 318, y: 128 },
  before: ({ keys }) => ({ m: keys.count }),
  facts: (at) => {
    const best = bestOf(at.row), own = at.keys.find(at.point.x, at.point.y, at.point.t);
    const reach = reachGuess(at);
    return { peakTimes: timesGuess(at, best), selfTimes: own < 0 ? 0 : timesGuess(at, own), distance: apart(at, best), frame: at.point.t, ties: firstOf(at.row),
      bestFrame: at.keys.unflat(best)[0], reach: apart(at, reach), reachTimes: timesGuess(at, reach) };
  },
  after: (at) => (at.neutral ? `guess.after.${kindGuess(at)}` : "guess.after"),
  ask: askGuess, check: checkGuess,
  // Once the check is answered, the photo shows the row that it is about; pointing shows every other.
  paint: (at) => {
    const other = otherGuess(at);
    at.lesson.session.scene.stage.queryMark.hidden ||= other >= 0;
    if (other < 0) { at.lesson.marks.remove("moved"); return null; }
    const weights = Float32Array.from(at.affinity.row(other));
    at.lesson.marks.box("moved", at.queries.rect(other), "nlv-query held");
    return { weights, grid: at.keys, signed: at.block.meta.signed, top: weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0) };
  },
  body: ({ lesson, revealed }) => (!revealed ? "" : `<p class="nlv-live" data-live="first">${lesson.say("guess.live", { now: liveHtml("nowTimes"), far: liveHtml("nowFar") })}</p>
    <p class="nlv-live" data-live="even" hidden>${lesson.say("guess.live.even")}</p>`),
  draw: (at, box) => {
    // Of a row without a first place none is named.
    const even = isEven(at.row);
    for (const one of /** @type {NodeListOf<HTMLElement>} */ (box.querySelectorAll("[data-live]"))) one.hidden = (one.dataset.live === "even") !== even;
    const best = bestOf(at.row);
    at.lesson.put("nowTimes", timesGuess(at, best));
    at.lesson.put("nowFar", apart(at, best));
    followSweep(at, (found) => at.lesson.put("selfShare", share(found.ownBest / at.queries.count)));
  },
};
