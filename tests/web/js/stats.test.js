import assert from "node:assert/strict";
import test from "node:test";
import { Grid } from "../../../nonlocal_viz/web/canvas/core/grid.js";
import { entropyOf, frameOf, frameShares, gathered, greatest, peaks, strongest, summarise } from "../../../nonlocal_viz/web/canvas/core/stats.js";
import { about, evenGrid, golden, near, singles } from "./golden.js";

golden.rows.forEach((one, number) => {
  const grid = new Grid(one.grid), weights = singles(one.weights);
  test(`a row in numbers, as in Python: ${number}, ${one.grid.cells}`, () => {
    const stats = summarise(weights, grid, one.distribution, weights.length);
    assert.deepEqual(stats.peaks, one.peaks);
    assert.equal(stats.best, one.strongest[0]);
    assert.deepEqual(strongest(weights, 20), one.strongest);
    assert.deepEqual(peaks(weights, grid, 2), one.peaks.slice(0, 2));
    about(stats.top, one.top);
    near(frameShares(weights, grid), one.shares);
    assert.equal(gathered(weights, weights.length).half, one.half);
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
  const found = gathered(Float32Array.of(0, -3, 0, 4, 1, 0), 4);
  assert.equal(found.total, 8);
  assert.equal(found.half, 1);
  assert.deepEqual(found.reached, [0, 0.5, 0.875, 1, 1]);
  assert.equal(gathered(Float32Array.of(1, 1, 1, 1), 4).half, 2);
  assert.deepEqual(gathered(Float32Array.of(0, 0), 2), { total: 0, half: 1, reached: [0, 0, 0] });
});

test("frames of a row", () => {
  const grid = new Grid(evenGrid(3, 1, 2)), weights = Float32Array.of(1, 2, 3, -5, 0, 0);
  assert.deepEqual([...frameOf(weights, grid, 1)], [3, -5]);
  assert.equal(frameOf(weights, grid, 1).buffer, weights.buffer);
  near(frameShares(weights, grid), [3 / 11, 8 / 11, 0]);
  assert.deepEqual(frameShares(new Float32Array(6), grid), [0, 0, 0]);
  assert.equal(greatest(weights), 5);
});
