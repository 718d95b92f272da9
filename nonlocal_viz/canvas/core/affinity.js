// Factors -> affinity rows and columns; nonlocal_viz/core/pairwise.py and affinity.py in JavaScript.
// Everything is decided by the fields of `pairwise` and by which sections the file has, nothing by a name.
// A weight is made in one place from a score and its query's normaliser, so that a row and a column agree
// to the last bit on the weight that they share. A row is one pass over the keys and allocates nothing.

import { decoded } from "./halves.js";

/** @typedef {import("../protocol.js").Block} Meta */
/** @typedef {import("../protocol.js").Section} Section */

/** A key that every query can look at. */
export const EVERYBODY = -1;

/** The numbers of one section of a block's file. @param {Section | undefined} section @param {ArrayBuffer} buffer */
function read(section, buffer) {
  if (!section) return null;
  const size = section.shape.reduce((product, side) => product * side, 1);
  if (section.type === "float16") return decoded(new Uint16Array(buffer, section.offset, size));
  return section.type === "int32" ? new Int32Array(buffer, section.offset, size) : new Float32Array(buffer, section.offset, size);
}

/** What a token's score is to be added, by where query and key lie. */
class Bias {
  /** @param {number[]} shape (H or 1, P, P') @param {Float32Array} table @param {Int32Array} query @param {Int32Array} key places of the tokens */
  constructor(shape, table, query, key) {
    this.heads = shape[0];
    this.rows = shape[1];
    this.columns = shape[2];
    this.table = table;
    this.query = query;
    this.key = key;
  }

  /** @param {number} q @param {number} k @param {number} head */
  at(q, k, head) {
    const own = this.heads > 1 ? head : 0;
    return this.table[(own * this.rows + this.query[q]) * this.columns + this.key[k]];
  }
}

/** The affinity of one block for one picture or clip, from its file. Cells are numbered by their grids;
 * a token is a cell, or lies on none and stands before or after the cells. */
export class Affinity {
  /** @param {Meta} meta @param {ArrayBuffer} buffer */
  constructor(meta, buffer) {
    const sections = Object.fromEntries(meta.sections.map((section) => [section.name, section]));
    /** @param {Section["name"]} name */
    const of = (name) => read(sections[name], buffer);
    const [heads, queries, channels] = sections.query.shape, keys = sections.key.shape[1];
    const { aside, pairwise } = meta;
    if (!pairwise) throw new Error(`Block ${meta.block} is no data alone.`);
    const given = pairwise.scale;
    this.pairwise = pairwise;
    this.heads = heads;
    this.channels = channels;
    /** @type {number[]} one a head */
    this.scales = typeof given === "number" ? Array(heads).fill(given) : given;
    this.aside = aside;
    this.queryTokens = queries;
    this.keyTokens = keys;
    this.query = /** @type {Float32Array} */ (of("query"));
    this.key = /** @type {Float32Array} */ (of("key"));
    const sent = of("normaliser");
    /** Of a softmax log C(x), else C(x), one a head and query token; NaN where it was not sent and no row needed it yet. */
    this.normalisers = sent ? Float64Array.from(sent) : new Float64Array(heads * queries).fill(NaN);
    /** Whether columns can be made here: they need the normalisers of all queries. */
    this.hasColumns = sent !== null || pairwise.normalise === "count";
    /** Digits of a weight that hold: what float16 carries is worth two. */
    this.digits = sections.query.type === "float16" ? 2 : 3;
    this.queryLabels = of("query_reach");
    this.keyLabels = of("key_reach");
    this.unary = of("unary");
    const table = of("bias");
    this.bias = table && new Bias(sections.bias.shape, /** @type {Float32Array} */ (table),
      /** @type {Int32Array} */ (of("query_place")), /** @type {Int32Array} */ (of("key_place")));
    this.spans = this.counted();
    if (pairwise.normalise === "count") this.normalisers.forEach((_, at) => { this.normalisers[at] = this.span((at % queries) - aside.query.before.length); });
    // The arrays that rows and columns are written into, and the cells among their tokens.
    const cellsOf = (/** @type {Float32Array} */ tokens, /** @type {import("../protocol.js").OffGrid} */ names) =>
      tokens.subarray(names.before.length, tokens.length - names.after.length);
    this.scores = new Float64Array(keys);
    this.rowTokens = new Float32Array(keys);
    this.rowCells = cellsOf(this.rowTokens, aside.key);
    this.meanTokens = new Float32Array(keys);
    this.meanCells = cellsOf(this.meanTokens, aside.key);
    this.columnTokens = new Float32Array(queries);
    this.columnCells = cellsOf(this.columnTokens, aside.query);
  }

