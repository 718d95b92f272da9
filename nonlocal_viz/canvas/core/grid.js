// Which cell holds a pixel, and which pixels a cell stands for; nonlocal_viz/core/geometry.py in JavaScript.
// A border lies at numerators[i] / denominator pixels; whole numbers decide which cell a pixel belongs to,
// by the same product of two doubles as in Python.

/** @typedef {{ left: number, top: number, right: number, bottom: number }} Rect pixels, half-open */

/** One side of a grid. */
export class Axis {
  /** @param {import("../protocol.js").Axis} borders */
  constructor({ numerators, denominator }) {
    this.numerators = numerators;
    this.denominator = denominator;
    /** In pixels, for drawing. */
    this.edges = numerators.map((numerator) => numerator / denominator);
  }

  get first() { return this.edges[0]; }

  get last() { return this.edges[this.edges.length - 1]; }

  /** The cell of a pixel; -1 where there is none. @param {number} pixel */
  find(pixel) {
    const { numerators } = this, at = pixel * this.denominator;
    let low = 0, high = numerators.length - 1;
    if (!(at >= numerators[0] && at < numerators[high])) return -1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at >= numerators[middle]) low = middle; else high = middle;
    }
    return low;
  }

  /** The nearest pixel that some cell holds. @param {number} pixel */
  clamp(pixel) {
    const { first, last } = this;
    return Math.min(Math.max(pixel, first), last - 1e-6 * (last - first));
  }

  /** Whether all cells are of one size, within a hundredth. */
  get even() {
    const { edges, first } = this, pitch = (this.last - first) / (edges.length - 1);
    return edges.every((edge, i) => Math.abs(edge - first - i * pitch) < 0.01 * pitch + 1e-3);
  }
}

/** The cells (t, h, w) of one block, numbered in this order. */
export class Grid {
  /** @param {import("../protocol.js").Grid} grid */
  constructor({ cells, x, y }) {
    this.cells = cells;
    this.x = new Axis(x);
    this.y = new Axis(y);
    this.count = cells[0] * cells[1] * cells[2];
  }

  /** @param {number} t @param {number} h @param {number} w */
  flat(t, h, w) { return (t * this.cells[1] + h) * this.cells[2] + w; }

  /** @param {number} index @returns {[number, number, number]} */
  unflat(index) {
    const [, height, width] = this.cells, rest = Math.floor(index / width);
    return [Math.floor(rest / height), rest % height, index % width];
  }

  /** The cell of a pixel of frame t; -1 where there is none. @param {number} x @param {number} y @param {number} t */
  find(x, y, t = 0) {
    const w = this.x.find(x), h = this.y.find(y);
    return w < 0 || h < 0 || t < 0 || t >= this.cells[0] ? -1 : this.flat(t, h, w);
  }

  /** The pixels of a cell. @param {number} index @returns {Rect} */
  rect(index) {
    const [, h, w] = this.unflat(index);
    return { left: this.x.edges[w], top: this.y.edges[h], right: this.x.edges[w + 1], bottom: this.y.edges[h + 1] };
  }

  /** All pixels that its cells stand for. @returns {Rect} */
  get extent() { return { left: this.x.first, top: this.y.first, right: this.x.last, bottom: this.y.last }; }

  /** The cell that lies dh rows and dw columns away, held within the frame. @param {number} index @param {number} dh @param {number} dw */
  beside(index, dh, dw) {
    const [, height, width] = this.cells, [t, h, w] = this.unflat(index);
    return this.flat(t, Math.min(Math.max(h + dh, 0), height - 1), Math.min(Math.max(w + dw, 0), width - 1));
  }
}

/** @param {Rect} rect @returns {[number, number]} x, y */
export const middle = (rect) => [(rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2];
