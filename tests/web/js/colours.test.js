import assert from "node:assert/strict";
import test from "node:test";
import { Colours, shade, ticks, unshade } from "../../../nonlocal_viz/web/canvas/core/colours.js";
import { cmapOf, paintOf, plainLook } from "../../../nonlocal_viz/web/canvas/core/look.js";
import { about, golden, singles } from "./golden.js";

const colours = new Colours(golden.maps);

for (const { scale, signed, cmap, weights, levels, rgb, ticks: marks } of golden.colours) {
  test(`colours and marks as in Python: ${scale}${signed ? ", signed" : ""}`, () => {
    const row = singles(weights), pixels = new Uint32Array(row.length), painted = new Uint8Array(pixels.buffer);
    row.forEach((w, i) => about(Math.sign(w) * shade(Math.abs(w) / 0.02, scale), levels[i], `level ${i}`, 2e-5));
    colours.fill(pixels, row, { cmap, colourScale: scale, signed, top: 0.02 });
    rgb.forEach((wanted, i) => wanted.forEach((v, c) => {
      // Where a level lies between two colours either may be taken.
      assert.ok(Math.abs(painted[4 * i + c] - v) <= 6, `colour ${i}: ${painted.slice(4 * i, 4 * i + 4)} is not ${wanted}`);
    }));
    assert.equal(painted[3], 255);
    const exact = rgb.filter((wanted, i) => wanted.every((v, c) => painted[4 * i + c] === v));
    assert.ok(exact.length > 0.9 * rgb.length);
    ticks(0.02, scale, signed).forEach(([at, weight], i) => {
      assert.equal(at, marks[i][0]);
      about(weight, marks[i][1]);
    });
  });
}

test("brightness and its inverse", () => {
  for (const scale of ["linear", "gamma", "log"]) for (const share of [0.002, 0.1, 0.5, 1]) about(unshade(shade(share, scale), scale), share);
  assert.deepEqual([shade(0, "log"), unshade(0, "log"), shade(1e-9, "log")], [0, 0, 0]);
});

test("what is beyond the greatest weight, or nothing at all, is painted as the end of the map", () => {
  const pixels = new Uint32Array(4), table = colours.tables.magma;
  colours.fill(pixels, Float32Array.of(5, 1, 0, NaN), { cmap: "magma", colourScale: "linear", signed: false, top: 1 });
  assert.deepEqual([...pixels], [table[255], table[255], table[0], table[0]]);
  colours.fill(pixels, new Float32Array(4), { cmap: "magma", colourScale: "linear", signed: false, top: 0 });
  assert.deepEqual([...pixels], Array(4).fill(table[0]));
});

test("maps that fit", () => {
  assert.deepEqual(colours.fitting(false), Object.keys(golden.maps.sequential));
  assert.deepEqual(colours.fitting(true), Object.keys(golden.maps.diverging));
  const look = { ...plainLook(colours.names), colourScale: "log", alpha: 0.3, smooth: true };
  assert.deepEqual([cmapOf(look, false), cmapOf(look, true)], ["magma", "berlin"]);
  assert.deepEqual(paintOf(look, true, 2), { cmap: "berlin", colourScale: "log", signed: true, top: 2, alpha: 0.3, smooth: true, colour: false });
});
