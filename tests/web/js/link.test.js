import assert from "node:assert/strict";
import test from "node:test";
import { linkQuery, restored } from "../../../nonlocal_viz/web/canvas/core/link.js";
import { modelOf, nearestFrame, sameFile, withModel } from "../../../nonlocal_viz/web/canvas/core/source.js";

const shown = { example: "dog", block: "layer2.1", x: 12.34, y: 56.78, frame: 3, direction: "column", cmap: "berlin", colourScale: "log" };
const offer = { scales: ["linear", "gamma", "log"], sequential: ["magma", "viridis"], diverging: ["berlin", "coolwarm"] };
const picture = { width: 100, height: 80, frames: 8 };
const asked = (query) => restored(new URLSearchParams(query), picture, offer);

test("a link says all that is shown", () => {
  assert.equal(String(linkQuery(shown)), "example=dog&block=layer2.1&x=12.3&y=56.8&frame=3&show=column&cmap=berlin&scale=log");
  assert.equal(linkQuery({ ...shown, model: "dot_product" }).get("model"), "dot_product");
});

test("a link brings back what was shown", () => {
  assert.deepEqual(asked(linkQuery(shown)), {
    point: { x: 12.3, y: 56.8, t: 3 }, look: { direction: "column", colourScale: "log", signedCmap: "berlin" },
  });
  assert.deepEqual(asked(linkQuery({ ...shown, cmap: "viridis", direction: "row" })).look, { direction: "row", colourScale: "log", cmap: "viridis" });
});

test("what makes no sense is not obeyed", () => {
  const senseless = ["", "x=-1&y=5", "x=100&y=5", "x=5&y=80", "x=5", "x=a&y=b", "x=5&y=-0.1", "frame=8", "frame=-1", "frame=x",
    "show=all", "scale=cubic", "cmap=jet"];
  for (const query of senseless) {
    assert.deepEqual(asked(query), { point: {}, look: {} }, query);
  }
  assert.deepEqual(asked("x=0&y=0&frame=0").point, { x: 0, y: 0, t: 0 });
  assert.deepEqual(asked("x=99.9&y=79.9&frame=7").point, { x: 99.9, y: 79.9, t: 7 });
});

test("sources", () => {
  assert.ok(sameFile({ example: "a", frames: 4 }, { example: "a", model: "m" }));
  assert.ok(!sameFile({ example: "a" }, { example: "b" }) && !sameFile({ path: "a" }, { path: "b" }) && !sameFile({ example: "a" }, { path: "a" }));
  assert.ok(!sameFile(null, { example: "a" }) && !sameFile(null, null));
  assert.deepEqual([modelOf({ model: "m" }, "own"), modelOf({}, "own"), modelOf(null, "own")], ["m", "own", "own"]);
  assert.deepEqual(withModel({ example: "a", model: "m", frames: 4 }, "k", "own"), { example: "a", model: "k", frames: 4 });
  assert.deepEqual(withModel({ example: "a", model: "m" }, "own", "own"), { example: "a" });
  assert.deepEqual([0, 0.24, 0.26, 9].map((now) => nearestFrame([0, 0.5, 1], now)), [0, 0, 1, 2]);
});
