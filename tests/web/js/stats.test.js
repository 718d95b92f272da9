import assert from "node:assert/strict";
import test from "node:test";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { entropyOf, frameOf, frameShares, gathered, peaks, strongest, summarise } from "../../../nonlocal_viz/canvas/core/stats.js";
import { about, evenGrid, golden, near, singles } from "./golden.js";

golden.rows.forEach((one, number) => {
  const grid = new Grid(one.grid), weights = singles(one.weights);
  test(`a row in numbers, as in Python: ${number}, ${one.grid.cells}`, () => {
    const stats = summarise(weights, grid, one.distribution, weights.length);
    assert.equal(stats.best, one.strongest[0]);
    if (!one.broken) {
      assert.deepEqual(peaks(weights, grid, 5), one.peaks);
      assert.deepEqual(peaks(weights, grid, 2), one.peaks.slice(0, 2));
      assert.deepEqual(strongest(weights, 20), one.strongest);
    }
    about(stats.top, one.top);
    near(frameShares(weights, grid), one.shares);
    assert.equal(stats.half, one.half);
    if (!one.distribution) assert.deepEqual([stats.entropy, stats.share, stats.support], [null, null, null]);
    else for (const name of ["entropy", "share", "support"]) about(stats[name], one[name], name);
  });
});

test("a row over few cells has a share of those", () => {
  const grid = new Grid(evenGrid(2, 1, 4)), weights = Float32Array.of(0.5, 0.5, 0, 0, 0, 0, 0, 0);
  assert.equal(summarise(weights, grid, true, 4).share, 0.5);
  assert.equal(summarise(Float32Array.of(1), new Grid(evenGrid(1, 1, 1)), true, 1).share, 0);
  about(entropyOf(weights), Math.log(2));
});

test("how the weight gathers", () => {
  const of = (...weights) => summarise(Float32Array.from(weights), new Grid(evenGrid(1, 1, weights.length)), false, 1);
  const found = of(0, -3, 0, 4, 1, 0);
  assert.deepEqual([found.total, found.half, [...found.sizes]], [8, 1, [4, 3, 1, 0, 0, 0]]);
  assert.deepEqual(gathered(found, 4), [0, 0.5, 0.875, 1, 1]);
  assert.equal(of(1, 1, 1, 1).half, 2);
  assert.deepEqual([of(0, 0).half, of(0, 0).total, gathered(of(0, 0), 2)], [1, 0, [0, 0, 0]]);
});

test("frames of a row", () => {
  const grid = new Grid(evenGrid(3, 1, 2)), weights = Float32Array.of(1, 2, 3, -5, 0, 0);
  assert.deepEqual([...frameOf(weights, grid, 1)], [3, -5]);
  assert.equal(frameOf(weights, grid, 1).buffer, weights.buffer);
  near(frameShares(weights, grid), [3 / 11, 8 / 11, 0]);
  assert.deepEqual(frameShares(new Float32Array(6), grid), [0, 0, 0]);
});
