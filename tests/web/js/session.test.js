import assert from "node:assert/strict";
import test from "node:test";
import { mount } from "../../../nonlocal_viz/web/canvas/mount.js";
import { canvas, clip, config, FIELDS, one, pointer } from "./canvas.js";
import { browser, Element } from "./fakes.js";
import { bytes, golden, named } from "./golden.js";

test("hovering draws once a frame, the last place, and goes back", () => {
  const { session, picture, page, root, tool } = canvas();
  picture.fire("pointermove", pointer(45, 25));
  picture.fire("pointermove", pointer(25, 15));
  assert.equal(page.frames.length, 1);
  page.flush();
  assert.deepEqual([session.answer.index, session.draws, session.answer.x, session.answer.y], [7, 2, 25, 15]);
  assert.deepEqual([tool.preview, tool.held, root.querySelector(".nlv-state").dataset.pointed], [true, null, "preview"]);
  assert.ok(root.querySelector(".nlv-query").classList.has("preview"));
  picture.fire("pointermove", pointer(-20, 500));
  page.flush();
  assert.equal(session.answer.index, 10);
  picture.fire("pointermove", pointer(900, 900));
  assert.deepEqual(session.pointed.preview, { x: 49.99, y: 29.99, t: 0 });
  picture.fire("pointerleave");
  page.flush();
  assert.deepEqual([session.answer.x, session.answer.y, tool.preview], [12, 8, false]);
  assert.ok(!root.querySelector(".nlv-query").classList.has("preview"));
});

const click = (picture, x, y, more = {}) => { picture.fire("pointerdown", pointer(x, y, more)); picture.fire("pointerup", pointer(x + 0.2, y, more)); };

test("a click holds, and what is held stays for everything else", () => {
  const { session, picture, page, root, asked, tool } = canvas(), held = { x: 5.2, y: 5, t: 0 };
  click(picture, 5, 5);
  assert.deepEqual([tool.held, tool.preview, session.answer.index, session.pins.length], [held, false, 0, 0]);
  assert.ok(root.querySelector(".nlv-query").classList.has("held"));
  picture.fire("pointermove", pointer(45, 25));
  page.flush();
  assert.deepEqual([session.answer.index, tool.held, root.querySelector(".nlv-kept").hidden], [14, held, false]);
  assert.equal(root.querySelector(".nlv-kept").style.left, "0%");
  // A key pressed over a preview acts on what is held.
  page.key(page.body, "d");
  assert.deepEqual([asked.pop()[1].x, tool.address.includes("x=5.2&y=5")], [5.2, true]);
  page.key(page.body, "p");
  assert.deepEqual(tool.pinned, [{ number: 1, x: 5.2, y: 5, t: 0, block: "layer2.1", model: "own", direction: "row" }]);
  assert.equal(session.answer.index, 14);
  page.key(picture, "ArrowRight");
  assert.deepEqual([session.pointed.kept, tool.preview], [{ resting: { x: 15, y: 5, t: 0 }, held: true }, false]);
});

test("where nothing is held, keys act on what is shown", () => {
  const { session, picture, page, asked, tool } = canvas();
  picture.fire("pointermove", pointer(45, 25));
  page.flush();
  page.key(page.body, "d");
  assert.deepEqual([asked.pop()[1].x, tool.held], [45, null]);
  page.key(page.body, "p");
  assert.equal(tool.pinned[0].x, 45);
  page.key(picture, "Enter");
  assert.deepEqual(tool.held, { x: 45, y: 25, t: 0 });
  assert.equal(session.draws, 4); // first, hover, pin, Enter
});

test("a drag of the mouse, and its other buttons, hold nothing; Shift pins", () => {
  const { session, picture, tool } = canvas();
  picture.fire("pointerdown", pointer(5, 5));
  picture.fire("pointermove", pointer(45, 25));
  picture.fire("pointerup", pointer(45, 25));
  click(picture, 25, 5, { button: 2 });
  assert.deepEqual([tool.held, session.pins.length], [null, 0]);
  click(picture, 25, 5, { shiftKey: true });
  assert.deepEqual([tool.held, tool.pinned.map((pin) => pin.x)], [null, [25.2]]);
});

