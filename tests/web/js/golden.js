// What the Python side answers, and what the tests make of it.

import assert from "node:assert/strict";
import fs from "node:fs";
import { Block } from "../../../nonlocal_viz/canvas/core/answer.js";

// pytest tests/web/test_js.py has Python write its answers and starts the tests.
const file = process.env.NONLOCAL_VIZ_GOLDEN;
if (!file) throw new Error("NONLOCAL_VIZ_GOLDEN names no file: run pytest tests/web/test_js.py, which writes it and runs these tests.");
export const golden = JSON.parse(fs.readFileSync(file, "utf8"));

export function bytes(text) {
  const raw = Buffer.from(text, "base64");
  return raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length);
}

export const singles = (text) => new Float32Array(bytes(text));
export const whole = (text) => new Int32Array(bytes(text));

/** Within a share of the greatest number that is there: float32 against float32 in another order. */
export function near(got, wanted, words = "", share = 2e-5) {
  assert.equal(got.length, wanted.length, words);
  const room = share * wanted.reduce((top, w) => Math.max(top, Math.abs(w)), 1e-6);
  for (let i = 0; i < wanted.length; i++) {
    if (!(Math.abs(got[i] - wanted[i]) <= room)) assert.fail(`${words}, ${i}: ${got[i]} is not ${wanted[i]}`);
  }
}

export const about = (got, wanted, words = "", share = 1e-5) => near([got], [wanted], words, share);

/** A block as the page gets it. `changes` are of what is said of it. */
export const blockOf = (one, changes = {}) => new Block({ ...one.meta, ...changes }, bytes(one.bytes));

/** The one case of a name. */
export function named(name) {
  const found = golden.cases.filter((one) => one.name === name);
  assert.equal(found.length, 1, name);
  return found[0];
}

/** A grid of even cells, ten pixels each. */
export function evenGrid(t, h, w) {
  const axis = (cells) => ({ numerators: Array.from({ length: cells + 1 }, (_, i) => 10 * i), denominator: 1 });
  return { cells: [t, h, w], x: axis(w), y: axis(h) };
}

/** A block without factors. */
export const remoteBlock = (changes = {}) => new Block({
  block: "layer2.1", instantiation: "some_form", pairwise: null, about: null, signed: false, distribution: true, heads: 1,
  channels: 0, span: 12, pooled: false, queries: evenGrid(1, 3, 4), keys: evenGrid(1, 3, 4),
  aside: { query: { before: [], after: [] }, key: { before: [], after: [] } }, sections: [], factors: null, ...changes,
}, null);
