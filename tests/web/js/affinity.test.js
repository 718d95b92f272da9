import assert from "node:assert/strict";
import test from "node:test";
import { HALVES } from "../../../nonlocal_viz/canvas/core/halves.js";
import { blockOf, bytes, golden, named, near, singles } from "./golden.js";

/** The rows (n x m) of one head of a case, and their mean. */
function rowsOf(one, block) {
  const all = singles(one.heads), { count: n } = block.queries, { count: m } = block.keys, { heads } = one.meta;
  const row = (head, q) => all.subarray((head * n + q) * m, (head * n + q + 1) * m);
  const mean = (q) => Array.from({ length: m }, (_, k) => {
    let sum = 0;
    for (let head = 0; head < heads; head++) sum += row(head, q)[k];
    return sum / heads;
  });
  return { row, mean, n, m };
}

test("there is a case for every pairwise value", () => {
  const kinds = golden.cases.map(({ meta: { pairwise: p } }) => `${p.score} ${p.rectify} ${p.normalise}`);
  assert.equal(new Set(kinds).size, 12);
  assert.ok(golden.cases.some(({ meta }) => Array.isArray(meta.pairwise.scale) && meta.pairwise.scale[0] !== meta.pairwise.scale[1]));
});

for (const one of golden.cases) {
  const block = blockOf(one), { affinity } = block, { row, mean, n, m } = rowsOf(one, block);
  test(`rows and columns: ${one.name}`, () => {
    const means = [];
    for (let q = 0; q < n; q++) {
      means.push(mean(q));
      near(block.weights(q, "row"), means[q], `row ${q}`);
      for (let head = 0; head < one.meta.heads; head++) near(affinity.rowOfHead(q, head), row(head, q), `row ${q} of head ${head}`);
    }
    if (!block.holds("column")) assert.equal(block.weights(0, "column"), null);
    else for (let k = 0; k < m; k++) near(block.weights(k, "column"), means.map((weights) => weights[k]), `column ${k}`);
  });
  test(`a row and a column agree to the last bit: ${one.name}`, () => {
    if (!block.holds("column")) return;
    const columns = Array.from({ length: m }, (_, k) => block.weights(k, "column").slice());
    for (let q = 0; q < n; q++) assert.deepEqual([...block.weights(q, "row")], columns.map((column) => column[q]), `query ${q}`);
  });
  // A sum of scores that ReLU makes 0 shares out nothing.
  if (block.sharesOut && one.meta.pairwise.normalise === "softmax") {
    test(`every row sums to 1: ${one.name}`, () => {
      for (let q = 0; q < n; q++) {
        const sum = block.weights(q, "row").reduce((total, weight) => total + weight, 0);
        // A query that can look at nothing has nothing to share.
        if (block.span(q)) assert.ok(Math.abs(sum - 1) < 1e-5, `query ${q}: ${sum}`);
      }
    });
  }
  test(`keys on no cell: ${one.name}`, () => {
    const wanted = singles(one.aside), names = one.asideNames;
    for (let q = 0; q < n; q++) {
      const found = affinity.offGrid(q);
      assert.deepEqual(found.map(([name]) => name), names);
      near(found.map(([, weight]) => weight), wanted.subarray(q * names.length, (q + 1) * names.length), `query ${q}`);
    }
  });
}

test("how many cells a cell can look at, or be looked at by", () => {
  const framed = blockOf(named("product, softmax, 1 heads, 3 frames, pooled"));
  assert.deepEqual([framed.span(0), framed.cellsInReach(20, "row"), framed.cellsInReach(3, "column")], [2, 2, 15]);
  const free = blockOf(named("product, softmax, 1 heads, 1 frames, pooled"));
  assert.deepEqual([free.span(3), free.cellsInReach(0, "row"), free.cellsInReach(0, "column")], [2, 2, 15]);
  const windows = blockOf(named("product, softmax, reach"));
  // Labels are 0 1 2 0 1 2 ..., but the last query's is 7.
  assert.deepEqual([windows.span(0), windows.span(14), windows.cellsInReach(2, "column"), windows.cellsInReach(14, "row")], [5, 0, 4, 0]);
  const aside = blockOf(named("product, softmax, one head, aside, bias, reach, unary"));
  assert.deepEqual([aside.span(0), aside.cellsInReach(0, "row"), aside.cellsInReach(1, "column")], [6, 15, 15]);
  const plain = blockOf(named("product, softmax, one head, aside, head bias, reach"));
  assert.deepEqual([plain.span(0), plain.cellsInReach(0, "row")], [6, 5]);
});

