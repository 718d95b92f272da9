// Numbers and answers in words: what stands beside the picture, under the bar, on pins, and what is spoken.

import { gathered } from "./stats.js";

/** @typedef {import("./answer.js").Answer} Answer */

/** Three digits. @param {number} value */
export function number(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 0.001 && size < 10000 ? String(+value.toPrecision(3)) : value.toExponential(1);
}

/** @param {number} share */
export const percent = (share) => `${share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toPrecision(2)} %`;

/** The name of a pairwise function, as people write it. @param {string} instantiation */
export const label = (instantiation) => instantiation.replaceAll("_", " ");

/** What the readout says of an answer, by the names of its places. @param {Answer} answer @returns {Record<string, string>} */
export function readoutWords(answer) {
  const { weights, grid, at: [t, h, w], own, direction } = answer;
  return {
    headline: direction === "row" ? "This cell looks most at" : "This cell is looked at most by",
    pixel: `${Math.floor(answer.x)}, ${Math.floor(answer.y)}`,
    cell: `row ${h}, column ${w}${grid.cells[0] > 1 ? `, frame ${t}` : ""}`,
    self: own >= 0 ? number(weights[own]) : "no such key",
    ...spreadWords(answer),
  };
}

/** @param {Answer} answer @returns {Record<string, string>} */
function spreadWords({ block, direction, weights, stats, span }) {
  const { entropy, share, support } = stats;
  if (entropy !== null && share !== null && support !== null) {
    return {
      entropyname: "Entropy of the row",
      entropy: `${entropy.toFixed(2)} nats, ${percent(share)} of log M`,
      spread: `As if spread evenly over ${Math.round(support)} of ${span} cells.`,
    };
  }
  return {
    entropyname: "Largest weight",
    entropy: number(stats.top),
    spread: direction === "row" ? `${label(block.meta.instantiation)} weights ${noShare(block.meta, span)}.`
      : `Each of these ${weights.length} cells gives this one a share of its own row, so a column need not sum to 1.`,
  };
}

/** Why a row is no share of 1. @param {import("../protocol.js").Block} meta @param {number} span */
function noShare({ pairwise }, span) {
  if (pairwise?.normalise === "count") return `are divided by M = ${span}, so this row is no share of 1`;
  if (pairwise?.normalise === "sum") return "are divided by the sum of their scores, which may have either sign";
  return "hold a part that every query gets, so this row is no share of 1";
}

/** How the weight gathers in the cells that can hold some, as a curve and in words. @param {Answer} answer */
export function gatheredWords({ block, direction, weights, index }) {
  const { total, half, reached } = gathered(weights, block.cellsInReach(index, direction));
  const words = total > 0
    ? `Half of ${direction === "row" ? "the weight" : "the column"} lies in ${half} of ${reached.length - 1} cells (straight line: evenly spread)`
    : "All weights are 0";
  return { words, reached };
}

/** An answer for those who do not see it. @param {Answer} answer */
export function spokenWords({ direction, at: [t, h, w], grid, stats, weights }) {
  const [kt, kh, kw] = grid.unflat(stats.best), clip = grid.cells[0] > 1;
  const frame = (/** @type {number} */ f) => (clip ? ` of frame ${f}` : "");
  return `Cell row ${h}, column ${w}${frame(t)} ${direction === "row" ? "looks most at" : "is looked at most by"} ` +
    `row ${kh}, column ${kw}${frame(kt)}, weight ${number(weights[stats.best])}.`;
}

/** What stands on a pin beside its number. @param {Answer} pin */
export function pinWords({ at: [, h, w], t, grid, stats }) {
  return ` row ${h}, column ${w}${grid.cells[0] > 1 ? `, frame ${t}` : ""}` +
    (stats.support === null ? "" : `, over ${Math.round(stats.support)} cells`);
}

/** What the network takes the picture for. @param {[string, number][]} classes best first */
export function classWords([[name, probability]]) {
  return probability > 0.3 ? `The network takes the picture for: ${name} (${percent(probability)})`
    : `The network is not sure what the picture shows; its best guess is ${name} (${percent(probability)}).`;
}
