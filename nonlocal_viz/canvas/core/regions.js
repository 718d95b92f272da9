// Where a row is bright: connected pieces of the strongest cells that together hold half of its mass;
// nonlocal_viz/regions.py in JavaScript.

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./grid.js").Rect} Rect */
/** @typedef {{ rank: number, frame: number, frames: [number, number], cells: number[], mass: number, share: number, rect: Rect,
 *   key: number }} Region rank: 1 holds the most; frame: where it holds the most, frames: the first and the last; mass: signed as
 * the weights are; share: of the row's sizes; rect: around its cells in `frame`; key: its strongest cell */

/** How much of the picture's short side a crop shows at least. */
const RECOGNISED = 1 / 6;

/** What is no finite number has none. @param {number} weight */
export const sizeOf = (weight) => { const size = Math.abs(weight); return size < Infinity ? size : 0; };

/** Sizes from strongest to weakest. @param {Float32Array} weights */
export function ordered(weights) {
  const sizes = new Float32Array(weights.length);
  for (let i = 0; i < weights.length; i++) sizes[i] = sizeOf(weights[i]);
  return sizes.sort().reverse();
}

/** The size of the weakest of the strongest cells that together hold half, how many those are, and what all
 * hold. @param {Float32Array} sizes ordered */
export function halfMass(sizes) {
  let total = 0, sum = 0, half = 0;
  for (const size of sizes) total += size;
  if (!(total > 0)) return { least: 0, half: 1, total: 0 };
  while (half < sizes.length && sum < total / 2) sum += sizes[half++];
  return { least: sizes[half - 1], half, total };
}

/** The connected bright pieces of a row, those that hold most of its mass first. A cell is bright when it is one of
 * the strongest that together hold half (or as strong as the weakest of those); bright cells of one sign that
 * touch, at a corner too, within a frame or from one to the next, are one region. @param {Float32Array} weights @param {Grid} grid
 * @param {{ least: number, total: number }} half @returns {Region[]} */
export function regionsOf(weights, grid, { least, total }) {
  if (!(total > 0)) return [];
  /** @type {Region[]} */
  const found = [];
  // The sign of every bright cell that no region has yet.
  const free = new Int8Array(weights.length);
  for (let i = 0; i < weights.length; i++) if (sizeOf(weights[i]) >= least) free[i] = weights[i] > 0 ? 1 : -1;
  for (let i = 0; i < weights.length; i++) if (free[i]) found.push(grown(weights, grid, i, free));
  // Of equals the one with the first cell, in which order they were found.
  found.sort((a, b) => b.share - a.share);
  return found.map((region, i) => ({ ...region, rank: i + 1, share: region.share / total }));
}

/** @param {Float32Array} weights @param {Grid} grid @param {number} first @param {Int8Array} free
 * @returns {Region} its share not yet divided */
function grown(weights, grid, first, free) {
  const cells = touching(grid, first, free);
  const held = new Float64Array(grid.cells[0]), size = grid.cells[1] * grid.cells[2];
  let mass = 0, share = 0, key = first;
  for (const i of cells) {
    const own = sizeOf(weights[i]), strongest = sizeOf(weights[key]);
    mass += weights[i];
    share += own;
    held[Math.floor(i / size)] += own;
    if (own > strongest || (own === strongest && i < key)) key = i;
  }
  const frame = held.indexOf(Math.max(...held));
  const frames = [...held.keys()].filter((t) => held[t] > 0);
  return { rank: 0, frame, frames: [frames[0], frames[frames.length - 1]], cells, mass, share, rect: around(cells, grid, frame), key };
}

/** The pixels around those cells that lie in a frame. @param {number[]} cells @param {Grid} grid @param {number} frame @returns {Rect} */
function around(cells, { x, y, cells: [, height, width] }, frame) {
  let left = width, right = 0, top = height, bottom = 0;
  for (const i of cells) {
    const w = i % width, rest = (i - w) / width, h = rest % height;
    if (rest - h !== frame * height) continue;
    if (w < left) left = w;
    if (w > right) right = w;
    if (h < top) top = h;
    if (h > bottom) bottom = h;
  }
  return { left: x.edges[left], top: y.edges[top], right: x.edges[right + 1], bottom: y.edges[bottom + 1] };
}

/** The cells that hang together with the first, which are free no more. @param {Grid} grid @param {number} first @param {Int8Array} free */
function touching({ cells: [frames, height, width] }, first, free) {
  const found = [first], sign = free[first];
  free[first] = 0;
  for (let next = 0; next < found.length; next++) {
    const w = found[next] % width, rest = (found[next] - w) / width, h = rest % height, t = (rest - h) / height;
    for (let frame = Math.max(0, t - 1); frame <= Math.min(frames - 1, t + 1); frame++) {
      for (let row = Math.max(0, h - 1); row <= Math.min(height - 1, h + 1); row++) {
        for (let column = Math.max(0, w - 1); column <= Math.min(width - 1, w + 1); column++) {
          const i = (frame * height + row) * width + column;
          if (free[i] === sign) { free[i] = 0; found.push(i); }
        }
      }
    }
  }
  return found;
}

/** What to cut out of a picture to recognise a region: a square around it, not smaller than a sixth of the picture's
 * short side, moved inside the picture, and where that is too narrow as wide as it is. @param {Rect} rect
 * @param {{ width: number, height: number }} picture @returns {Rect} */
export function cropOf({ left, top, right, bottom }, { width, height }) {
  const side = Math.max(right - left, bottom - top, RECOGNISED * Math.min(width, height));
  const [x, y] = [cropSide((left + right) / 2, side, width), cropSide((top + bottom) / 2, side, height)];
  return { left: x[0], top: y[0], right: x[1], bottom: y[1] };
}

/** @param {number} middle @param {number} side @param {number} whole @returns {[number, number]} */
function cropSide(middle, side, whole) {
  if (side >= whole) return [0, whole];
  const from = Math.min(Math.max(middle - side / 2, 0), whole - side);
  return [from, from + side];
}
