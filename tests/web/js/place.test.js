import assert from "node:assert/strict";
import test from "node:test";
import { firstOf, ringPlaces, sameAll } from "../../../nonlocal_viz/canvas/core/grading.js";
import { Grid } from "../../../nonlocal_viz/canvas/core/grid.js";
import { lateOf } from "../../../nonlocal_viz/canvas/core/waited.js";
import { deedsOf, keyList } from "../../../nonlocal_viz/canvas/keymap.js";
import { questionHtml } from "../../../nonlocal_viz/canvas/lesson/asking.js";
import { carryCard } from "../../../nonlocal_viz/canvas/lesson/cards/carry.js";
import { guessPage } from "../../../nonlocal_viz/canvas/lesson/pages/guess.js";
import { textHtml } from "../../../nonlocal_viz/canvas/lesson/texts.js";
import { placeAsked, pointOf } from "../../../nonlocal_viz/canvas/lesson/place.js";
import { inParts } from "../../../nonlocal_viz/canvas/lesson/pages/score.js";
import { FORMED, FORMULAS } from "../../../nonlocal_viz/canvas/lesson/formulas.js";
import { drawnAs } from "../../../nonlocal_viz/canvas/lesson/diagram.js";
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
  assert.ok(sameAll([0.25, 0.25, 0.25001, 0.25]) && !sameAll([0.25, 0.25, 0.26, 0.24]) && !sameAll([0.4, 0.4, 0.1, 0.1]));
  const grid = new Grid(evenGrid(1, 1, 8)), at = (row) => ({ row: Float32Array.from(row), keys: grid, point: { x: 0, y: 0, t: 0 }, neutral: true });
  assert.equal(guessPage.after(at([0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.3, 0.1])), "guess.after.tie");
  assert.notEqual(guessPage.after(at([0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.2, 0.1])), "guess.after.tie");
  const card = (row, sizes) => carryCard.after({ ...at(row), got: { sizes: { sizes: Float32Array.from(sizes) } } });
  assert.equal(card(new Array(8).fill(0.125), new Array(8).fill(2)), "limits.carry.agree.even");
  assert.equal(card(new Array(8).fill(0.125), [3, 2, 2, 2, 2, 2, 2, 2]), "limits.carry.agree");
});

test("one pixel is no pixels, and words stand as they are", () => {
  const says = { en: "{d} pixels away, {n} pixels, {what}", zh: "{d} pixels" };
  const lesson = (now) => ({ tongue: { now }, say: (_, values) => says[now].replace(/\{(\w+)\}/g, (whole, name) => values?.[name] ?? whole) });
  const text = (now, figures) => textHtml(lesson(now), "any", figures).replace(/<[^>]*>/g, "");
  assert.equal(text("en", { d: 1, n: 11, what: "the keys" }), "1 pixel away, 11 pixels, the keys");
  assert.equal(text("zh", { d: 1 }), "1 pixels");
});

test("who asked to be shown has guessed nothing", () => {
  const lesson = { say: (key) => key, place: { sliders: {} } }, question = { kind: "number", truth: 30, low: 1, high: 1000 };
  const html = (given) => questionHtml({ lesson }, "ask", question, "", given);
  assert.doesNotMatch(html({ given: null, pass: false, score: 0 }), /asking\.number/);
  assert.match(html({ given: 0.5, pass: true, score: 1 }), /asking\.number/);
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
  assert.deepEqual([null, block(null), block("softmax"), block("count"), block("sum")].map((one) => drawnAs(one).op),
    ["softmax", "softmax", "softmax", "\u00f7 M", "\u00f7 \u2211"]);
  const { score, normaliser, weight } = inParts(Float32Array.from([3, -1]), 16, 0.125, 16, "count");
  assert.deepEqual([score.text, normaliser.text, weight.text], ["2.00", "16.00", "0.125"]);
});
