// How an answer is graded: always from the numbers of the map itself, never from a list of right answers.

import { middle } from "./grid.js";

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {{ x: number, y: number, value: number, cell: number }} Place */

/** Share of the diagonal: the radius of the disc round a marker, and of the ring round a query. */
const DISC = 0.05;
const RING = 0.25;
const RING_PLACES = 24;
/** A marker passes with so much of what the best place holds; a choice is asked only if the best is so many times the second. */
export const PASS = 0.85;
/** Cells from the strongest within which a marker passes, too. */
const NEAR_CELLS = 2;
const CLEAR = 3;
/** A choice is asked only if the best gets so many times the mean of the row. */
const BEYOND = 2;
/** Weights that differ by no more than such a part are alike. */
const ALIKE = 1e-3;
/** A row whose strongest key gets less than so many times the mean is called even. */
const EVEN = 1.5;

/** The weight, by size, in a disc round a place of frame t. @param {ArrayLike<number>} row @param {Grid} grid @param {number} x @param {number} y
 * @param {number} radius pixels @param {number} [t] */
export function discMass(row, grid, x, y, radius, t = 0) {
  const [, height, width] = grid.cells, { x: across, y: down } = grid;
  let mass = 0;
  for (let h = 0; h < height; h++) {
    const dy = (down.edges[h] + down.edges[h + 1]) / 2 - y;
    if (Math.abs(dy) > radius) continue;
    for (let w = 0; w < width; w++) {
      const dx = (across.edges[w] + across.edges[w + 1]) / 2 - x;
      if (dx * dx + dy * dy <= radius * radius) mass += Math.abs(row[(t * height + h) * width + w]);
    }
  }
  return mass;
}

/** @param {{ width: number, height: number }} size */
export const discRadius = ({ width, height }) => DISC * Math.hypot(width, height);

/** How much of what the best disc holds the disc of a place has. @param {ArrayLike<number>} row @param {Grid} grid
 * @param {{ width: number, height: number }} size
 * @param {[number, number]} place @param {number} [t] */
function discShare(row, grid, size, [x, y], t = 0) {
  const radius = discRadius(size), frame = grid.cells[1] * grid.cells[2];
  let best = 0;
  for (let k = 0; k < frame; k++) best = Math.max(best, discMass(row, grid, ...middle(grid.rect(k)), radius, t));
  return best ? Math.min(1, discMass(row, grid, x, y, radius, t) / best) : 0;
}

/** Whether a place lies beside the strongest cell of a frame: within so many cells of its middle, but not further than two discs reach.
 * @param {ArrayLike<number>} row @param {Grid} grid @param {{ width: number, height: number }} size @param {[number, number]} place
 * @param {number} [t] */
export function besideBest(row, grid, size, [x, y], t = 0) {
  const frame = grid.cells[1] * grid.cells[2];
  let best = t * frame;
  for (let k = best; k < (t + 1) * frame; k++) if (Math.abs(row[k]) > Math.abs(row[best])) best = k;
  const rect = grid.rect(best), [u, v] = middle(rect), dx = x - u, dy = y - v;
  return Math.hypot(dx / (rect.right - rect.left), dy / (rect.bottom - rect.top)) <= NEAR_CELLS && Math.hypot(dx, dy) <= 2 * discRadius(size);
}

/** How a marker is graded: what its disc holds of what the best holds, and whether that, or lying beside the strongest cell, is enough.
 * @param {ArrayLike<number>} row @param {Grid} grid @param {{ width: number, height: number }} size @param {[number, number]} place
 * @param {number} [t] */
export function gradedPlace(row, grid, size, place, t = 0) {
  const score = discShare(row, grid, size, place, t);
  return { score, pass: score >= PASS || (score > 0 && besideBest(row, grid, size, place, t)) };
}

/** Four cells on a ring round a query: the strongest there, the weakest, and two between; null where the strongest
 * does not stand out among them, or gets little more than all get alike, and the question would test nothing. @param {ArrayLike<number>} row @param {Grid} grid
 * @param {{ width: number, height: number }} size @param {[number, number]} query @param {number} [t] @returns {Place[] | null} */
export function ringPlaces(row, grid, size, [qx, qy], t = 0) {
  const radius = RING * Math.hypot(size.width, size.height);
  /** @type {Map<number, Place>} */
  const found = new Map();
  for (let i = 0; i < RING_PLACES; i++) {
    const angle = (2 * Math.PI * i) / RING_PLACES, x = qx + radius * Math.cos(angle), y = qy + radius * Math.sin(angle), cell = grid.find(x, y, t);
    if (cell >= 0) found.set(cell, { x, y, cell, value: row[cell] });
  }
  const sorted = [...found.values()].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)), [best] = sorted;
  let total = 0;
  for (let k = 0; k < row.length; k++) total += Math.abs(row[k]);
  if (!best || Math.abs(best.value) * row.length < BEYOND * total) return null;
  const rest = best ? sorted.filter(({ value }) => CLEAR * Math.abs(value) <= Math.abs(best.value)) : [];
  if (rest.length < 3) return null;
  const four = [best, rest[0], rest[rest.length >> 1], rest[rest.length - 1]];
  // In the order in which they lie on the ring, so that the order says nothing.
  return four.sort((a, b) => a.cell - b.cell);
}

/** Whether a number was hit within a factor of two. @param {number} guess @param {number} truth */
export const nearNumber = (guess, truth) => guess > 0 && truth > 0 && Math.abs(Math.log2(guess / truth)) <= 1 + 1e-9;

/** A place of a slider, 0..1, to a number between low and high, evenly in its logarithm. @param {number} at @param {number} low @param {number} high */
export const onLog = (at, low, high) => low * (high / low) ** at;

/** How many keys share the first rank. @param {ArrayLike<number>} row */
export function firstOf(row) {
  const most = Array.from(row).reduce((top, w) => Math.max(top, w), -Infinity);
  return Array.from(row).filter((w) => w >= most - ALIKE * Math.abs(most)).length;
}

/** Whether all weights of a row are alike, as a picture of one colour has them. @param {ArrayLike<number>} row */
export const sameAll = (row) => firstOf(row) === row.length;

/** Whether no place stands out of a row: nothing that could be guessed. @param {ArrayLike<number>} row */
export function isEven(row) {
  let most = 0, total = 0;
  for (let k = 0; k < row.length; k++) { most = Math.max(most, Math.abs(row[k])); total += Math.abs(row[k]); }
  return most * row.length <= EVEN * total;
}
