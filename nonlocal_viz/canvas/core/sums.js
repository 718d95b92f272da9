// What the lesson computes from factors and tensors besides rows: the same sums as the network's, one step at a time.

import { Grid } from "./grid.js";
import { entropyOf } from "./stats.js";

/** @typedef {import("./affinity.js").Affinity} Affinity */
/** @typedef {{ columns: Float64Array, downwards: Float64Array, whole: number, ownBest: number, bestOf: Uint32Array, mean: number }} Sweep
 * of all rows: the sum of each column; log sum exp of each column and of all scores; how many queries have their own cell as the
 * strongest key; how many have each key; mean: the cosine of two rows, over all pairs of
 * rows that are not all 0; NaN where there are none */

/** The scores of a query cell. @param {Affinity} affinity @param {number} q @param {number} [head] */
export function scoresOf(affinity, q, head = 0) {
  affinity.scored(q + affinity.aside.query.before.length, head);
  return Float64Array.from(affinity.scores);
}

/** @param {ArrayLike<number>} scores @param {number} [heat] scores are divided by it */
export function softmax(scores, heat = 1) {
  let top = -Infinity, total = 0;
  const out = new Float32Array(scores.length);
  for (let k = 0; k < out.length; k++) top = Math.max(top, scores[k] / heat);
  for (let k = 0; k < out.length; k++) total += out[k] = Math.exp(scores[k] / heat - top);
  for (let k = 0; k < out.length; k++) out[k] /= total;
  return out;
}

/** As if spread evenly over so many cells: a row that adds up to something else is made to add up to 1 first; 0 where it is 0 everywhere.
 * @param {Float32Array} row never negative */
export function supportOf(row) {
  const total = sumOf(row);
  return total ? Math.exp(entropyOf(row) / total + Math.log(total)) : 0;
}

/** @param {ArrayLike<number>} numbers */
export function sumOf(numbers) {
  let total = 0;
  for (let i = 0; i < numbers.length; i++) total += numbers[i];
  return total;
}

/** @param {ArrayLike<number>} numbers */
export function bestOf(numbers) {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (Math.abs(numbers[i]) > Math.abs(numbers[best])) best = i;
  return best;
}

/** All rows, one part after the other, so that the page stays alive. @param {Affinity} affinity @returns {Generator<number, Sweep>} gives the share
 * that is done */
export function* sweep(affinity) {
  const queries = affinity.columnCells.length, keys = affinity.rowCells.length;
  const columns = new Float64Array(keys), downwards = new Float64Array(keys), bestOfKey = new Uint32Array(keys), mean = new Float64Array(keys);
  let top = -Infinity, whole = 0, ownBest = 0, seen = 0;
  for (let q = 0; q < queries; q++) {
    const row = affinity.row(q), norm = affinity.normaliserOf(q + affinity.aside.query.before.length, 0), length = lengthOf(row);
    if (norm > top) {
      // What was added up so far counts from the new top.
      const shrunk = Math.exp(top - norm);
      for (let k = 0; k < keys; k++) downwards[k] *= shrunk;
      whole *= shrunk;
      top = norm;
    }
    const share = Math.exp(norm - top), best = bestOf(row);
    for (let k = 0; k < keys; k++) {
      columns[k] += row[k];
      downwards[k] += row[k] * share;
    }
    // A row of nothing but zeros points nowhere, and is like no other.
    if (length) { for (let k = 0; k < keys; k++) mean[k] += row[k] / length; seen++; }
    whole += share;
    bestOfKey[best]++;
    if (best === q) ownBest++;
    if (q % 48 === 47) yield q / queries;
  }
  // The mean of the cosines of all pairs is the square of the length of the mean of the directions.
  return { columns, downwards: downwards.map((sum) => top + Math.log(sum)), whole: top + Math.log(whole), ownBest, bestOf: bestOfKey,
    mean: seen ? (lengthOf(mean) / seen) ** 2 : NaN };
}

/** sum_j A_j g_j. @param {ArrayLike<number>} row @param {ArrayLike<number>} values M x width @param {number} width */
export function mixture(row, values, width) {
  const y = new Float32Array(width);
  for (let k = 0; k < row.length; k++) for (let c = 0; c < width; c++) y[c] += row[k] * values[k * width + c];
  return y;
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} weight rows of the length of a @param {ArrayLike<number>} bias */
export function linear(a, weight, bias) {
  return Float32Array.from(bias, (shift, i) => {
    let total = shift;
    for (let c = 0; c < a.length; c++) total += weight[i * a.length + c] * a[c];
    return total;
  });
}

/** @param {ArrayLike<number>} numbers */
export function lengthOf(numbers) {
  let total = 0;
  for (let i = 0; i < numbers.length; i++) total += numbers[i] * numbers[i];
  return Math.sqrt(total);
}

/** The cosine of x + share * added of one cell with that of every cell. @param {Float32Array} x N x width @param {Float32Array} added
 * @param {number} width @param {number} share @param {number} i @returns {Float32Array} */
export function cosines(x, added, width, share, i) {
  const count = x.length / width, own = new Float32Array(width), out = new Float32Array(count);
  for (let c = 0; c < width; c++) own[c] = x[i * width + c] + share * added[i * width + c];
  const size = lengthOf(own) || 1;
  for (let k = 0, at = 0; k < count; k++) {
    let product = 0, length = 0;
    for (let c = 0; c < width; c++, at++) {
      const z = x[at] + share * added[at];
      product += z * own[c];
      length += z * z;
    }
    out[k] = product / (size * Math.sqrt(length) || 1);
  }
  return out;
}

