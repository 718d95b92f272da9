// Answers in sentences: what stands beside the picture, under the bar, on pins, and what is spoken. Which sentence
// is said follows from the answer; how numbers are printed is decided in numbers.js.

import { number, percent } from "./numbers.js";
import { gathered } from "./stats.js";
import { HEADS } from "./words-heads.js";

/** @typedef {import("./answer.js").Answer} Answer */
/** @typedef {import("./regions.js").Region} Region */
/** @typedef {[number, number, number]} Cell frame, row, column */

/** In place of a lesson. */
export const TOO_BIG = "The factors of this block are too big for the browser, so its sums cannot be shown here; choose fewer frames.";

/** The name of a pairwise function, as people write it. @param {string} instantiation */
export const label = (instantiation) => instantiation.replaceAll("_", " ");

/** Whether there are frames to be named. @param {Answer} answer */
const isClip = ({ block: { queries, keys } }) => queries.cells[0] > 1 || keys.cells[0] > 1;

/** Where a cell lies. @param {Cell} cell @param {boolean} clip */
export const cellWords = ([t, h, w], clip) => `row ${h}, column ${w}${clip ? `, frame ${t}` : ""}`;

/** @param {Answer} answer @param {number} weight */
const weightWords = ({ block, direction }, weight) => number(weight, block.digits(direction));

/** What the readout says of an answer, by the names of its places. @param {Answer} answer @returns {Record<string, string>} */
export function readoutWords(answer) {
  const { weights, at, own, direction, block: { meta } } = answer, clip = isClip(answer), row = direction === "row";
  const selfname = !meta.pooled ? "Weight on itself" : row ? "Weight on its own key" : "Weight from this pixel";
  return {
    headline: headWords(answer),
    pixel: answer.token === undefined ? `${Math.floor(answer.x)}, ${Math.floor(answer.y)}` : HEADS.nowhere,
    cell: answer.token === undefined ? cellWords(at, clip) : HEADS.the(answer.token),
    selfname,
    self: own >= 0 ? weightWords(answer, weights[own]) : answer.token !== undefined ? HEADS.itself : row ? "no such key" : "no such cell",
    law: lawWords(answer),
    spread: spreadWords(answer),
    terms: termWords(answer),
  };
}

/** Whether all cells that can have a weight have the same. @param {Answer} answer */
function alike({ block, index, direction, stats: { sizes, top } }) {
  const last = sizes[Math.min(block.cellsInReach(index, direction), sizes.length) - 1];
  return top > 0 && !block.meta.signed && top - last <= 1e-5 * top;
}

/** @param {Answer} answer */
function headWords(answer) {
  const row = answer.direction === "row";
  if (answer.token !== undefined) return HEADS.headline(answer.token, alike(answer));
  if (alike(answer)) return row ? "This cell looks at all cells alike" : "This cell is looked at by all alike";
  return row ? "This cell looks most at" : "This cell is looked at most by";
}

/** What `span` cells are, to whoever looks at a picture. @param {Answer} answer @param {number} cells that can have a weight */
function wholeWords(answer, cells) {
  const { grid } = answer, [frames, height, width] = grid.cells;
  if (cells >= grid.count) return isClip(answer) ? "clip" : "picture";
  return frames > 1 && cells === height * width ? "frame" : "cells in its reach";
}

/** How far a row is spread, in plain words. @param {Answer} answer */
export function spreadWords(answer) {
  const { block, direction, index, stats, span } = answer;
  if (stats.support !== null) {
    return `Spread as if over ${percent(stats.support / Math.max(1, span))} of the ${wholeWords(answer, span)}.`;
  }
  if (!stats.total) return "All weights are 0.";
  const cells = block.cellsInReach(index, direction);
  return `Half of this ${direction} lies on ${percent(stats.half / cells)} of the ${wholeWords(answer, cells)}.`;
}

/** The same in the terms of the trade. @param {Answer} answer */
function termWords(answer) {
  const { block: { meta }, direction, weights, stats: { entropy, share, support, top }, span } = answer;
  if (entropy !== null && share !== null && support !== null) {
    return `Entropy ${entropy.toFixed(2)} nats, ${percent(share)} of log M; its exponential says: as if spread evenly over ` +
      `${Math.round(support)} of M = ${span} cells.`;
  }
  const largest = `The largest weight is ${weightWords(answer, top)} in size.`;
  if (direction === "row") return `${largest} ${noShareWords(meta, span)}.`;
  const sum = weights.reduce((total, w) => total + w, 0);
  return `${largest} Each of these ${weights.length} cells gives this one a part of its own row, so a column is no share of 1; ` +
    `together they are ${weightWords(answer, sum)}.`;
}

