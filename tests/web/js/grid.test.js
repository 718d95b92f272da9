import assert from "node:assert/strict";
import test from "node:test";
import { Axis, Grid, middle } from "../../../nonlocal_viz/canvas/core/grid.js";
import { evenGrid, golden, near, whole } from "./golden.js";

for (const { grid, edges, x, y, points, cells } of golden.grids) {
  const found = new Grid(grid);
  test(`cells under pixels as in Python: ${grid.cells.slice(1)} cells, ${edges[0].at(-1)} x ${edges[1].at(-1)} pixels`, () => {
    assert.deepEqual(Array.from(whole(x), (_, pixel) => found.x.find(pixel)), [...whole(x)]);
    assert.deepEqual(Array.from(whole(y), (_, pixel) => found.y.find(pixel)), [...whole(y)]);
    assert.deepEqual(points.map(([px, py]) => found.find(px, py)), cells);
    near(found.x.edges, edges[0], "edges", 1e-12);
    near(found.y.edges, edges[1], "edges", 1e-12);
  });
}

test("a pixel on a border is the next cell's", () => {
  const axis = new Axis({ numerators: [0, 15, 30, 45], denominator: 2 });
  assert.deepEqual([0, 7.4999, 7.5, 15, 22.4999, 22.5, -0.1, NaN].map((pixel) => axis.find(pixel)), [0, 0, 1, 2, 2, -1, -1, -1]);
});

test("a pixel that no cell holds counts to the nearest", () => {
  const axis = new Axis({ numerators: [10, 20, 30], denominator: 1 });
  assert.deepEqual([0, 10, 19, 30, 99].map((pixel) => axis.find(axis.clamp(pixel))), [0, 0, 0, 1, 1]);
  assert.equal(axis.clamp(17.25), 17.25);
});

test("cells by number and by place", () => {
  const grid = new Grid(evenGrid(2, 3, 4));
  assert.equal(grid.count, 24);
  for (let index = 0; index < grid.count; index++) assert.equal(grid.flat(...grid.unflat(index)), index);
  assert.deepEqual(grid.unflat(1 * 12 + 2 * 4 + 3), [1, 2, 3]);
  assert.deepEqual(grid.rect(1 * 12 + 2 * 4 + 3), { left: 30, top: 20, right: 40, bottom: 30 });
  assert.deepEqual(middle(grid.rect(12)), [5, 5]);
  assert.deepEqual(grid.extent, { left: 0, top: 0, right: 40, bottom: 30 });
  assert.equal(grid.find(35, 25, 1), 23);
  assert.deepEqual([grid.find(35, 25, 2), grid.find(35, 25, -1), grid.find(40, 5), grid.find(5, 30)], [-1, -1, -1, -1]);
});

test("the cell beside stays within its frame", () => {
  const grid = new Grid(evenGrid(2, 3, 4)), from = grid.flat(1, 1, 2);
  const to = (dh, dw) => grid.unflat(grid.beside(from, dh, dw));
  assert.deepEqual([to(-1, 0), to(1, 0), to(0, -1), to(0, 1)], [[1, 0, 2], [1, 2, 2], [1, 1, 1], [1, 1, 3]]);
  assert.deepEqual([to(-1e6, 0), to(1e6, 0), to(0, -1e6), to(0, 1e6)], [[1, 0, 2], [1, 2, 2], [1, 1, 0], [1, 1, 3]]);
});

test("which cells are even", () => {
  const even = new Grid(golden.uneven.even), odd = new Grid(golden.uneven.odd);
  assert.deepEqual([even.x.even, even.y.even, odd.x.even, odd.y.even], [true, true, false, false]);
});
