import assert from "node:assert/strict";
import test from "node:test";
import { after, deedsOf } from "../../../nonlocal_viz/web/canvas/keymap.js";
import { refusal } from "../../../nonlocal_viz/web/canvas/parts/intake.js";
import { deedOf } from "../../../nonlocal_viz/web/canvas/parts/keys.js";

/** An element that is a tag, within a dialog or not. */
const element = (tag, dialog = false) => ({ matches: (selector) => selector.includes(tag), closest: () => (dialog ? {} : null) });
const picture = element("div"), other = element("button");
const key = (name, target = other, more = {}) => ({ key: name, target, ctrlKey: false, metaKey: false, altKey: false, ...more });
const deeds = { a: () => 1, Enter: () => 2, Escape: () => 3, " ": () => 4, "?": () => 5 };
const deed = (event) => deedOf(event, picture, deeds)?.();

test("letters work everywhere, arrows and Enter on the picture", () => {
  assert.deepEqual(["a", "A", "?", "Escape"].map((name) => deed(key(name))), [1, 1, 5, 3]);
  assert.deepEqual(["Enter", " ", "z", "toString", "constructor"].map((name) => deed(key(name))), Array(5).fill(undefined));
  assert.deepEqual(["Enter", " "].map((name) => deed(key(name, picture))), [2, 4]);
});

test("not while somebody types, within a dialog, or with Control", () => {
  for (const target of [element("select"), element("textarea"), element("input:not"), element("div", true)]) assert.equal(deed(key("a", target)), undefined);
  for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.equal(deed(key("a", other, { [held]: true })), undefined);
});

/** A session of which every deed is written down. */
function session(changes = {}) {
  const done = [], names = ["move", "pin", "clearPins", "chooseModel", "chooseBlock", "save", "copyLink", "setLook"];
  const write = (name) => (...said) => done.push([name, ...said]);
  return { done, session: {
    ...Object.fromEntries(names.map((name) => [name, write(name)])),
    scene: { film: { step: write("step"), play: write("play") }, colours: { fitting: (signed) => (signed ? ["berlin", "coolwarm"] : ["magma", "viridis"]) } },
    controls: { showKeys: write("showKeys") }, config: { models: [{ name: "own" }, { name: "other" }], scales: ["linear", "gamma", "log"] }, ownModel: "own",
    look: { direction: "row", cmap: "magma", signedCmap: "coolwarm", colourScale: "log", alpha: 0.98, smooth: false, grid: true, colour: false, arrows: false },
    open: { source: {}, picture: { blocks: ["a", "b"] }, block: { name: "b", meta: { signed: false } } }, ...changes,
  } };
}

test("what each key does", () => {
  const { done, session: own } = session(), all = deedsOf(own);
  const wanted = {
    ArrowUp: ["move", -1, 0], ArrowDown: ["move", 1, 0], ArrowLeft: ["move", 0, -1], ArrowRight: ["move", 0, 1],
    Home: ["move", 0, -1e6], End: ["move", 0, 1e6], PageUp: ["move", -1e6, 0], PageDown: ["move", 1e6, 0],
    Enter: ["pin"], Escape: ["clearPins"], n: ["chooseModel", "other"], b: ["chooseBlock", "a"], d: ["save", "png"], l: ["copyLink"], "?": ["showKeys"],
    r: ["setLook", { direction: "column" }], c: ["setLook", { cmap: "viridis" }], s: ["setLook", { colourScale: "linear" }],
    m: ["setLook", { smooth: true }], g: ["setLook", { grid: false }], p: ["setLook", { colour: true }], a: ["setLook", { arrows: true }],
    "[": ["setLook", { alpha: 0.93 }], "]": ["setLook", { alpha: 1 }], ",": ["step", -1], ".": ["step", 1], " ": ["play"],
  };
  assert.deepEqual(Object.keys(all).sort(), Object.keys(wanted).sort());
  for (const [name, said] of Object.entries(wanted)) { all[name](); assert.deepEqual(done.pop(), said, name); }
  const dark = session({ look: { ...own.look, alpha: 0.02 }, open: { ...own.open, block: { name: "b", meta: { signed: true } } } });
  deedsOf(dark.session)["["]();
  deedsOf(dark.session).c();
  assert.deepEqual(dark.done, [["setLook", { alpha: 0 }], ["setLook", { cmap: "berlin" }]]);
  assert.equal(after(["x", "y"], "y"), "x");
});

test("files that cannot be taken", () => {
  const bounds = { picture: 2 ** 20, clip: 3 * 2 ** 20 }, file = (size, type) => refusal({ name: "a.b", size, type }, bounds);
  assert.equal(file(2 ** 20 + 1, "image/png"), "a.b is larger than 1 MB; save it smaller.");
  assert.equal(file(2 ** 20 + 1, "video/mp4"), "");
  assert.equal(file(3 * 2 ** 20 + 1, "video/mp4"), "a.b is larger than 3 MB; save it smaller.");
  assert.equal(file(0, "image/png"), "a.b is empty (0 bytes).");
  assert.equal(file(2 ** 20, "image/png"), "");
});
