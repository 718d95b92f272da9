import assert from "node:assert/strict";
import test from "node:test";
import { Colours, shade, ticks, unshade } from "../../../nonlocal_viz/canvas/core/colours.js";
import { changed, cmapOf, groundOf, paintOf, plainLook } from "../../../nonlocal_viz/canvas/core/look.js";
import { about, golden, singles } from "./golden.js";

const colours = new Colours(golden.maps);

for (const { scale, signed, veil, cmap, weights, levels, rgb, solid, ticks: marks } of golden.colours) {
  test(`colours and marks as in Python: ${scale}${signed ? ", signed" : ""}${veil ? ", veil" : ""}`, () => {
    const row = singles(weights), pixels = new Uint32Array(row.length), painted = new Uint8Array(pixels.buffer);
    row.forEach((w, i) => about(Math.sign(w) * shade(Math.abs(w) / 0.02, scale), levels[i], `level ${i}`, 2e-5));
    colours.fill(pixels, row, { cmap, colourScale: scale, signed, top: 0.02, alpha: 0.8, veil });
    rgb.forEach((wanted, i) => wanted.forEach((v, c) => {
      // Where a level lies between two colours either may be taken.
      assert.ok(Math.abs(painted[4 * i + c] - v) <= 6, `colour ${i}: ${painted.slice(4 * i, 4 * i + 4)} is not ${wanted}`);
    }));
    solid.forEach((share, i) => about(painted[4 * i + 3], 255 * 0.8 * share, `solidity ${i}`, 0.51));
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
  const pixels = new Uint32Array(4), table = colours.tables.magma, even = { cmap: "magma", colourScale: "linear", signed: false, alpha: 1, veil: false };
  colours.fill(pixels, Float32Array.of(5, 1, 0, NaN), { ...even, top: 1 });
  assert.deepEqual([...pixels], [table[255], table[255], table[0], table[0]]);
  colours.fill(pixels, new Float32Array(4), { ...even, top: 0 });
  assert.deepEqual([...pixels], Array(4).fill(table[0]));
});

test("the bar has every colour, from the least to the greatest weight", () => {
  const bar = new Uint32Array(256), tint = { cmap: "magma", colourScale: "log", signed: false, top: 0.3, alpha: 1, veil: false };
  colours.fillBar(bar, tint);
  assert.deepEqual([...bar], [...colours.tables.magma]);
  colours.fillBar(bar, { ...tint, cmap: "managua_r", signed: true });
  assert.ok([0, 64, 191, 255].every((i) => Math.abs(i - colours.tables.managua_r.indexOf(bar[i])) <= 1));
  colours.fillBar(bar, { ...tint, veil: true, alpha: 0.5 });
  const solid = new Uint8Array(bar.buffer).filter((_, i) => i % 4 === 3);
  assert.deepEqual([solid[0], solid[255]], [0, 128]);
  assert.ok(solid.every((v, i) => i === 0 || v >= solid[i - 1]));
});

test("maps that fit", () => {
  assert.deepEqual(colours.fitting(false), Object.keys(golden.maps.sequential));
  assert.deepEqual(colours.fitting(true), Object.keys(golden.maps.diverging));
  const look = { ...plainLook(colours.names), colourScale: "log", alpha: 0.3, smooth: true };
  assert.deepEqual([cmapOf(look, false), cmapOf(look, true)], ["inferno", "managua_r"]);
  assert.deepEqual(paintOf(look, true, 2), { cmap: "managua_r", colourScale: "log", signed: true, top: 2, alpha: 0.3, veil: true, smooth: true, colour: true });
});

test("what is left of the photo, and how solid colours are unless somebody says", () => {
  const plain = plainLook(colours.names), paint = (changes) => ({ ...paintOf(plain, false, 1), ...changes });
  assert.deepEqual([[true, true], [false, true], [true, false], [false, false]].map(([colour, veil]) => groundOf(paint({ colour, veil }))),
    ["saturate(0.6) brightness(0.75)", "grayscale(1) brightness(0.75)", "none", "grayscale(1)"]);
  assert.equal(groundOf(null), "grayscale(1)");
  const even = changed(plain, { veil: false });
  assert.deepEqual([plain.alpha, even.alpha, changed(even, { veil: true }).alpha, changed(even, { smooth: true }).alpha], [0.92, 0.65, 0.92, 0.65]);
  assert.equal(changed({ ...plain, alpha: 0.4 }, { veil: false }).alpha, 0.4);
  assert.equal(changed(plain, { veil: false, alpha: 0.5 }).alpha, 0.5);
});
