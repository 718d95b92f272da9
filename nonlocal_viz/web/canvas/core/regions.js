// Where a row is bright: connected pieces of the strongest cells that together hold half of its mass;
// nonlocal_viz/regions.py in JavaScript.

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./grid.js").Rect} Rect */
/** @typedef {{ rank: number, frame: number, cells: number[], mass: number, share: number, rect: Rect, key: number }} Region
 * rank: 1 holds the most; mass: signed as the weights are; share: of the row's sizes; key: its strongest cell */

/** How much of the picture's short side a crop shows at least. */
const RECOGNISED = 1 / 6;

/** @param {number} weight */
const sizeOf = (weight) => { const size = Math.abs(weight); return size < Infinity ? size : 0; };

/** Sizes from strongest to weakest. @param {Float32Array} weights */
export const ordered = (weights) => Float32Array.from(weights, sizeOf).sort().reverse();

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
 * the strongest that together hold half (or as strong as the weakest of those); bright cells of one frame and
 * one sign that touch, at a corner too, are one region. @param {Float32Array} weights @param {Grid} grid
 * @param {{ least: number, total: number }} half @returns {Region[]} */
export function regionsOf(weights, grid, { least, total }) {
  if (!(total > 0)) return [];
  /** @type {Region[]} */
  const found = [];
  const seen = new Uint8Array(weights.length);
  const bright = (/** @type {number} */ i) => sizeOf(weights[i]) >= least;
  for (let i = 0; i < weights.length; i++) if (!seen[i] && bright(i)) found.push(grown(weights, grid, i, seen, bright));
  // Of equals the one with the first cell, in which order they were found.
  found.sort((a, b) => b.share - a.share);
  return found.map((region, i) => ({ ...region, rank: i + 1, share: region.share / total }));
}

/** @param {Float32Array} weights @param {Grid} grid @param {number} first @param {Uint8Array} seen @param {(i: number) => boolean} bright
 * @returns {Region} its share not yet divided */
function grown(weights, grid, first, seen, bright) {
  const [, height, width] = grid.cells, [frame] = grid.unflat(first);
  let mass = 0, share = 0, key = first, left = width, right = 0, top = height, bottom = 0;
  const cells = touching(grid, first, seen, (i) => bright(i) && weights[i] > 0 === weights[first] > 0);
  for (const i of cells) {
    const size = sizeOf(weights[i]), strongest = sizeOf(weights[key]), w = i % width, h = ((i - w) / width) % height;
    mass += weights[i];
    share += size;
    if (size > strongest || (size === strongest && i < key)) key = i;
    if (w < left) left = w;
    if (w > right) right = w;
    if (h < top) top = h;
    if (h > bottom) bottom = h;
  }
  const { x, y } = grid, rect = { left: x.edges[left], top: y.edges[top], right: x.edges[right + 1], bottom: y.edges[bottom + 1] };
  return { rank: 0, frame, cells, mass, share, rect, key };
}

/** The cells of a frame that hang together with the first, each once. @param {Grid} grid @param {number} first @param {Uint8Array} seen
 * @param {(i: number) => boolean} belongs */
function touching(grid, first, seen, belongs) {
  const [, height, width] = grid.cells, found = [first];
  seen[first] = 1;
  for (let next = 0; next < found.length; next++) {
    const w = found[next] % width, rest = (found[next] - w) / width, h = rest % height, start = (rest - h) * width;
    for (let row = Math.max(0, h - 1); row <= Math.min(height - 1, h + 1); row++) {
      for (let column = Math.max(0, w - 1); column <= Math.min(width - 1, w + 1); column++) {
        const i = start + row * width + column;
        if (!seen[i] && belongs(i)) { seen[i] = 1; found.push(i); }
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
  const [x, y] = [within((left + right) / 2, side, width), within((top + bottom) / 2, side, height)];
  return { left: x[0], top: y[0], right: x[1], bottom: y[1] };
}

/** @param {number} middle @param {number} side @param {number} whole @returns {[number, number]} */
function within(middle, side, whole) {
  if (side >= whole) return [0, whole];
  const from = Math.min(Math.max(middle - side / 2, 0), whole - side);
  return [from, from + side];
}