test("a query that can look at nothing has a row of zeros", () => {
  for (const normalise of ["softmax", "count", "sum"]) {
    const block = blockOf(named(`product, ${normalise}, reach`));
    assert.deepEqual([...block.weights(14, "row")], Array(15).fill(0));
  }
});

test("the name of a form decides nothing", () => {
  const one = named("sum, rectified, count, 1 heads, 1 frames"), block = blockOf(one, { instantiation: "embedded_gaussian" });
  near(block.weights(4, "row"), rowsOf(one, block).row(0, 4));
});

test("with one head a row is the same array every time", () => {
  const block = blockOf(named("product, softmax, 1 heads, 1 frames"));
  assert.equal(block.weights(0, "row"), block.weights(1, "row"));
  assert.equal(block.weights(0, "column"), block.weights(1, "column"));
});

test("products are of each channel, and sum to the score", () => {
  for (const name of ["product, softmax, 2 heads, 1 frames", "product, softmax, one head, aside, head bias, reach"]) {
    const { affinity, keys } = blockOf(named(name)), { before } = affinity.aside.query;
    for (let head = 0; head < affinity.heads; head++) {
      const products = affinity.products(2, keys.count - 1, head);
      const [q, k] = [2 + before.length, keys.count - 1 + affinity.aside.key.before.length];
      const bias = affinity.bias ? affinity.bias.at(q, k, head) : 0;
      const sum = products.reduce((a, b) => a + b, 0) * affinity.scales[head] + bias;
      near([sum], [affinity.score(q, k, head)]);
      assert.equal(products.length, 3);
    }
  }
});

test("how blocks are sent decides how many digits hold, and where columns are made", () => {
  const kind = (name) => { const block = blockOf(named(name)); return [block.digits("row"), block.digits("column"), block.holds("column")]; };
  assert.deepEqual(kind("product, softmax, 1 heads, 1 frames"), [3, 3, true]);
  assert.deepEqual(kind("halves, softmax"), [2, 2, true]);
  assert.deepEqual(kind("no normalisers, softmax"), [3, 3, false]);
  assert.deepEqual(kind("no normalisers, count"), [3, 3, true]);
  const few = blockOf(named("halves, softmax"));
  few.affinity.hasColumns = false;
  assert.deepEqual([few.digits("row"), few.digits("column")], [2, 3]); // the server's own columns
  // Where columns are made here no normaliser has to be found for them.
  for (const one of golden.cases) { const { affinity } = blockOf(one); assert.equal(affinity.hasColumns, !affinity.normalisers.some(Number.isNaN)); }
});

test("columns of a block without normalisers are those that the server sent", () => {
  const block = blockOf(named("no normalisers, softmax")), weights = new Float32Array(15);
  block.got = { index: 4, direction: "column", weights };
  assert.equal(block.weights(4, "column"), weights);
  assert.equal(block.weights(3, "column"), null);
  block.got = { index: 4, direction: "row", weights };
  assert.notEqual(block.weights(4, "row"), weights);
});

test("a factor that is query and key at once is sent once", () => {
  const { meta: { sections } } = named("one factor"), [query, key, normaliser] = sections;
  assert.deepEqual([query.offset, key.offset, normaliser.offset], [0, 0, 4 * 15 * 3]);
});

test("a block that is more than data has no factors to read", () => {
  assert.throws(() => blockOf(named("product, softmax, 1 heads, 1 frames"), { pairwise: null }), /no data alone/);
});

test("every float16", () => {
  const wanted = singles(golden.halves);
  assert.equal(bytes(golden.halves).byteLength, 4 * 65536);
  for (let bits = 0; bits < 65536; bits++) {
    if (!Object.is(HALVES[bits], wanted[bits])) assert.fail(`bits ${bits}: ${HALVES[bits]} is not ${wanted[bits]}`);
  }
});
