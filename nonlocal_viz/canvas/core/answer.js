// What is asked and what is answered: one cell of a block, and its row or column.

import { Affinity } from "./affinity.js";
import { Grid } from "./grid.js";
import { summarise } from "./stats.js";

/** @typedef {import("../protocol.js").Block} Meta */
/** @typedef {"row" | "column"} Direction */
/** @typedef {{ x: number, y: number, t: number }} Point a pixel of a frame */
/** @typedef {{ block: Block, direction: Direction, index: number, at: [number, number, number], rect: import("./grid.js").Rect,
 *   weights: Float32Array, grid: Grid, own: number, x: number, y: number, t: number, px: number, py: number,
 *   span: number, head?: number, token?: string, stats: import("./stats.js").Stats }} Answer
 * index, at, rect: the cell asked about; grid: of the weights; own: the same pixel's cell there, -1 where there
 * is none; x, y, t: what was pointed at; px, py: the pixel that was answered for; head: the one it is of, where it is
 * not of their mean; token: what looks, where that is no cell: at and rect are then those of the whole. */

/** The slot of the strongest single cell. */
export const STRONGEST = 100;

/** One block of one picture: what is said of it, and its factors where the browser holds them. */
export class Block {
  /** @param {Meta} meta @param {ArrayBuffer | null} buffer */
  constructor(meta, buffer) {
    this.meta = meta;
    this.name = meta.block;
    this.queries = new Grid(meta.queries);
    this.keys = new Grid(meta.keys);
    this.affinity = buffer && new Affinity(meta, buffer);
    this.bytes = buffer ? buffer.byteLength : 0;
    /** Without factors: the last answer that the server sent.
     * @type {{ index: number, direction: Direction, weights: Float32Array, head?: number | null } | null} */
    this.got = null;
    /** The head whose weights are given; null: the mean over them. @type {number | null} */
    this.head = null;
  }

  get held() { return this.affinity !== null; }

  /** Whether such answers are made here; else the server sends them one by one. @param {Direction} direction */
  holds(direction) { return this.affinity !== null && (direction === "row" || this.affinity.hasColumns); }

  /** Digits of a weight that hold. The server's own rows are what the network computed. @param {Direction} direction */
  digits(direction) { return this.affinity && this.holds(direction) ? this.affinity.digits : 3; }

  /** The cells that a question is about. @param {Direction} direction */
  asked(direction) { return direction === "row" ? this.queries : this.keys; }

  /** The cells that it is answered on. @param {Direction} direction */
  answered(direction) { return direction === "row" ? this.keys : this.queries; }

  /** Whether the cells' weights of a row sum to 1: what goes to tokens on no cell is not on the picture. */
  get sharesOut() {
    const { distribution, aside: { key } } = this.meta;
    return distribution && !key.before.length && !key.after.length;
  }

  /** How many keys the weights of a query are shared among. @param {number} q */
  span(q) { return this.affinity ? this.affinity.span(q) : this.meta.span; }

  /** How many cells can have a weight in the answer about one. @param {number} index @param {Direction} direction */
  cellsInReach(index, direction) {
    if (this.affinity) return this.affinity.cellsInReach(index, direction);
    return direction === "row" ? this.meta.span : (this.queries.count * this.meta.span) / this.keys.count;
  }

  /** All weights of one cell, or null where they are not here. @param {number} index @param {Direction} direction @param {number | null} [head] */
  weights(index, direction, head = this.head) {
    const { affinity, got } = this;
    if (affinity && this.holds(direction)) {
      if (head !== null) return direction === "row" ? affinity.rowOfHead(index, head) : affinity.columnOfHead(index, head);
      return direction === "row" ? affinity.row(index) : affinity.column(index);
    }
    return got && got.index === index && got.direction === direction && (got.head ?? null) === head ? got.weights : null;
  }
}

/** Bytes of a file that shows these blocks without a server: what is sent is written in four letters for three bytes.
 * @param {import("../protocol.js").View} view @param {Block[]} blocks */
export const fileSize = (view, blocks) => view.alone + Math.ceil((4 * blocks.reduce((sum, block) => sum + block.bytes, 0)) / 3);

/** What a slot of the readout stands for on the picture: a region by its place, or the strongest single cell. @param {Answer} answer
 * @param {number} slot @returns {{ rect: import("./grid.js").Rect, t: number } | null} */
export function markOf({ grid, stats: { regions, best } }, slot) {
  if (slot === STRONGEST) return { rect: grid.rect(best), t: grid.unflat(best)[0] };
  const region = regions[slot];
  return region ? { rect: region.rect, t: region.frame } : null;
}

/** The cell that a point asks about; -1 where there is none. A pixel of an odd last row or column, which
 * pooling drops, counts to the nearest key. @param {Block} block @param {Point} point @param {Direction} direction */
export function cellAsked(block, { x, y, t }, direction) {
  const grid = block.asked(direction);
  return grid.find(grid.x.clamp(x), grid.y.clamp(y), t);
}

/** The row or column of the cell that a point asks about; null where there is no such cell, or its weights
 * are not here. @param {Block} block @param {Point} point @param {Direction} direction @param {number | null} [head]
 * @returns {Answer | null} */
export function answerTo(block, point, direction, head = block.head) {
  const index = cellAsked(block, point, direction), weights = index < 0 ? null : block.weights(index, direction, head);
  if (!weights) return null;
  const asked = block.asked(direction), grid = block.answered(direction), { x, y, t } = point;
  const span = block.span(direction === "row" ? index : 0);
  return {
    block, direction, index, at: asked.unflat(index), rect: asked.rect(index), weights, grid, own: grid.find(x, y, t),
    x, y, t, px: asked.x.clamp(x), py: asked.y.clamp(y), span, ...(head === null ? {} : { head }),
    stats: summarise(weights, grid, direction === "row" && block.sharesOut, span),
  };
}

/** The number of a token that lies on no cell, counted as cells are; null where the block has none of that name. @param {Block} block @param {string} token */
export function indexOfToken({ meta: { aside: { query: { before, after } } }, queries }, token) {
  const first = before.indexOf(token), last = after.indexOf(token);
  if (first >= 0) return first - before.length;
  return last < 0 ? null : queries.count + last;
}

/** What a token that lies on no cell looks at; null where there is none, or its weights are not here.
 * @param {Block} block @param {string} token @param {Point} point that is pointed at meanwhile @returns {Answer | null} */
export function tokenAnswer(block, token, { x, y, t }) {
  const index = indexOfToken(block, token), weights = index === null ? null : block.weights(index, "row"), { head, keys } = block;
  if (index === null || !weights) return null;
  const span = block.span(index);
  return {
    block, direction: "row", index, at: [t, 0, 0], rect: block.queries.extent, weights, grid: keys, own: -1, x, y, t, px: x, py: y, span, token,
    ...(head === null ? {} : { head }), stats: summarise(weights, keys, block.sharesOut, span),
  };
}
