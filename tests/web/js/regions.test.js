import assert from "node:assert/strict";
import test from "node:test";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { cropOf } from "../../../nonlocal_viz/canvas/core/regions.js";
import { summarise } from "../../../nonlocal_viz/canvas/core/stats.js";
import { about, evenGrid, golden, singles } from "./golden.js";

const regionsOf = (weights, grid) => summarise(weights, grid, false, 1).regions;

golden.rows.forEach((one, number) => {
  const grid = new Grid(one.grid), weights = singles(one.weights), found = regionsOf(weights, grid);
  test(`regions, as in Python: ${number}, ${one.grid.cells}`, () => {
    assert.equal(found.length, one.regions.length);
    one.regions.forEach((wanted, i) => {
      const { rank, frame, frames, cells, mass, share, rect: { left, top, right, bottom }, key } = found[i];
      assert.deepEqual([rank, frame, frames, cells.length, key], [wanted.rank, wanted.frame, wanted.frames, wanted.cells, wanted.key]);
      [left, top, right, bottom].forEach((edge, side) => about(edge, wanted.rect[side]));
      about(mass, wanted.mass);
      about(share, wanted.share);
    });
  });
  test(`regions hold half of the row, each cell once: ${number}`, () => {
    const cells = found.flatMap((region) => region.cells), share = found.reduce((sum, region) => sum + region.share, 0);
    assert.equal(new Set(cells).size, cells.length);
    if (found.length) assert.ok(share >= 0.5 - 1e-6 && share <= 1 + 1e-6, String(share));
    const least = Math.min(...cells.map((i) => Math.abs(weights[i]))), others = [...weights.keys()].filter((i) => !cells.includes(i));
    assert.ok(others.every((i) => !(Math.abs(weights[i]) >= least)));
    assert.ok(found.every((region, i) => !i || region.share <= found[i - 1].share));
  });
});

test("a sink, an even row, a row of nothing, both signs, corners, frames", () => {
  const of = (text, frames = 1) => {
    const rows = text.split("/").map((row) => row.split(" ").map(Number));
    const grid = new Grid(evenGrid(frames, rows.length / frames, rows[0].length));
    return regionsOf(Float32Array.from(rows.flat()), grid).map(({ cells, mass, frames: [a, b] }) => [cells.length, mass, a, b]);
  };
  assert.deepEqual(of("9 1 1/1 1 1"), [[1, 9, 0, 0]]);
  assert.deepEqual(of("1 1 1/1 1 1"), [[6, 6, 0, 0]]);
  assert.deepEqual(of("0 0/0 0"), []);
  assert.deepEqual(of("4 -3 0 4"), [[1, 4, 0, 0], [1, 4, 0, 0]]);
  assert.deepEqual(of("4 -4 0 4"), [[1, 4, 0, 0], [1, -4, 0, 0], [1, 4, 0, 0]]);
  assert.deepEqual(of("4 0/0 4"), [[2, 8, 0, 0]]);
  assert.deepEqual(of("4 0 0/0 0 4", 2), [[1, 4, 0, 0], [1, 4, 1, 1]]);
  assert.deepEqual(of("4 0 0/0 4 0", 2), [[2, 8, 0, 1]]);
  assert.deepEqual(of("4 0 0/0 0 0/4 0 0", 3), [[1, 4, 0, 0], [1, 4, 2, 2]]);
});

test("a crop is a square that lies in the picture, and large enough to be recognised", () => {
  const picture = { width: 600, height: 300 }, of = (left, top, right, bottom) => Object.values(cropOf({ left, top, right, bottom }, picture));
  assert.deepEqual(of(100, 100, 110, 110), [80, 80, 130, 130]);
  assert.deepEqual(of(0, 0, 10, 10), [0, 0, 50, 50]);
  assert.deepEqual(of(590, 290, 600, 300), [550, 250, 600, 300]);
  assert.deepEqual(of(100, 100, 300, 120), [100, 10, 300, 210]);
  assert.deepEqual(of(0, 0, 500, 300), [0, 0, 500, 300]);
  assert.deepEqual(of(0, 0, 600, 300), [0, 0, 600, 300]);
});
