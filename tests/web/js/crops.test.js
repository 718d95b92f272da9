import assert from "node:assert/strict";
import test from "node:test";
import { number, percent } from "../../../nonlocal_viz/canvas/core/numbers.js";
import { cropOf } from "../../../nonlocal_viz/canvas/core/regions.js";
import { summarise } from "../../../nonlocal_viz/canvas/core/stats.js";
import { canvas, clip } from "./canvas.js";

test("crops are cut from the photo around the largest regions and the strongest cell", () => {
  const { session, root } = canvas(), { grid, weights, stats: { regions, best } } = session.answer, slots = root.querySelector(".nlv-top").children;
  assert.ok(slots.length === 3 && regions.length === 1);
  const [first, , single] = slots.map((item) => item.children[0].children), [canvas_, share, , where] = first;
  const [image] = canvas_.context.calls.filter(([name]) => name === "drawImage");
  const { left, top, right, bottom } = cropOf(regions[0].rect, { width: 50, height: 30 });
  // The photo is shown 4 times as large as it is.
  assert.deepEqual(image.slice(2, 6), [4 * left, 4 * top, 4 * (right - left), 4 * (bottom - top)]);
  const [x, y, width, height] = image.slice(6, 10);
  assert.ok(Math.abs(width / height - (right - left) / (bottom - top)) < 1e-9);
  assert.deepEqual([Math.max(width, height), 2 * x + width, 2 * y + height], [224, 224, 224]);
  assert.deepEqual([share.textContent, where.textContent], [percent(regions[0].share), "of the row"]);
  // What does not belong to it is darkened: the veil leaves out its cells alone.
  const k = width / (right - left), veiled = canvas_.context.calls.filter(([name]) => name === "fillRect").reduce((sum, [, , , w, h]) => sum + w * h, 0);
  assert.ok(Math.abs(veiled - (15 - regions[0].cells.length) * 100 * k * k) < 1e-6);
  // The strongest cell with what lies around it; cells of 10 pixels.
  const [cell, weight, , name] = single, shown = cropOf(grid.rect(best), { width: 50, height: 30 });
  const [part] = cell.context.calls.filter(([call]) => call === "drawImage");
  assert.deepEqual(part.slice(2, 6), [4 * shown.left, 4 * shown.top, 40, 40]);
  assert.deepEqual([weight.textContent, name.textContent], [number(weights[best]), "strongest cell"]);
  assert.equal(cell.context.calls.filter(([call]) => call === "strokeRect").length, 2);
  assert.match(slots[0].children[0].attributes["aria-label"], /^Region 1: \d+ % of the row, on \d+ % of the picture$/);
  assert.match(slots[2].children[0].attributes["aria-label"], /^0\.\d+ strongest cell: row \d, column \d$/);
});

test("a region that is not there leaves its place empty", () => {
  const { session, root } = canvas(), slots = root.querySelector(".nlv-top").children;
  const even = { weights: new Float32Array(15).fill(1 / 15), grid: session.answer.grid };
  const answer = { ...session.answer, ...even, stats: summarise(even.weights, even.grid, true, 15) };
  session.scene.readout.show(answer, session.scene.stage.photos, { width: 50, height: 30 });
  assert.deepEqual(slots.map((item) => [item.classList.has("none"), item.children[0].disabled]), [[false, false], [true, true], [false, false]]);
  assert.equal(slots[1].children[0].children[1].textContent, "\u00a0");
  assert.deepEqual(slots[1].children[0].children[0].context.calls.at(-1), ["clearRect", 0, 0, 224, 224]);
});

test("pointing at a crop, or focusing it, marks it and brings its frame forward as long as it lasts", () => {
  const { session, root, tool } = canvas({ of: clip }), mark = root.querySelector(".nlv-key"), slots = root.querySelector(".nlv-top").children;
  session.pointing.hold({ x: 12, y: 8, t: 2 });
  assert.ok(root.querySelector(".nlv-query").hidden);
  const { regions: [region], best } = session.answer.stats, { grid } = session.answer;
  slots[0].children[0].fire("pointerenter");
  const photos = session.scene.stage.photos.map((photo) => !photo.classList.has("away"));
  assert.deepEqual([tool.frame, region.frame, mark.hidden, photos], [0, 2, false, [false, false, true]]);
  assert.deepEqual([mark.style.left, mark.style.top], [`${2 * region.rect.left}%`, `${(100 * region.rect.top) / 30}%`]);
  assert.equal(mark.style.width, `${2 * (region.rect.right - region.rect.left)}%`);
  assert.ok(!root.querySelector(".nlv-query").hidden);
  slots[0].children[0].fire("pointerleave");
  assert.deepEqual([mark.hidden, root.querySelector(".nlv-query").hidden, tool.held.t], [true, true, 2]);
  slots[2].children[0].fire("focus");
  assert.deepEqual([mark.hidden, mark.style.left, mark.style.width], [false, `${2 * grid.rect(best).left}%`, "20%"]);
  slots[2].children[0].fire("blur");
  assert.ok(mark.hidden);
  assert.equal(slots[0].children[0].children[3].textContent, "frame 2");
});
