import assert from "node:assert/strict";
import test from "node:test";
import { firstOf, ringPlaces, sameAll } from "../../../nonlocal_viz/canvas/core/grading.js";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { lateOf } from "../../../nonlocal_viz/canvas/core/waited.js";
import { deedsOf, keyList } from "../../../nonlocal_viz/canvas/keymap.js";
import { placeAsked, pointOf } from "../../../nonlocal_viz/canvas/lesson/place.js";
import { inParts } from "../../../nonlocal_viz/canvas/lesson/pages/score.js";
import { FORMED, FORMULAS } from "../../../nonlocal_viz/canvas/lesson/formulas.js";
import { signOf } from "../../../nonlocal_viz/canvas/lesson/diagram.js";
import { evenGrid } from "./golden.js";

test("a key of an address is two numbers, or none and what was written", () => {
  const key = (k) => { const asked = placeAsked(`#lesson=3&k=${k}`); return [asked.key, asked.keyOdd]; };
  assert.deepEqual(key("250,235"), [[250, 235], ""]);
  assert.deepEqual(key("2.5,0"), [[2.5, 0], ""]);
  for (const odd of ["abc", "1", "-1,5", "1,2,3", "NaN,NaN", "1e9,1", ",", "Infinity,1"]) assert.deepEqual(key(odd), [null, odd], odd);
  assert.deepEqual(key(""), [null, ""]);
});

test("whose picture a page is about may be said in front of the #, too", () => {
  assert.equal(placeAsked("#lesson=4", "?example=cat&here=1").here, true);
  assert.equal(placeAsked("#lesson=4&here=1", "").here, true);
  assert.equal(placeAsked("#lesson=4", "?example=cat").here, false);
  assert.deepEqual(pointOf({ example: "cat", block: "", x: 3, y: 4 }), { x: 3, y: 4, t: 0 });
  assert.equal(pointOf({ example: "cat", block: "", x: 3, y: 4, frame: 5 }).t, 5);
});

test("a choice is asked only if the best gets clearly more than all alike", () => {
  const grid = new Grid(evenGrid(1, 20, 20)), whole = grid.extent;
  const [w, h] = [whole.right, whole.bottom], query = [w / 2, h / 2], box = { width: w, height: h };
  const row = (best) => {
    const made = new Float32Array(400).fill(1);
    const four = ringPlaces(Float32Array.from(made, (_, k) => (k % 7 ? 1 : 4)), grid, box, query);
    const cell = four.find(({ value }) => value === 4).cell;
    // On the ring all is faint but one; elsewhere much is strong, so that the best of the ring may be less than an even share.
    return Float32Array.from(made, (_, k) => (k === cell ? best : 0.1));
  };
  assert.ok(ringPlaces(row(1), grid, box, query));
  const faint = row(0.4);
  faint[0] = 400;
  assert.equal(ringPlaces(faint, grid, box, query), null);
  const even = row(1);
  even[0] = even[399] = 150;
  assert.equal(ringPlaces(even, grid, box, query), null);
});

test("ties share the first rank", () => {
  assert.equal(firstOf([0.2, 0.5, 0.5 * (1 - 1e-5), 0.1]), 2);
  assert.equal(firstOf([0.2, 0.5, 0.49]), 1);
  assert.ok(sameAll([0.25, 0.25, 0.25001, 0.25]) && !sameAll([0.25, 0.25, 0.26, 0.24]));
});

test("what is late is a question of the lesson that is in trouble", () => {
  const one = (kind, aside, trouble) => ({ kind, aside, patience: { trouble }, words: "", done: null });
  assert.equal(lateOf([one("lesson", true, "lost")]), "lost");
  assert.equal(lateOf([one("lesson", true, null), one("picture", true, "lost"), one("lesson", false, "full")]), null);
});

test("one meaning a key, in the list as in the deeds", () => {
  const said = [];
  const screen = { turnType: () => true }, announce = (words) => said.push(words);
  const deeds = deedsOf({ alone: false, announce, screen, guest: { nextLanguage: () => said.push("tongue") } });
  deeds.e();
  deeds.t();
  assert.deepEqual(said, ["Larger type.", "tongue"]);
  const list = Object.fromEntries(keyList().map(({ label, words }) => [label, words]));
  assert.equal(list.e, "larger type");
  assert.equal(list.t, "next language");
  assert.equal(keyList(true).some(({ label }) => label === "t"), false);
  deedsOf({ alone: false, guest: null }).t();
});

test("without softmax nothing claims one: neither formula nor drawing nor sum", () => {
  for (const name of ["softmax", "ratio", "attention"]) {
    assert.ok(FORMULAS[name] && FORMED[name], name);
    for (const other of FORMED[name]) assert.doesNotMatch(FORMULAS[other], /exp|softmax/);
  }
  const block = (normalise) => ({ meta: { pairwise: normalise && { normalise } } });
  assert.deepEqual([null, block(null), block("softmax"), block("count"), block("sum")].map(signOf),
    ["softmax", "softmax", "softmax", "\u00f7 M", "\u00f7 \u2211"]);
  const { score, normaliser, weight } = inParts(Float32Array.from([3, -1]), 16, 0.125, 16, "count");
  assert.deepEqual([score.text, normaliser.text, weight.text], ["2.00", "16.00", "0.125"]);
});