/** Why a row is no share of 1. @param {import("../protocol.js").Block} meta @param {number} span */
function noShareWords({ pairwise, instantiation, aside }, span) {
  const weights = `Weights of the ${label(instantiation)} form`;
  if (pairwise?.normalise === "count") return `${weights} are divided by M = ${span}, so this row is no share of 1`;
  if (pairwise?.normalise === "sum") return `${weights} are divided by the sum of their scores, which may have either sign`;
  if (aside.key.before.length + aside.key.after.length) return "Some of this row goes to tokens that lie on no cell";
  return `${weights} hold a part that every query gets, so this row is no share of 1`;
}

/** How the weight gathers in the cells that can hold some, as a curve and in words. @param {Answer} answer */
export function gatheredWords({ block, direction, index, stats }) {
  const reached = gathered(stats, block.cellsInReach(index, direction)), cells = reached.length - 1;
  const words = stats.total > 0
    ? `Half of the ${direction} lies in ${stats.half} of ${cells} cells (straight line: evenly spread)`
    : "All weights are 0";
  return { words, reached };
}

/** By which law regions are found. @param {Answer} answer */
function lawWords(answer) {
  const { direction, block, stats: { regions } } = answer;
  if (!regions.length) return "No cell has any weight.";
  if (alike(answer)) return "All cells have the same weight, so no region stands out.";
  const half = `half of the ${direction}${block.meta.signed ? " (by size, whatever the sign)" : ""}`;
  return `${regions.length === 1 ? "1 bright region holds" : `${regions.length} bright regions hold`} ${half}: ` +
    "its strongest cells, joined where they touch.";
}

/** What stands under the crop of the strongest single cell. @param {Answer} answer */
export function strongestWords(answer) {
  const { grid, stats, weights } = answer, clip = isClip(answer), cell = grid.unflat(stats.best);
  const weight = weightWords(answer, weights[stats.best]);
  const where = clip ? `cell, frame ${cell[0]}` : "strongest cell";
  // What is read begins with what is seen, so that it can be called by that.
  return { share: weight, where, spoken: `${weight} ${where}: ${cellWords(cell, clip)}` };
}

/** @param {Answer} answer @param {number} frame @param {number} last */
function frameWords({ at: [own] }, frame, last) {
  const apart = frame - own;
  if (last > frame) return `frames ${frame} to ${last}`;
  return `frame ${frame}${apart ? `, ${Math.abs(apart)} ${apart > 0 ? "later" : "earlier"}` : ""}`;
}

/** What stands under the crop of a region: its share, its frames where there are several, and both for those who hear it.
 * @param {Answer} answer @param {Region} region */
export function regionWords(answer, { rank, share, mass, frame, frames: [first, last], cells }) {
  const { direction, block, at: [own], grid } = answer, clip = isClip(answer), apart = frame - own;
  const sign = block.meta.signed ? (mass < 0 ? " below 0" : " above 0") : "";
  const when = apart === 0 ? "the query's own" : `${Math.abs(apart)} ${apart > 0 ? "after" : "before"} the query's`;
  const most = last > first ? `in frames ${first} to ${last}, most of it in frame ${frame}` : `in frame ${frame}`;
  return {
    share: `${percent(share)}${sign}`,
    where: clip ? frameWords(answer, first, last) : `of the ${direction}`,
    spoken: `Region ${rank}: ${percent(share)} of the ${direction}${sign && `,${sign}`}, on ${percent(cells.length / grid.count)} of the ` +
      (clip ? `clip, ${most}, ${when}` : "picture"),
  };
}

/** An answer for those who do not see it. @param {Answer} answer */
export function spokenWords(answer) {
  const { direction, at, grid, stats, weights, token } = answer, clip = isClip(answer), [region] = stats.regions;
  const who = token === undefined ? `The cell in ${cellWords(at, clip)}` : HEADS.begins(token);
  if (alike(answer)) {
    const weight = weightWords(answer, weights[stats.best]);
    return `${who} ${direction === "row" ? "looks at all cells" : "is looked at by all cells"} alike, weight ${weight}.`;
  }
  const strongest = `${who} ${direction === "row" ? "looks most at" : "is looked at most by"} the cell in ` +
    `${cellWords(grid.unflat(stats.best), clip)}, weight ${weightWords(answer, weights[stats.best])}.`;
  return region ? `${strongest} ${regionWords(answer, region).spoken}.` : strongest;
}
