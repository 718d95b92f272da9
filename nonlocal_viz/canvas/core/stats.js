// A row in numbers; nonlocal_viz/row.py in JavaScript.

import { halfMass, ordered, regionsOf, sizeOf } from "./regions.js";

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {{ best: number, top: number, sizes: Float32Array, half: number, total: number, regions: import("./regions.js").Region[],
 *   entropy: number | null, share: number | null, support: number | null }} Stats best: the strongest cell, top: its size;
 * sizes: of all cells, strongest first, of which `half` hold half of the `total`; entropy in nats; share of log `span`;
 * support: as if spread evenly over so many cells */

/** The weights of one frame, without a copy. @param {Float32Array} weights @param {Grid} grid @param {number} t */
export function frameOf(weights, grid, t) {
  const size = grid.cells[1] * grid.cells[2];
  return weights.subarray(t * size, (t + 1) * size);
}

/** The share of the row's mass, by size, that each frame holds. @param {Float32Array} weights @param {Grid} grid */
export function frameShares(weights, grid) {
  const mass = Array.from({ length: grid.cells[0] }, (_, t) => frameOf(weights, grid, t).reduce((sum, w) => sum + sizeOf(w), 0));
  const total = mass.reduce((a, b) => a + b, 0);
  return mass.map((m) => (total ? m / total : 0));
}

/** -sum p log p, in nats. @param {Float32Array} weights */
export function entropyOf(weights) {
  let entropy = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i] > 0) entropy -= weights[i] * Math.log(weights[i]);
  return entropy;
}

/** The cells with the greatest weights by size, strongest first; of equals the lower index. One pass, as
 * `count` is small. @param {Float32Array} weights @param {number} count */
export function strongest(weights, count) {
  /** @type {number[]} */
  const kept = [];
  for (let i = 0; i < weights.length; i++) {
    const size = sizeOf(weights[i]);
    if (kept.length === count && !(size > sizeOf(weights[kept[count - 1]]))) continue;
    let at = kept.length;
    while (at > 0 && sizeOf(weights[kept[at - 1]]) < size) at--;
    kept.splice(at, 0, i);
    if (kept.length > count) kept.pop();
  }
  return kept;
}

/** Cells that no cell within two of the same frame exceeds by size, strongest first; of equals the lower
 * index: the neighbours of a strong cell say nothing new. @param {Float32Array} weights @param {Grid} grid @param {number} count */
export function peaks(weights, grid, count) {
  /** @type {number[]} */
  const found = [];
  for (let i = 0; i < weights.length; i++) if (isPeak(weights, grid, i)) found.push(i);
  return found.sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a])).slice(0, count);
}

/** @param {Float32Array} weights @param {Grid} grid @param {number} i */
function isPeak(weights, grid, i) {
  const [, height, width] = grid.cells, w = i % width, rest = (i - w) / width, h = rest % height;
  const size = Math.abs(weights[i]), first = i - h * width - w;
  for (let row = Math.max(0, h - 2); row <= Math.min(height - 1, h + 2); row++) {
    for (let column = Math.max(0, w - 2); column <= Math.min(width - 1, w + 2); column++) {
      const j = first + row * width + column, other = Math.abs(weights[j]);
      if (other > size || (other === size && j < i)) return false;
    }
  }
  return true;
}

/** A row in numbers. @param {Float32Array} weights
 * @param {Grid} grid @param {boolean} distribution @param {number} span how many cells the row can spread over @returns {Stats} */
export function summarise(weights, grid, distribution, span) {
  const sizes = ordered(weights), half = halfMass(sizes), [best] = strongest(weights, 1);
  const numbers = { best, top: sizes[0], sizes, half: half.half, total: half.total, regions: regionsOf(weights, grid, half) };
  if (!distribution) return { ...numbers, entropy: null, share: null, support: null };
  const entropy = entropyOf(weights);
  return { ...numbers, entropy, share: span > 1 ? entropy / Math.log(span) : 0, support: Math.exp(entropy) };
}

/** How the weight, by size, gathers in the strongest of the `cells` that can hold some: the first i hold so much of
 * it. @param {Stats} stats @param {number} cells @returns {number[]} */
export function gathered({ sizes, total }, cells) {
  let sum = 0;
  const reached = [0];
  for (const size of sizes.subarray(0, cells)) {
    sum += size;
    reached.push(total ? sum / total : 0);
  }
  return reached;
}