  /** How many keys a query of each label can look at. @returns {Map<number, number>} */
  counted() {
    /** @type {Map<number, number>} */
    const found = new Map();
    for (const label of this.keyLabels || []) found.set(label, (found.get(label) || 0) + 1);
    return found;
  }

  /** How many keys a query cell can look at. @param {number} q */
  span(q) {
    if (!this.queryLabels) return this.keyTokens;
    const label = this.queryLabels[q + this.aside.query.before.length];
    const own = this.spans.get(label) || 0;
    return label === EVERYBODY ? own : own + (this.spans.get(EVERYBODY) || 0);
  }

  /** How many key cells a query cell can look at, or query cells at a key cell. @param {number} index @param {"row" | "column"} direction */
  cellsInReach(index, direction) {
    const { before: queries } = this.aside.query, { before: keys } = this.aside.key, row = direction === "row";
    const cells = (row ? this.rowCells : this.columnCells).length;
    if (this.unary || !this.keyLabels) return cells;
    let found = 0;
    for (let other = 0; other < cells; other++) {
      const [q, k] = row ? [index, other] : [other, index];
      if (this.reaches(q + queries.length, k + keys.length)) found++;
    }
    return found;
  }

  /** Whether a query token can look at a key token. @param {number} q @param {number} k */
  reaches(q, k) {
    if (!this.keyLabels || !this.queryLabels) return true;
    const label = this.keyLabels[k];
    return label === EVERYBODY || label === this.queryLabels[q];
  }

  /** theta . phi of two tokens, or a + b. @param {number} q @param {number} k @param {number} head */
  plain(q, k, head) {
    const { channels } = this, a = (head * this.queryTokens + q) * channels, b = (head * this.keyTokens + k) * channels;
    return this.pairwise.score === "sum" ? this.query[a] + this.key[b] : dot(this.query, a, this.key, b, channels);
  }

  /** The score of two tokens. @param {number} q @param {number} k @param {number} head */
  score(q, k, head) {
    const { pairwise, bias } = this, plain = this.plain(q, k, head);
    let score = pairwise.score === "sum" ? plain : this.scales[head] * plain;
    if (bias) score += bias.at(q, k, head);
    return pairwise.rectify && score < 0 ? 0 : score;
  }

  /** All weights of one query cell, the mean over the heads. The array is reused by the next call. @param {number} q */
  row(q) {
    this.meanTokens.fill(0);
    for (let head = 0; head < this.heads; head++) this.addRow(this.meanTokens, q + this.aside.query.before.length, head, this.heads);
    return this.meanCells;
  }

  /** All weights of one query cell in one head. The array is reused by the next call. @param {number} q @param {number} head */
  rowOfHead(q, head) {
    this.rowTokens.fill(0);
    this.addRow(this.rowTokens, q + this.aside.query.before.length, head, 1);
    return this.rowCells;
  }

  /** @param {Float32Array} out @param {number} token @param {number} head @param {number} parts one of how many this head is */
  addRow(out, token, head, parts) {
    const { scores, unary } = this, normaliser = this.scored(token, head);
    for (let k = 0; k < out.length; k++) {
      const own = scores[k] > -Infinity ? this.weight(scores[k], normaliser) : 0;
      out[k] += (unary ? own + unary[head * out.length + k] : own) / parts;
    }
  }