test("Escape lets go, and is undone; pins stay", () => {
  const { session, picture, page, root, tool } = canvas(), undo = root.querySelector('[data-do="undo"]'), spoken = root.querySelector(".nlv-spoken");
  assert.ok(undo.disabled && root.querySelector('[data-do="letgo"]').disabled);
  click(picture, 5, 5);
  page.key(page.body, "p");
  page.key(page.body, "Escape");
  assert.deepEqual([tool.held, tool.pins, session.pointed.resting.x, undo.disabled], [null, 1, 5.2, false]);
  assert.match(spoken.textContent, /^Let go of \(5, 5\); z holds it again\.$/);
  page.key(page.body, "Escape");
  assert.equal(spoken.textContent, "Nothing is held.");
  page.key(page.body, "z", { ctrlKey: true });
  assert.deepEqual([tool.held, spoken.textContent], [{ x: 5.2, y: 5, t: 0 }, "Undone: the query was let go."]);
  undo.fire("click");
  assert.equal(tool.pins, 0);
  undo.fire("click");
  assert.deepEqual([tool.held, session.pointed.resting], [null, { x: 12, y: 8, t: 0 }]);
  page.key(page.body, "z");
  assert.equal(spoken.textContent, "Nothing to undo.");
  click(picture, 5, 5);
  root.querySelector('[data-do="letgo"]').fire("click");
  assert.equal(tool.held, null);
  root.querySelector('[data-do="pin"]').fire("click");
  assert.equal(tool.pins, 1);
});

test("arrows move by a cell, stay inside and hold", () => {
  const { session, picture, page, tool } = canvas();
  page.key(picture, "ArrowDown");
  page.key(picture, "ArrowRight");
  assert.deepEqual([session.answer.at, tool.held], [[0, 1, 2], { x: 25, y: 15, t: 0 }]);
  page.key(picture, "End");
  page.key(picture, "PageDown");
  page.key(picture, "ArrowRight");
  assert.deepEqual(session.answer.at, [0, 2, 4]);
  page.key(new Element("elsewhere"), "ArrowLeft");
  assert.deepEqual(session.answer.at, [0, 2, 4]);
  page.key(page.body, "z"); // a run of arrows is one deed
  assert.deepEqual(session.pointed.kept, { resting: { x: 12, y: 8, t: 0 }, held: false });
});

test("a finger: a tap holds, a long press pins, a drag sideways previews and holds where it ends", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, picture, page, tool } = canvas(), touch = { pointerType: "touch", pointerId: 4 };
  picture.fire("pointerdown", pointer(5, 5, touch));
  assert.deepEqual([tool.preview, page.frames.length], [false, 0]); // it may be about to scroll
  picture.fire("pointerup", pointer(5.2, 5, touch));
  t.mock.timers.tick(1000);
  assert.deepEqual([tool.held, tool.pins], [{ x: 5.2, y: 5, t: 0 }, 0]);
  picture.fire("pointerdown", pointer(25, 5, touch));
  picture.fire("pointermove", pointer(25.3, 5, touch));
  assert.equal(tool.preview, false);
  t.mock.timers.tick(500);
  picture.fire("pointerup", pointer(25, 5, touch));
  assert.deepEqual([tool.held.x, tool.pinned.map((pin) => pin.x)], [5.2, [25]]);
  picture.fire("pointerdown", pointer(25, 5, touch));
  picture.fire("pointermove", pointer(45, 25, touch));
  assert.deepEqual(session.pointed.preview, { x: 45, y: 25, t: 0 });
  t.mock.timers.tick(1000);
  assert.equal(tool.pins, 1);
  picture.fire("pointerup", pointer(45, 25, touch));
  assert.deepEqual(tool.held, { x: 45, y: 25, t: 0 });
  picture.fire("pointerdown", pointer(5, 5, touch));
  picture.fire("pointermove", pointer(5, 7, touch));
  picture.fire("pointercancel"); // the page scrolls
  t.mock.timers.tick(1000);
  picture.fire("pointerup", pointer(5, 9, touch));
  assert.deepEqual([tool.held, tool.preview, tool.pins], [{ x: 45, y: 25, t: 0 }, false, 1]);
  assert.match(session.line.more.textContent, /^tap/);
});

test("another direction keeps the pins, of something else, and speaks", () => {
  const { session, page, root, field, tool } = canvas(), list = root.querySelector(".nlv-pins");
  page.key(page.body, "p");
  field("direction").value = "column";
  field("direction").fire("change");
  assert.deepEqual([session.look.direction, session.answer.direction, tool.pinned[0].direction, list.children[0].className],
    ["column", "column", "row", "nlv-pin foreign"]);
  assert.match(root.querySelector(".nlv-spoken").textContent, /is looked at most by/);
  page.key(page.body, "r");
  assert.equal(list.children[0].className, "nlv-pin");
});

