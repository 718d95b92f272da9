import assert from "node:assert/strict";
import test from "node:test";
import { after, deedsOf, keyList } from "../../../nonlocal_viz/canvas/keymap.js";
import { refusal } from "../../../nonlocal_viz/canvas/parts/intake.js";
import { deedOf, KeyList } from "../../../nonlocal_viz/canvas/parts/keys.js";
import { browser, Element } from "./fakes.js";

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

test("undoing is also Control and z, and nothing else is with Control", () => {
  const undo = (more, deeds_ = { z: () => 6 }) => deedOf(key("z", other, more), picture, deeds_)?.();
  assert.deepEqual([{ ctrlKey: true }, { metaKey: true }, { ctrlKey: true, shiftKey: true }, { altKey: true }].map((more) => undo(more)),
    [6, 6, undefined, undefined]);
  assert.equal(undo({ ctrlKey: true }, deeds), undefined);
});

test("single letters and signs can be switched off; what belongs to the picture, and Escape, cannot", () => {
  const without = (name, target) => deedOf(key(name, target), picture, deeds, false)?.();
  assert.deepEqual(["a", "?", "Escape"].map((name) => without(name)), [undefined, undefined, 3]);
  assert.deepEqual(["a", "Enter", " "].map((name) => without(name, picture)), [undefined, 2, 4]);
});

test("not while somebody types, within a dialog, or with Control", () => {
  for (const target of [element("select"), element("textarea"), element("input:not"), element("div", true)]) assert.equal(deed(key("a", target)), undefined);
  for (const held of ["ctrlKey", "metaKey", "altKey"]) assert.equal(deed(key("a", other, { [held]: true })), undefined);
});

/** A session of which every deed is written down. */
function session(changes = {}) {
  const done = [], write = (name) => (...said) => { done.push([name, ...said]); };
  const all = (...names) => Object.fromEntries(names.map((name) => [name, write(name)]));
  return { done, session: {
    ...all("save", "copyLink"), announce: (words) => done.push(["say", words]), isClip: true,
    setLook(look) { done.push(["setLook", look]); Object.assign(this.look, look); },
    guest: { nextLanguage: write("tongue") },
    pointing: all("move", "hold", "letGo", "undo"), pinning: all("pin"), screen: { turnFull: write("full"), turnType: () => (done.push(["type"]), true) },
    scene: { film: all("step", "play"), stage: { zoom: { level: 1.5, ...all("by") } },
      colours: { fitting: (signed) => (signed ? ["berlin", "coolwarm"] : ["magma", "viridis"]) } },
    controls: { showKeys: write("showKeys") }, config: { models: [{ name: "own" }, { name: "other" }], scales: ["linear", "gamma", "log"] }, ownModel: "own",
    look: { direction: "row", cmap: "magma", signedCmap: "coolwarm", colourScale: "log", alpha: 0.98, smooth: false, grid: true, colour: false,
      arrows: false, veil: true },
    choosing: { ...all("chooseModel", "chooseBlock"), next: { source: {}, block: "b" } }, alone: false,
    open: { source: {}, picture: { blocks: ["a", "b"] }, block: { name: "b", meta: { signed: false } } }, ...changes,
  } };
}

