import assert from "node:assert/strict";
import test from "node:test";
import { golden, load } from "./today.js";

const { Block, HALF, shade, ticks, find, summarise } = load(["rows.js", "colours.js", "readout.js"],
  ["Block", "HALF", "shade", "ticks", "find", "summarise"]);

function near(a, b, tolerance = 2e-3, at = "") {
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1e-3, Math.abs(b)), `${a} is not ${b} ${at}`);
}

for (const { meta, bytes, map, entropy } of golden.blocks) {
  const name = `${meta.instantiation}${meta.pooled ? ", pooled" : ""}${meta.spacetime ? "" : ", per frame"}`;
  const raw = Buffer.from(bytes, "base64");
  const block = new Block(meta, raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
  test(`rows: ${name}`, () => {
    for (let q = 0; q < block.n; q++) block.row(q).forEach((w, k) => near(w, map[q][k], 2e-3, `row ${q} key ${k}`));
  });
  test(`columns: ${name}`, () => {
    for (let k = 0; k < block.m; k++) block.column(k).forEach((w, q) => near(w, map[q][k], 2e-3, `column ${k} query ${q}`));
  });
  test(`numbers: ${name}`, () => {
    for (let q = 0; q < block.n; q++) {
      const row = block.row(q), s = summarise(row, meta.keys, meta.softmax, block.span);
      assert.equal(s.strongest[0], s.best);
      for (let i = 1; i < s.strongest.length; i++) {
        assert.ok(Math.abs(row[s.strongest[i]]) <= Math.abs(row[s.strongest[i - 1]]));
      }
      if (!entropy) continue;
      near(s.entropy, entropy[q], 1e-3);
      near(s.share, entropy[q] / Math.log(block.span), 1e-3);
      near(s.support, Math.exp(entropy[q]), 1e-3);
    }
  });
}

test("every half float", () => {
  const raw = Buffer.from(golden.halves, "base64");
  const wanted = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
  for (let bits = 0; bits < 65536; bits++) assert.ok(Object.is(HALF[bits], wanted[bits]) || (HALF[bits] !== HALF[bits] && wanted[bits] !== wanted[bits]), `bits ${bits}`);
});

test("scales and ticks are Python's", () => {
  for (const { scale, signed, x, y, ticks: marks } of golden.scales) {
    x.forEach((v, i) => near(Math.sign(v) * shade(Math.abs(v), scale), y[i], 1e-5));
    ticks(0.02, scale, signed).forEach(([at, weight], i) => { near(at, marks[i][0], 1e-9); near(weight, marks[i][1], 1e-6); });
  }
});

test("a border belongs to the cell that begins there", () => {
  const edges = [0, 7.5, 15, 22.5];
  assert.deepEqual([7.5, 7.4999, 22.5, 0].map((x) => find(edges, x)), [1, 0, -1, 0]);
});
