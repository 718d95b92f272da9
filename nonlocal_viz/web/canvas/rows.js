// rows.js: factors -> one affinity row or column. Gives: Block.
// The formulas are those of nonlocal_viz/core/pairwise.py; a browser test holds the two together.

const HALF = (() => {
  // Every float16, decoded once: 64 k numbers, 256 kB.
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    table[bits] = exponent === 31 ? (fraction ? NaN : sign * Infinity)
      : exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
      : sign * 2 ** -14 * (fraction / 1024);
  }
  return table;
})();

const count = (grid) => grid.cells[0] * grid.cells[1] * grid.cells[2];

class Block {
  // meta: what payload.py says of the block; buffer: its file.
  constructor(meta, buffer) {
    Object.assign(this, meta);
    this.n = count(meta.queries);
    this.m = count(meta.keys);
    this.held = Boolean(buffer);
    this.got = null; // without factors: the last row that the server sent
    if (!buffer) return;
    const size = (this.n + this.m) * this.channels;
    const halves = new Uint16Array(buffer, 0, size);
    const decoded = new Float32Array(size);
    for (let i = 0; i < size; i++) decoded[i] = HALF[halves[i]];
    this.query = decoded.subarray(0, this.n * this.channels);
    this.key = decoded.subarray(this.n * this.channels);
    this.normaliser = meta.softmax ? new Float32Array(buffer, Math.ceil(size / 2) * 4, this.n) : null;
    this.row_ = new Float32Array(this.m);
    this.column_ = new Float32Array(this.n);
  }

  // Where the partners of a cell lie: everywhere, or in its own frame alone.
  range(index, own, other) {
    if (this.spacetime) return [0, count(other)];
    const [, h, w] = own.cells, [, oh, ow] = other.cells, t = Math.floor(index / (h * w));
    return [t * oh * ow, (t + 1) * oh * ow];
  }

  // How many keys a query looks at.
  get span() { return this.spacetime ? this.m : this.m / this.keys.cells[0]; }

  score(q, k) {
    if (this.instantiation === "concatenation") return Math.max(0, this.query[q] + this.key[k]);
    const d = this.channels;
    let sum = 0;
    for (let c = 0, a = q * d, b = k * d; c < d; c++) sum += this.query[a + c] * this.key[b + c];
    return this.scale * sum;
  }

  // All weights of one query. The array is reused by the next call.
  row(q) {
    const out = this.row_, [from, to] = this.range(q, this.queries, this.keys), m = to - from;
    if (m < out.length) out.fill(0);
    if (!this.softmax) {
      for (let k = from; k < to; k++) out[k] = this.score(q, k) / m;
      return out;
    }
    let top = -Infinity, total = 0;
    for (let k = from; k < to; k++) { const s = (out[k] = this.score(q, k)); if (s > top) top = s; }
    for (let k = from; k < to; k++) total += out[k] = Math.exp(out[k] - top);
    for (let k = from; k < to; k++) out[k] /= total;
    return out;
  }

  // How much every query looks at one key.
  column(k) {
    const out = this.column_, [from, to] = this.range(k, this.keys, this.queries);
    const m = this.span;
    if (to - from < out.length) out.fill(0);
    for (let q = from; q < to; q++) {
      const s = this.score(q, k);
      out[q] = this.softmax ? Math.exp(s - this.normaliser[q]) : s / m;
    }
    return out;
  }

  // theta_c * phi_c for every channel: what the score is the sum of.
  products(q, k) {
    const d = this.channels, out = new Float32Array(d);
    for (let c = 0; c < d; c++) out[c] = this.query[q * d + c] * this.key[k * d + c];
    return out;
  }
}

// The cell of a pixel on one axis, by its borders; -1 outside.
function find(edges, pixel) {
  if (!(pixel >= edges[0] && pixel < edges[edges.length - 1])) return -1;
  let low = 0, high = edges.length - 1;
  while (high - low > 1) { const mid = (low + high) >> 1; if (pixel >= edges[mid]) low = mid; else high = mid; }
  return low;
}

const within = (edges, v) => {
  const first = edges[0], last = edges[edges.length - 1];
  return Math.min(Math.max(v, first), last - 1e-6 * (last - first));
};

function cellAt(grid, x, y, t = 0) {
  const w = find(grid.x, x), h = find(grid.y, y);
  return w < 0 || h < 0 ? -1 : (t * grid.cells[1] + h) * grid.cells[2] + w;
}

function place(grid, index) {
  const w = index % grid.cells[2], rest = Math.floor(index / grid.cells[2]);
  return [Math.floor(rest / grid.cells[1]), rest % grid.cells[1], w];
}

function rect(grid, index) {
  const [, h, w] = place(grid, index);
  return { left: grid.x[w], top: grid.y[h], right: grid.x[w + 1], bottom: grid.y[h + 1] };
}