  /** Write the scores of a query token, -Infinity where it cannot look, and give its normaliser. @param {number} q @param {number} head */
  scored(q, head) {
    for (let k = 0; k < this.keyTokens; k++) this.scores[k] = this.reaches(q, k) ? this.score(q, k, head) : -Infinity;
    const at = head * this.queryTokens + q;
    if (Number.isNaN(this.normalisers[at])) this.normalisers[at] = this.summed();
    return this.normalisers[at];
  }

  /** The weights that one query cell gives to the keys on no cell, by their names. @param {number} q @returns {[string, number][]} */
  offGrid(q) {
    this.row(q);
    const { before, after } = this.aside.key, tokens = this.meanTokens;
    return [...before, ...after].map((name, i) =>
      [name, tokens[i < before.length ? i : tokens.length - before.length - after.length + i]]);
  }

  /** How much every query cell looks at one key cell, the mean over the heads. The array is reused by the next call. @param {number} k */
  column(k) {
    this.columnTokens.fill(0);
    for (let head = 0; head < this.heads; head++) this.addColumn(k + this.aside.key.before.length, head, this.heads);
    return this.columnCells;
  }

  /** The same in one head. The array is reused by the next call. @param {number} k @param {number} head */
  columnOfHead(k, head) {
    this.columnTokens.fill(0);
    this.addColumn(k + this.aside.key.before.length, head, 1);
    return this.columnCells;
  }

  /** @param {number} token @param {number} head @param {number} parts one of how many this head is */
  addColumn(token, head, parts) {
    const out = this.columnTokens;
    for (let q = 0; q < out.length; q++) out[q] += this.entry(q, token, head, this.normaliserOf(q, head)) / parts;
  }

  /** The weight of two tokens in one head. @param {number} q @param {number} k @param {number} head @param {number} normaliser of q */
  entry(q, k, head, normaliser) {
    const own = this.reaches(q, k) ? this.weight(this.score(q, k, head), normaliser) : 0;
    return this.unary ? own + this.unary[head * this.keyTokens + k] : own;
  }

  /** The weight of a score; what has no weight at all is shared out as nothing. @param {number} score @param {number} normaliser */
  weight(score, normaliser) {
    return this.pairwise.normalise === "softmax" ? Math.exp(score - normaliser) : score / (normaliser || 1);
  }

  /** What turns the scores of a query token into weights: log C(x) of a softmax, else C(x). @param {number} q @param {number} head */
  normaliserOf(q, head) {
    const known = this.normalisers[head * this.queryTokens + q];
    return Number.isNaN(known) ? this.scored(q, head) : known;
  }

  /** The normaliser of the scores that were written last: of the very numbers that are here. */
  summed() {
    const { scores } = this, softmax = this.pairwise.normalise === "softmax";
    let top = -Infinity, total = 0;
    for (let k = 0; k < scores.length; k++) if (scores[k] > top) top = scores[k];
    for (let k = 0; k < scores.length; k++) if (scores[k] > -Infinity) total += softmax ? Math.exp(scores[k] - top) : scores[k];
    return softmax && top > -Infinity ? top + Math.log(total) : total;
  }

  /** theta_c * phi_c of two cells for every channel: what a product is the sum of. @param {number} q @param {number} k */
  products(q, k, head = 0) {
    const { channels, query, key } = this, found = new Float32Array(channels);
    const a = (head * this.queryTokens + q + this.aside.query.before.length) * channels;
    const b = (head * this.keyTokens + k + this.aside.key.before.length) * channels;
    for (let c = 0; c < channels; c++) found[c] = query[a + c] * key[b + c];
    return found;
  }
}

/** @param {Float32Array} a @param {number} from @param {Float32Array} b @param {number} at @param {number} count */
function dot(a, from, b, at, count) {
  let total = 0;
  for (let c = 0; c < count; c++) total += a[from + c] * b[at + c];
  return total;
}
