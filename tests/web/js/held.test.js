import assert from "node:assert/strict";
import test from "node:test";
import { isUnseen, placeWords, Pointed, stateWords, tidy } from "../../../nonlocal_viz/canvas/core/held.js";
import { Past } from "../../../nonlocal_viz/canvas/core/past.js";

const at = (x, y, t = 0) => ({ x, y, t });
const begun = (held = false) => { const pointed = new Pointed(); pointed.start(at(1, 2), held); return pointed; };

test("the first query rests, and nobody holds it", () => {
  const pointed = begun();
  assert.deepEqual([pointed.resting, pointed.held, pointed.preview, pointed.shown, pointed.subject], [at(1, 2), false, null, at(1, 2), at(1, 2)]);
});

test("a preview is shown and goes; what rests stays", () => {
  const pointed = begun();
  pointed.point(at(5, 6));
  assert.deepEqual([pointed.shown, pointed.resting], [at(5, 6), at(1, 2)]);
  assert.ok(pointed.leave());
  assert.ok(!pointed.leave());
  assert.deepEqual(pointed.shown, at(1, 2));
});

test("holding takes what is shown, or what is given, and ends the preview", () => {
  const pointed = begun();
  pointed.point(at(5, 6));
  pointed.hold();
  assert.deepEqual([pointed.kept, pointed.preview], [{ resting: at(5, 6), held: true }, null]);
  pointed.point(at(7, 8));
  pointed.hold(at(9, 9, 2));
  assert.deepEqual([pointed.resting, pointed.preview], [at(9, 9, 2), null]);
});

test("keys act on what is held, and where nothing is, on what is shown", () => {
  const pointed = begun();
  pointed.point(at(5, 6));
  assert.deepEqual(pointed.subject, at(5, 6));
  pointed.hold();
  pointed.point(at(7, 8));
  assert.deepEqual(pointed.subject, at(5, 6));
  assert.ok(pointed.letGo());
  assert.ok(!pointed.letGo());
  assert.deepEqual([pointed.subject, pointed.resting], [at(7, 8), at(5, 6)]);
});

test("frames with other numbers", () => {
  const pointed = begun(true);
  pointed.point(at(5, 6));
  pointed.retime((t) => t + 3);
  assert.deepEqual([pointed.kept, pointed.preview], [{ resting: at(1, 2, 3), held: true }, null]);
});

test("whatever happens, the pointer alone never moves what rests", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const pointed = begun();
  for (let i = 0; i < 500; i++) {
    const before = pointed.kept, kind = Math.floor(5 * random()), place = at(100 * random(), 100 * random());
    [() => pointed.point(place), () => pointed.leave(), () => pointed.hold(), () => pointed.letGo(), () => pointed.hold(place)][kind]();
    if (kind < 2) assert.deepEqual(pointed.kept, before);
    if (kind === 3) assert.deepEqual([pointed.resting, pointed.held], [before.resting, false]);
    if (kind === 2 || kind === 4) assert.deepEqual([pointed.held, pointed.preview, pointed.shown], [true, null, pointed.resting]);
    assert.deepEqual(tidy(pointed.shown), pointed.shown);
  }
});

test("places are of a hundredth of a pixel, as an address says them", () => {
  assert.deepEqual(tidy(at(0.29, 12.345678, 3)), at(0.29, 12.35, 3));
  for (let i = 0; i < 1000; i++) assert.equal(tidy(at(i / 100, 0)).x, i / 100);
});

test("the line at the picture", () => {
  const pointed = begun(), words = (clip = false, touch = false) => stateWords(pointed, clip, touch);
  assert.deepEqual(words(), { state: "resting", words: "Looking from (1, 2)", more: "point at the picture, click to hold" });
  assert.match(words(false, true).more, /^tap/);
  pointed.point(at(5.9, 6));
  assert.deepEqual(words(), { state: "preview", words: "Preview of (5, 6)", more: "click to hold" });
  pointed.hold();
  assert.deepEqual(words(), { state: "held", words: "Held at (5, 6)", more: "Esc lets go, P pins it" });
  assert.match(words(false, true).more, /press long to pin/);
  pointed.point(at(7, 8, 1));
  assert.deepEqual(words(true), { state: "preview", words: "Preview of (7, 8) of frame 1", more: "click to hold; (5, 6) of frame 0 is held" });
  assert.match(words(true, true).more, /^lift to hold/);
  assert.equal(placeWords(at(1.9, 2, 3), false), "(1, 2)");
});

test("what can be undone", () => {
  const past = new Past();
  assert.deepEqual([past.words, past.back()], ["", null]);
  past.remember("a", 1);
  past.remember("b", 2, true);
  past.remember("b", 3, true);
  past.remember("b", 4);
  assert.equal(past.words, "b");
  past.each((state) => state * 10);
  assert.deepEqual([past.back().state, past.back().state, past.back().state, past.back()], [40, 20, 10, null]);
  past.remember("c", 5);
  past.forget();
  assert.equal(past.words, "");
});

test("a place that was cut away is known, its borders to the pixel", () => {
  const picture = { seen: [10, 20, 30, 40] };
  for (const [x, y] of [[9.9, 25], [30, 25], [15, 19.9], [15, 40]]) assert.ok(isUnseen(picture, at(x, y)), `${x}, ${y}`);
  for (const [x, y] of [[10, 20], [29.9, 39.9]]) assert.ok(!isUnseen(picture, at(x, y)), `${x}, ${y}`);
  assert.ok(!isUnseen({ seen: null }, at(-5, 1000)));
});
