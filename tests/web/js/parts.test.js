import assert from "node:assert/strict";
import test from "node:test";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { Colours } from "../../../nonlocal_viz/canvas/core/colours.js";
import { download, ownIds, percentOf, pixelOf } from "../../../nonlocal_viz/canvas/parts/elements.js";
import { paintCells, paintUneven } from "../../../nonlocal_viz/canvas/parts/paint.js";
import { Stage } from "../../../nonlocal_viz/canvas/parts/stage.js";
import { browser, Element } from "./fakes.js";
import { golden } from "./golden.js";

const uneven = new Grid({ cells: [1, 2, 3], x: { numerators: [0, 20, 30, 40], denominator: 1 }, y: { numerators: [10, 20, 50], denominator: 1 } });
const paint = { cmap: "magma", colourScale: "linear", signed: false, top: 1, alpha: 1, veil: false, smooth: false, colour: false };

test("cells are painted a pixel each", () => {
  browser();
  const canvas = new Element("canvas"), colours = new Colours(golden.maps);
  paintCells(canvas, colours, Float32Array.of(0, 1, 0, 0, 0, 0.5), uneven, paint);
  assert.deepEqual([canvas.width, canvas.height], [3, 2]);
  const pixels = new Uint32Array(canvas.context.image.data.buffer), table = colours.tables.magma;
  assert.deepEqual([...pixels], [table[0], table[255], table[0], table[0], table[0], table[128]]);
});

test("uneven cells are stretched to their own sizes", () => {
  const page = browser(), target = new Element("canvas"), cells = Object.assign(new Element("canvas"), { width: 3, height: 2 });
  paintUneven(target, cells, uneven, 2);
  assert.deepEqual([target.width, target.height], [80, 80]);
  const [wide] = page.made, across = wide.context.calls, down = target.context.calls;
  assert.deepEqual([wide.width, wide.height], [80, 2]);
  assert.deepEqual(across.map((call) => call.slice(2, 10)), [[0, 0, 1, 2, 0, 0, 40, 2], [1, 0, 1, 2, 40, 0, 20, 2], [2, 0, 1, 2, 60, 0, 20, 2]]);
  assert.deepEqual(down.map((call) => call.slice(2, 10)), [[0, 0, 80, 1, 0, 0, 80, 20], [0, 1, 80, 1, 0, 20, 80, 60]]);
  assert.ok([...across, ...down].every((call) => call.at(-1).smooth === false));
});

test("the stage stretches uneven cells, and even ones it does not", () => {
  for (const [given, width] of [[golden.uneven.odd, 60], [golden.uneven.even, 8]]) {
    browser();
    const stage = new Stage(new Element("root")), grid = new Grid(given);
    stage.size = { width: 64, height: 48 };
    stage.paint(new Colours(golden.maps), new Float32Array(grid.count), grid, paint);
    const across = Math.round(grid.x.last - grid.x.first);
    assert.equal(stage.canvas.width, given === golden.uneven.odd ? across : width);
    assert.equal(stage.canvas.style.width, `${(100 * (grid.x.last - grid.x.first)) / 64}%`);
  }
});

test("the stage: a small picture is shown with its pixels, one photo a frame", () => {
  browser();
  const root = new Element("root"), stage = new Stage(root), frames = [{ url: "/0" }, { url: "/1" }];
  stage.open({ width: 64, height: 10, frames, alt: "words" });
  assert.ok(stage.picture.classList.has("tiny"));
  assert.deepEqual(stage.photos.map((photo) => [photo.src, photo.alt, photo.classList.has("away")]), [["/0", "words", false], ["/1", "", true]]);
  stage.show(1);
  assert.deepEqual(stage.photos.map((photo) => photo.classList.has("away")), [true, false]);
  assert.equal(stage.lines.attributes.viewBox, "0 0 64 10");
  const [, second] = stage.photos;
  stage.open({ width: 65, height: 10, frames: frames.slice(0, 1), alt: "" });
  assert.ok(second.removed && stage.photos.length === 1 && !stage.picture.classList.has("tiny"));
});

test("pixels and percents", () => {
  const element = Object.assign(new Element(), { box: { left: 10, top: 20, width: 200, height: 50 } });
  assert.deepEqual(pixelOf({ clientX: 110, clientY: 45 }, element, { width: 40, height: 30 }), [20, 15]);
  assert.deepEqual(percentOf({ left: 10, top: 3, right: 30, bottom: 9 }, { width: 40, height: 30 }), { left: "25%", top: "10%", width: "50%", height: "20%" });
});

test("ids of a second canvas are its own", () => {
  const root = new Element("root"), words = Object.assign(new Element(), { id: "words" }), user = new Element();
  root.lists["[id]"] = [words];
  root.lists['[aria-describedby="words"]'] = [user];
  ownIds(root, 0);
  assert.equal(words.id, "words");
  ownIds(root, 2);
  assert.deepEqual([words.id, user.attributes["aria-describedby"]], ["words-3", "words-3"]);
});

test("a download has its name", () => {
  const page = browser();
  let clicked = 0;
  Element.prototype.click = function click() { clicked++; };
  download("a.png", "/file");
  const [link] = page.made;
  assert.deepEqual([link.href, link.download, link.removed, clicked], ["/file", "a.png", true, 1]);
});
