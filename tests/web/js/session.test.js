import assert from "node:assert/strict";
import test from "node:test";
import { mount } from "../../../nonlocal_viz/canvas/mount.js";
import { SendingError } from "../../../nonlocal_viz/canvas/core/line.js";
import { canvas, clip, config, FIELDS, one } from "./canvas.js";
import { browser, Element } from "./fakes.js";
import { bytes, golden, named } from "./golden.js";

test("fields change the look", () => {
  const { session, picture, field, root } = canvas();
  field("scale").value = "log";
  field("scale").fire("change");
  field("alpha").value = "0.25";
  field("alpha").fire("input");
  field("smooth").checked = true;
  field("smooth").fire("change");
  field("colour").checked = false;
  field("colour").fire("change");
  field("cmap").value = "viridis";
  field("cmap").fire("change");
  assert.deepEqual([session.look.colourScale, session.look.alpha, session.look.cmap, session.look.signedCmap], ["log", 0.25, "viridis", "managua_r"]);
  const solid = new Uint8Array(root.querySelector(".nlv-row").context.image.data.buffer).filter((_, i) => i % 4 === 3);
  assert.equal(Math.max(...solid), 64);
  assert.deepEqual([picture.classList.has("smooth"), root.classList.has("in-colour"), root.classList.has("veiled")], [true, false, true]);
  field("veil").checked = false;
  field("veil").fire("change");
  assert.deepEqual([root.classList.has("veiled"), session.look.alpha], [false, 0.25]);
  assert.equal(root.querySelector(".nlv-barname").textContent, "weight, log scale");
});

test("a colour map of signed weights is another one", () => {
  const { session, field, page } = canvas({ of: named("product, count, 1 heads, 1 frames") });
  assert.deepEqual([field("cmap").value, field("cmap").children.map((o) => o.value)], ["managua_r", Object.keys(golden.maps.diverging)]);
  page.key(page.body, "c");
  assert.deepEqual([session.look.cmap, session.look.signedCmap], ["inferno", Object.keys(golden.maps.diverging)[1]]);
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
  assert.deepEqual(asked.pop()[1].source, { upload: "ab12/p.jpg", model: "other" });
  await session.openFile({ name: "p.jpg", size: 1001, type: "image/jpeg" });
  assert.equal(asked.length, 0);
  assert.match(root.querySelector(".nlv-error").textContent, /larger than/);
  session.openSource({ example: "b" }, "");
  const sending = session.openFile({ name: "p.jpg", size: 10, type: "" });
  assert.deepEqual([...session.desk.open.values()].map(({ kind }) => kind), ["upload"]); // nobody waits for what was asked before
  await sending;
});

test("of two files chosen in a hurry the last is opened, and a refused upload is said", async () => {
  const { session, asked, root } = canvas();
  await Promise.all([session.openFile({ name: "1.jpg", size: 1, type: "" }), session.openFile({ name: "2.jpg", size: 1, type: "" })]);
  assert.deepEqual(asked.map(([, question]) => question.source.upload), ["ab12/2.jpg"]);
  session.host.upload = async () => { throw new SendingError("lost", "3.jpg is too large."); };
  await session.openFile({ name: "3.jpg", size: 1, type: "" });
  assert.equal(root.querySelector(".nlv-error").textContent, "3.jpg is too large.");
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
  const { session, asked, hungUp, root } = canvas();
  session.setLook({ colourScale: "gamma", smooth: true, colour: true, alpha: 0.5, direction: "column" });
  root.querySelector("[data-caption]").checked = true;
  root.lists["[data-save]"][1].fire("click");
  assert.deepEqual(asked.pop(), ["save", { source: { example: "a" }, block: "layer2.1", x: 12, y: 8, frame: 0, suffix: "csv", colour: true,
    direction: "column", cmap: "inferno", alpha: 0.5, scale: "gamma", smooth: true, veil: true, caption: true, blocks: ["layer2.1"], question: 1 }]);
  const work = root.querySelector(".nlv-working");
  session.desk.working(session.desk.open.get(1), "Writing", 0.5);
  assert.deepEqual([work.hidden, work.querySelector('[data-text="working"]').textContent], [false, "Writing"]);
  work.querySelector("[data-stop]").fire("click");
  assert.ok(work.hidden);
  assert.deepEqual(hungUp, [["cancel", { question: 1 }]]);
  session.openSource({ example: "a" }, "");
  session.save("png");
  assert.equal(asked.length, 1);
});

test("a link is copied, and is the address", async () => {
  const { session, page, root } = canvas({ search: "?x=31.5&y=22.5" });
  await session.copyLink();
  const wanted = "http://here/?example=a&block=layer2.1&x=31.5&y=22.5&frame=0&show=row&cmap=inferno&scale=linear&alpha=0.92"
    + "&on=colour+veil&off=smooth+grid+arrows&cmap=managua_r";
  assert.deepEqual([page.copied, location.href, root.querySelector('[data-do="link"]').textContent], [[wanted], wanted, "Copied"]);
  const own = canvas({ source: { upload: "ab12/p.jpg" } });
  await own.session.copyLink();
  assert.match(own.page.copied[0], /\?upload=ab12%2Fp.jpg&block=/);
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
  const given = (files, text = "", items = []) => ({ files, items, getData: (type) => (type === "text/plain" ? text : "") });
  const dropping = (kind, files = []) => { root.fire(kind, { dataTransfer: given(files) }); return picture.classList.has("dropping"); };
  assert.deepEqual(["dragenter", "dragover", "dragleave"].map((kind) => dropping(kind)), [true, true, false]);
  assert.deepEqual([dropping("dragover"), dropping("drop", ["a"]), opened], [true, false, ["a"]]);
  dropping("drop");
  const picker = root.querySelector('input[type="file"]');
  Object.assign(picker, { files: ["b"], value: "b" });
  picker.fire("change");
  assert.deepEqual([opened, picker.value], [["a", "b"], ""]);
  let stopped = 0;
  const preventDefault = () => { stopped++; };
  const paste = (target, ...what) => page.listeners.paste.forEach((listener) => listener({ target, clipboardData: given(...what), preventDefault }));
  paste(page.body, ["c"]);
  paste(page.body, []);
  paste(page.body, [], "some words, see www. below");
  paste(new Element("elsewhere"), ["d"]);
  assert.deepEqual([opened, stopped, root.querySelector(".nlv-error").textContent], [["a", "b", "c"], 1, ""]);
  const said = (...what) => { paste(page.body, ...what); return root.querySelector(".nlv-error").textContent; };
  for (const address of ["https://a.b/c.jpg", "www.a.b", "file:///a"]) assert.match(said([], address), /^Nothing is fetched from other pages: save/);
  assert.match(said(["a", "b"]), /^2 files at once/);
  assert.match(said(["a"], "", [{ webkitGetAsEntry: () => ({ isDirectory: true, name: "holidays" }) }]), /^holidays is a folder/);
  assert.deepEqual([opened.length, stopped], [3, 6]);
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