test("fields change the look", () => {
  const { session, picture, field, root } = canvas();
  field("scale").value = "log";
  field("scale").fire("change");
  field("alpha").value = "0.25";
  field("alpha").fire("input");
  field("smooth").checked = true;
  field("smooth").fire("change");
  field("colour").checked = true;
  field("colour").fire("change");
  field("cmap").value = "viridis";
  field("cmap").fire("change");
  assert.deepEqual([session.look.colourScale, session.look.alpha, session.look.cmap, session.look.signedCmap], ["log", 0.25, "viridis", "berlin"]);
  assert.equal(root.querySelector(".nlv-row").style.opacity, "0.25");
  assert.ok(picture.classList.has("smooth") && picture.classList.has("in-colour"));
  assert.equal(root.querySelector(".nlv-barname").textContent, "weight, log scale");
});

test("a colour map of signed weights is another one", () => {
  const { session, field, page } = canvas({ of: named("product, count, 1 heads, 1 frames") });
  assert.deepEqual([field("cmap").value, field("cmap").children.map((o) => o.value)], ["berlin", Object.keys(golden.maps.diverging)]);
  page.key(page.body, "c");
  assert.deepEqual([session.look.cmap, session.look.signedCmap], ["magma", Object.keys(golden.maps.diverging)[1]]);
});

test("blocks are asked for once", () => {
  const { session, asked, field, root } = canvas();
  field("block").value = "layer3.0";
  field("block").fire("change");
  assert.deepEqual(asked.pop(), ["block", { source: { example: "a" }, block: "layer3.0", question: 1 }]);
  assert.equal(root.dataset.state, "busy");
  session.desk.on.block({ ...one.meta, block: "layer3.0" }, bytes(one.bytes));
  assert.deepEqual([root.dataset.state, session.answer.block.name, field("block").value], ["ready", "layer3.0", "layer3.0"]);
  session.chooseBlock("layer2.1");
  session.chooseBlock("layer3.0");
  assert.deepEqual([asked.length, session.answer.block.name], [0, "layer3.0"]);
});

test("pictures, models, clips: what is asked of the server", async () => {
  const { session, asked, root } = canvas({ source: { example: "a", model: "other", frames: 4 } });
  root.querySelector(".nlv-thumbs").children[0].fire("click");
  assert.deepEqual(asked.pop(), ["picture", { source: { example: "a", model: "other" }, block: "layer2.1", question: 1 }]);
  session.chooseModel("other");
  assert.equal(asked.length, 0);
  const models = root.querySelector(".nlv-model");
  models.value = "own";
  models.fire("change");
  assert.deepEqual(asked.pop()[1].source, { example: "a", frames: 4 });
  const spacetime = root.querySelector('[data-clip="spacetime"]'), frames = root.querySelector('[data-clip="frames"]');
  assert.deepEqual([spacetime.value, frames.value, root.querySelector(".nlv-model").value], ["1", "4", "own"]);
  spacetime.value = "";
  spacetime.fire("change");
  assert.deepEqual(asked.pop()[1].source, { example: "a", model: "other", frames: 4, spacetime: false });
  frames.value = "16";
  frames.fire("change");
  assert.deepEqual(asked.pop()[1].source, { example: "a", model: "other", frames: 16 });
  await session.openFile({ name: "p.jpg", size: 10, type: "image/jpeg" });
  assert.deepEqual(asked.pop()[1].source, { path: "ab12/p.jpg", model: "other" });
  await session.openFile({ name: "p.jpg", size: 1001, type: "image/jpeg" });
  assert.equal(asked.length, 0);
  assert.match(root.querySelector(".nlv-error").textContent, /larger than/);
  session.openSource({ example: "b" }, "");
  const sending = session.openFile({ name: "p.jpg", size: 10, type: "" });
  assert.equal(session.desk.open.size, 0); // nobody waits for what was asked before
  await sending;
});

test("of two files chosen in a hurry the last is opened, and a failed upload is said", async () => {
  const { session, asked, root } = canvas();
  await Promise.all([session.openFile({ name: "1.jpg", size: 1, type: "" }), session.openFile({ name: "2.jpg", size: 1, type: "" })]);
  assert.deepEqual(asked.map(([, question]) => question.source.path), ["ab12/2.jpg"]);
  session.host.upload = async () => { throw new Error("gone"); };
  await session.openFile({ name: "3.jpg", size: 1, type: "" });
  assert.match(root.querySelector(".nlv-error").textContent, /could not be sent/);
  assert.deepEqual([root.dataset.state, root.querySelector(".nlv-error").hidden], ["ready", false]);
});