test("what each key does, and says to those who hear", () => {
  const { done, session: own } = session(), all = deedsOf(own), look = (changes, ...words) => [["setLook", changes], ...words.map((word) => ["say", word])];
  const zoomed = (steps) => [["by", steps], ["say", "Picture at 150 %."]];
  const wanted = {
    ArrowUp: [["move", -1, 0]], ArrowDown: [["move", 1, 0]], ArrowLeft: [["move", 0, -1]], ArrowRight: [["move", 0, 1]],
    Home: [["move", 0, -1e6]], End: [["move", 0, 1e6]], PageUp: [["move", -1e6, 0]], PageDown: [["move", 1e6, 0]],
    Enter: [["hold"]], Escape: [["letGo"]], p: [["pin"]], z: [["undo"]], n: [["chooseModel", "other"]], b: [["chooseBlock", "a"]], d: [["save", "png"]],
    l: [["copyLink"]], "?": [["showKeys"]], r: look({ direction: "column" }), c: look({ cmap: "viridis" }, "Colours: viridis."),
    s: look({ colourScale: "linear" }, "Scale: linear."), m: look({ smooth: true }, "Smooth on."), g: look({ grid: false }, "Grid lines off."),
    o: look({ colour: true }, "Photo in colour on."), a: look({ arrows: true }, "Arrows on."),
    v: look({ veil: false }, "Opacity by weight off."), "[": look({ alpha: 0.93 }, "Opacity 93 %."),
    "]": look({ alpha: 0.98 }, "Opacity 98 %."), ",": [["step", -1]], ".": [["step", 1]], " ": [["play"]], "+": zoomed(1), "=": zoomed(1),
    "-": zoomed(-1), 0: zoomed(-1e6), f: [["full"]], e: [["type"], ["say", "Larger type."]], t: [["tongue"]],
  };
  assert.deepEqual(Object.keys(all).sort(), Object.keys(wanted).sort());
  for (const [name, said] of Object.entries(wanted)) { all[name](); assert.deepEqual(done.splice(0), said, name); }
  const dark = session({ look: { ...own.look, alpha: 0.02 }, open: { ...own.open, block: { name: "b", meta: { signed: true } } } });
  deedsOf(dark.session)["["]();
  deedsOf(dark.session).c();
  assert.deepEqual(dark.done.filter(([name]) => name === "setLook"), [["setLook", { alpha: 0 }], ["setLook", { cmap: "berlin" }]]);
  const photo = session({ isClip: false });
  for (const name of [",", ".", " ", "a"]) deedsOf(photo.session)[name]();
  assert.deepEqual(photo.done, []);
  assert.equal(after(["x", "y"], "y"), "x");
});

test("the list of keys is the table of deeds", () => {
  const rows = keyList(), { session: own } = session(), named = rows.flatMap(({ label }) => label.split(/,? /)).join(" ");
  const single = Object.keys(deedsOf(own)).filter((name) => name.length === 1 && !" =,.".includes(name));
  for (const name of single) assert.ok(named.split(" ").includes(name), name);
  assert.ok(rows.every(({ words }) => words.length > 3) && new Set(rows.map(({ label }) => label)).size === rows.length);
  assert.deepEqual(rows.filter(({ clip }) => clip).map(({ label }) => label), [", .", "space", "a"]);
});

test("the dialog: rows of the table, those of clips apart, and the switch, which is remembered", () => {
  const page = browser(), root = new Element("root"), dialog = root.querySelector(".nlv-keys"), box = dialog.querySelector('input[data-do="letters"]');
  const list = new KeyList(root, [{ label: "p", words: "pin", clip: false }, { label: "a", words: "arrows", clip: true }]);
  assert.deepEqual(dialog.querySelector("dl").children.map((e) => [e.tag, e.textContent, e.className]),
    [["dt", "p", ""], ["dd", "pin", ""], ["dt", "a", "nlv-cliponly"], ["dd", "arrows", "nlv-cliponly"]]);
  assert.ok(list.letters && box.checked);
  box.checked = false;
  box.fire("change");
  assert.ok(!list.letters && Object.values(page.kept).includes("off"));
  assert.ok(!new KeyList(root, []).letters);
  box.checked = true;
  box.fire("change");
  assert.ok(new KeyList(root, []).letters);
  globalThis.localStorage = undefined;
  assert.ok(new KeyList(root, []).letters);
  box.fire("change");
});

test("files that cannot be taken", () => {
  const bounds = { picture: 2 ** 20, clip: 3 * 2 ** 20 }, file = (size, type) => refusal({ name: "a.b", size, type }, bounds);
  assert.equal(file(2 ** 20 + 1, "image/png"), "a.b is larger than 1 MB; save it smaller.");
  assert.equal(file(2 ** 20 + 1, "video/mp4"), "");
  assert.equal(file(3 * 2 ** 20 + 1, "video/mp4"), "a.b is larger than 3 MB; save it smaller.");
  assert.equal(file(0, "image/png"), "a.b is empty (0 bytes).");
  assert.equal(file(2 ** 20, "image/png"), "");
});