/** phi^T theta: sums over positions, channels by channels. @param {Affinity} affinity */
export function channelTable({ query, key, channels, queryTokens, keyTokens }) {
  const table = new Float64Array(channels * channels), count = Math.min(queryTokens, keyTokens);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < channels; c++) {
      const a = query[i * channels + c];
      for (let d = 0; d < channels; d++) table[c * channels + d] += a * key[i * channels + d];
    }
  }
  return table;
}

/** The N x M map, small: of every `step`-th row the mean of each `step` weights. @param {Affinity} affinity @param {number} step
 * @param {Uint32Array | null} [places] where a shuffle puts each query and key
 * @returns {{ width: number, height: number, weights: Float32Array }} */
export function smallMap(affinity, step, places = null) {
  const height = Math.ceil(affinity.columnCells.length / step), width = Math.ceil(affinity.rowCells.length / step);
  const weights = new Float32Array(width * height);
  const from = places && new Uint32Array(places.length), to = (/** @type {number} */ k) => (places ? places[k] : k);
  if (from) places.forEach((place, k) => { from[place] = k; });
  for (let h = 0; h < height; h++) {
    affinity.row(from ? from[h * step] : h * step).forEach((weight, k) => { weights[h * width + Math.floor(to(k) / step)] += weight / step; });
  }
  return { width, height, weights };
}

/** A fixed shuffle of 0..count-1: where each goes. It is the same at every visit. @param {number} count */
export function shuffled(count) {
  const places = Uint32Array.from({ length: count }, (_, i) => i);
  let state = 20171121;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1)), kept = places[i];
    places[i] = places[j];
    places[j] = kept;
  }
  return places;
}

/** The row of a query among shuffled keys, from the shuffled numbers themselves; and the largest difference to the
 * weights that were only moved. @param {Affinity} affinity @param {number} q @param {Uint32Array} places */
export function shuffledRow(affinity, q, places) {
  const { channels, query, key, scales } = affinity, from = q * channels, moved = new Float32Array(key.length);
  places.forEach((to, k) => moved.set(key.subarray(k * channels, (k + 1) * channels), to * channels));
  const scores = Float64Array.from(places, (_, k) => {
    let total = 0;
    for (let c = 0; c < channels; c++) total += query[from + c] * moved[k * channels + c];
    return total * scales[0];
  });
  const row = softmax(scores), before = affinity.row(q);
  let apart = 0;
  places.forEach((to, k) => { apart = Math.max(apart, Math.abs(row[to] - before[k])); });
  return { row, apart };
}

/** The cells of a grid, two by two. What is left over belongs to none. @param {import("../protocol.js").Grid} grid @returns {import("../protocol.js").Grid} */
export function coarser({ cells: [frames, rows, columns], x, y }) {
  const every = (/** @type {import("../protocol.js").Axis} */ axis) => ({
    denominator: axis.denominator, numerators: axis.numerators.filter((_, i) => i % 2 === 0),
  });
  return { cells: [frames, Math.floor(rows / 2), Math.floor(columns / 2)], x: every(x), y: every(y) };
}

/** Keys max-pooled two by two, as a block with sub_sample has them. @param {Affinity} affinity @param {import("../protocol.js").Grid} grid of the keys */
export function pooledKeys({ key, channels }, grid) {
  const [frames, rows, columns] = grid.cells, small = coarser(grid), [, height, width] = small.cells;
  const out = new Float32Array(frames * height * width * channels).fill(-Infinity);
  for (let t = 0; t < frames; t++) {
    for (let h = 0; h < 2 * height; h++) {
      for (let w = 0; w < 2 * width; w++) {
        const from = ((t * rows + h) * columns + w) * channels, to = ((t * height + (h >> 1)) * width + (w >> 1)) * channels;
        for (let c = 0; c < channels; c++) out[to + c] = Math.max(out[to + c], key[from + c]);
      }
    }
  }
  return { keys: out, grid: new Grid(small) };
}

/** Scores of a query among keys that are given. @param {Affinity} affinity @param {number} q @param {Float32Array} keys */
export function scoresAmong({ query, channels, scales }, q, keys) {
  return Float64Array.from({ length: keys.length / channels }, (_, k) => {
    let total = 0;
    for (let c = 0; c < channels; c++) total += query[q * channels + c] * keys[k * channels + c];
    return total * scales[0];
  });
}

/** The mean row of several heads that share the channels among them. @param {Affinity} affinity @param {number} q @param {number} heads */
export function inHeads({ query, key, channels, keyTokens }, q, heads) {
  const each = Math.floor(channels / heads);
  return Array.from({ length: heads }, (_, head) => softmax(Float64Array.from({ length: keyTokens }, (_unused, k) => {
    let total = 0;
    for (let c = head * each; c < (head + 1) * each; c++) total += query[q * channels + c] * key[k * channels + c];
    return total;
  })));
}

/** The cosine of two rows; NaN where one of them is 0 everywhere. @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function cosineOf(a, b) {
  const lengths = lengthOf(a) * lengthOf(b);
  let product = 0;
  for (let k = 0; k < a.length; k++) product += a[k] * b[k];
  return lengths ? product / lengths : NaN;
}