test("what a clip says of how it was sampled", () => {
  const { root, open, session, field } = canvas();
  open(clip, { example: "a", spacetime: false });
  assert.equal(root.querySelector('[data-clip="spacetime"]').value, "");
  assert.equal(root.querySelector('[data-clip="frames"]').value, "8");
  session.open.picture.blocks = ["layer4.0"];
  session.showFields();
  assert.deepEqual(field("block").children.map((o) => o.value), ["layer4.0"]);
});

test("a download says all that is shown", () => {
  const { session, asked, root } = canvas();
  session.setLook({ colourScale: "gamma", smooth: true, colour: true, alpha: 0.5, direction: "column" });
  root.lists["[data-save]"][1].fire("click");
  assert.deepEqual(asked.pop(), ["save", { source: { example: "a" }, block: "layer2.1", x: 12, y: 8, frame: 0, suffix: "csv", colour: true,
    direction: "column", cmap: "magma", alpha: 0.5, scale: "gamma", smooth: true, question: 1 }]);
  const work = root.querySelector(".nlv-working");
  session.desk.on.working("Writing");
  assert.deepEqual([work.hidden, work.querySelector('[data-text="working"]').textContent], [false, "Writing"]);
  root.querySelector('[data-do="cancel"]').fire("click");
  assert.ok(work.hidden);
  assert.equal(asked.pop()[0], "cancel");
  session.openSource({ example: "a" }, "");
  session.save("png");
  assert.equal(asked.length, 1);
});

test("a link is copied, and is the address", async () => {
  const { session, page, root } = canvas({ search: "?x=31.5&y=22.5" });
  await session.copyLink();
  const wanted = "http://here/?example=a&block=layer2.1&x=31.5&y=22.5&frame=0&show=row&cmap=magma&scale=linear&alpha=0.65&on=&cmap=berlin";
  assert.deepEqual([page.copied, location.href, root.querySelector('[data-do="link"]').textContent], [[wanted], wanted, "Copied"]);
  const own = canvas({ source: { path: "ab12/p.jpg" } });
  await own.session.copyLink();
  assert.match(own.page.copied[0], /\?upload=ab12%2Fp.jpg&block=/);
});

test("a new picture, model, block and held click are entries of their own; Back goes back and no pin is lost", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, picture, page, open, asked, tool } = canvas();
  assert.equal(page.entries.length, 0);
  click(picture, 5, 5);
  assert.equal(page.entries.length, 1);
  page.key(page.body, "p");
  session.desk.on.block({ ...one.meta, block: "layer3.0" }, bytes(one.bytes));
  session.chooseBlock("layer3.0");
  page.key(page.body, "p");
  page.key(picture, "ArrowRight");
  session.setLook({ alpha: 0.5 });
  t.mock.timers.tick(300);
  assert.equal(page.entries.length, 2);
  assert.match(location.href, /block=layer3.0&x=15&y=5&.*alpha=0.5/);
  open(one, { example: "b" });
  assert.equal(page.entries.length, 3);
  page.back();
  assert.deepEqual(asked.at(-1)[1], { source: { example: "a" }, block: "layer3.0", question: asked.at(-1)[1].question });
  open(one, { example: "a" }, { block: "layer3.0" });
  assert.deepEqual([tool.held, session.look.alpha, tool.pinned.map((pin) => [pin.number, pin.block]), page.entries.length],
    [{ x: 15, y: 5, t: 0 }, 0.5, [[1, "layer2.1"], [2, "layer3.0"]], 2]);
  session.open.blocks.set("layer2.1", session.open.block);
  page.back();
  assert.deepEqual([session.wanted, tool.held.x, tool.pins], ["layer2.1", 5.2, 2]);
  page.back();
  assert.deepEqual([tool.held, session.pointed.resting, tool.pins], [null, { x: 12, y: 8, t: 0 }, 2]);
});

test("what an address cannot bring back is said where one looks, and can be closed", () => {
  const { root, session } = canvas({ search: "?example=zebra&x=900&y=3" }), note = root.querySelector(".nlv-note");
  assert.deepEqual([note.hidden, note.querySelector("span").textContent], [false,
    "Not all of this address could be brought back: there is no example \u201czebra\u201d; the point (900, 3) lies outside the picture."]);
  root.querySelector('[data-do="closenote"]').fire("click");
  assert.ok(note.hidden);
  assert.deepEqual(session.pointed.resting, { x: 12, y: 8, t: 0 });
  assert.ok(canvas().root.querySelector(".nlv-note").hidden);
});

test("a block without factors asks the server for its row", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, asked, root } = canvas({ factors: false });
  assert.ok(!root.querySelector(".nlv-remote").hidden);
  assert.equal(session.answer, null);
  t.mock.timers.tick(80);
  assert.deepEqual(asked.pop(), ["row", { source: { example: "a" }, block: "layer2.1", direction: "row", x: 15, y: 5, frame: 0, question: 1 }]);
  const weights = Float32Array.from({ length: 15 }, (_, i) => i);
  session.desk.on.row({ block: "layer2.1", index: 1, direction: "row" }, weights);
  session.draw();
  assert.deepEqual([session.answer.index, session.answer.stats.best], [1, 14]);
});

test("a download of a pixel that no key holds is of the nearest", () => {
  const axis = { numerators: [0, 20], denominator: 1 };
  const { session, asked, open } = canvas(), pooled = named("product, softmax, 1 heads, 1 frames, pooled");
  open(pooled, { example: "b" }, { keys: { ...pooled.meta.keys, y: axis } });
  session.setLook({ direction: "column" });
  session.pointing.hold({ x: 12, y: 25, t: 0 });
  session.save("png");
  const [, { x, y }] = asked.pop();
  assert.ok(x === 12 && y < 20 && y > 19.9);
});

test("files that are dropped, chosen or pasted are opened", () => {
  const { root, picture, session, page } = canvas(), opened = [];
  session.openFile = (file) => opened.push(file);
  const dropping = (kind, files = []) => { root.fire(kind, { dataTransfer: { files } }); return picture.classList.has("dropping"); };
  assert.deepEqual(["dragenter", "dragover", "dragleave"].map((kind) => dropping(kind)), [true, true, false]);
  assert.deepEqual([dropping("dragover"), dropping("drop", ["a"]), opened], [true, false, ["a"]]);
  dropping("drop");
  const picker = root.querySelector('input[type="file"]');
  Object.assign(picker, { files: ["b"], value: "b" });
  picker.fire("change");
  assert.deepEqual([opened, picker.value], [["a", "b"], ""]);
  const paste = (target, files) => page.listeners.paste.forEach((listener) => listener({ target, clipboardData: { files }, preventDefault() {} }));
  paste(page.body, ["c"]);
  paste(page.body, []);
  paste(new Element("elsewhere"), ["d"]);
  assert.deepEqual(opened, ["a", "b", "c"]);
});

test("two canvases: keys go to the one in use", () => {
  const page = browser(), a = canvas({ page }), b = canvas({ page });
  page.key(page.body, "s");
  assert.deepEqual([a.session.look.colourScale, b.session.look.colourScale], ["gamma", "linear"]);
  b.root.fire("pointerenter");
  page.key(page.body, "s");
  assert.deepEqual([a.session.look.colourScale, b.session.look.colourScale], ["gamma", "gamma"]);
  page.key(a.picture, "s");
  assert.deepEqual([a.session.look.colourScale, b.session.look.colourScale], ["log", "gamma"]);
  b.root.isConnected = false;
  page.key(page.body, "s");
  assert.equal(b.session.look.colourScale, "gamma");
  assert.equal(b.session.company.before, 1);
  const c = canvas({ page });
  assert.equal(c.session.company.before, 1);
});

test("what tests and people's scripts can read", () => {
  browser();
  const root = new Element("root"), element = { querySelector: () => root };
  const host = { props: { config, value: null }, trigger() {}, watch() {}, upload: async () => ({}) };
  const fields = () => Object.keys(FIELDS).map((key) => Object.assign(new Element(), { dataset: { set: key } }));
  for (const name of ["[data-set]", "[data-save]", "[data-text]"]) root.lists[name] = fields();
  mount(element, host);
  const tool = root.nonlocalViz;
  assert.deepEqual([tool.ready, tool.answer, tool.frame, tool.model, tool.pins, tool.draws], [false, null, 0, "own", 0, 0]);
  assert.deepEqual([tool.held, tool.preview, tool.pinned, tool.address], [null, false, [], null]);
  assert.throws(() => { "use strict"; tool.frame = 3; });
  root.dataset.state = "ready";
  assert.equal(tool.ready, false); // nothing is drawn
});

test("what the server said before the page was there is heard", async () => {
  browser();
  const root = new Element("root"), value = { seq: 1, kind: "error", message: "No." };
  for (const name of ["[data-set]"]) root.lists[name] = Object.keys(FIELDS).map((key) => Object.assign(new Element(), { dataset: { set: key } }));
  mount({ querySelector: () => root }, { props: { config, value }, trigger() {}, watch() {}, upload: async () => ({}) });
  await new Promise((go) => setImmediate(go));
  assert.equal(root.querySelector(".nlv-error").textContent, "No.");
});
