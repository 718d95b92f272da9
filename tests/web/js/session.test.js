import assert from "node:assert/strict";
import test from "node:test";
import { mount } from "../../../nonlocal_viz/web/canvas/mount.js";
import { Session } from "../../../nonlocal_viz/web/canvas/session.js";
import { browser, Element } from "./fakes.js";
import { bytes, golden, named } from "./golden.js";

const FIELDS = { direction: "select", cmap: "select", block: "select", scale: "select", alpha: "range", smooth: "checkbox", grid: "checkbox",
  colour: "checkbox", arrows: "checkbox" };
const config = {
  maps: golden.maps, scales: ["linear", "gamma", "log"], bounds: { picture: 1000, clip: 5000 },
  models: [{ name: "own", title: "Own" }, { name: "other", title: "Other" }],
  examples: [{ name: "a", title: "A", alt: "an a", thumb: "data:", clip: false }],
};
const one = named("product, softmax, 1 heads, 1 frames"), clip = named("product, softmax, 1 heads, 3 frames");

/** A canvas on a page of fakes, with a picture of 50 x 30 pixels in 5 x 3 cells. */
function canvas({ search = "", of = one, start = [12, 8, 0], page = browser(search), factors = true, source = { example: "a" } } = {}) {
  const root = new Element("root"), asked = [], picture = root.querySelector(".nlv-picture");
  picture.box = { left: 100, top: 50, width: 500, height: 300 };
  root.lists["[data-set]"] = Object.entries(FIELDS).map(([name, type]) => Object.assign(new Element(name), { type, dataset: { set: name } }));
  root.lists["[data-save]"] = ["png", "csv"].map((suffix) => Object.assign(new Element("button"), { dataset: { save: suffix } }));
  root.lists["[data-text]"] = ["busy", "headline", "pixel", "cell", "self", "entropy", "spread", "curve", "class"]
    .map((name) => Object.assign(new Element("span"), { dataset: { text: name } }));
  const host = { props: { config, value: null }, trigger: (event, data) => asked.push([event, data]), watch: () => {},
    upload: async (file) => ({ path: `/uploads/${file.name}` }) };
  const session = new Session(root, host);
  const field = (name) => root.lists["[data-set]"].find((e) => e.dataset.set === name);
  const text = (name) => root.lists["[data-text]"].find((e) => e.dataset.text === name).textContent;
  const open = (what, from, first = {}) => {
    const frames = Array.from({ length: what.meta.queries.cells[0] }, (_, t) => ({ url: `/${t}` }));
    const view = { source: from, width: 50, height: 30, frames, times: frames.map((_, t) => t / 2), blocks: ["layer2.1", "layer3.0"], start, alt: "words",
      classes: [["cat", 0.9]], first: { ...what.meta, ...first } };
    session.desk.on.view(view, factors ? bytes(what.bytes) : null);
  };
  open(of, source);
  return { page, root, picture, session, asked, field, text, open };
}
/** Point at a pixel of the original. */
const pointer = (x, y, more = {}) => ({ clientX: 100 + 10 * x, clientY: 50 + 10 * y, pointerType: "mouse", button: 0, ...more });

test("what is shown first", () => {
  const { session, root, text, field } = canvas();
  assert.equal(root.dataset.state, "ready");
  assert.deepEqual([session.answer.index, session.draws], [1, 1]);
  assert.deepEqual([text("pixel"), text("cell")], ["12, 8", "row 0, column 1"]);
  assert.match(text("class"), /cat/);
  assert.match(root.querySelector(".nlv-spoken").textContent, /^Cell row 0, column 1 looks most at/);
  assert.equal(root.querySelector(".nlv-picture").attributes["aria-valuetext"], root.querySelector(".nlv-spoken").textContent);
  assert.deepEqual([field("scale").value, field("direction").value, field("alpha").value, field("smooth").checked], ["linear", "row", "0.65", false]);
  assert.deepEqual([field("cmap").value, field("block").value], ["magma", "layer2.1"]);
  assert.deepEqual(field("block").children.map((o) => o.value), ["layer2.1", "layer3.0"]);
  assert.deepEqual(root.querySelector(".nlv-model").options.map((o) => [o.text, o.value]), [["Own", "own"], ["Other", "other"]]);
});

test("hovering draws once a frame, the last place", () => {
  const { session, picture, page } = canvas();
  picture.fire("pointermove", pointer(45, 25));
  picture.fire("pointermove", pointer(25, 15));
  assert.equal(page.frames.length, 1);
  page.flush();
  assert.deepEqual([session.answer.index, session.draws, session.answer.x, session.answer.y], [7, 2, 25, 15]);
  picture.fire("pointermove", pointer(-20, 500));
  page.flush();
  assert.equal(session.answer.index, 10);
});

test("a click pins, a drag does not, Escape clears", () => {
  const { session, picture, page, root } = canvas();
  picture.fire("pointerdown", pointer(5, 5));
  picture.fire("pointerup", pointer(5.2, 5));
  assert.deepEqual([session.pins.length, session.answer.index], [1, 0]);
  picture.fire("pointerdown", pointer(5, 5));
  picture.fire("pointerup", pointer(45, 25));
  assert.deepEqual([session.pins.length, session.answer.index], [1, 14]);
  picture.fire("pointerdown", pointer(25, 5));
  picture.fire("pointerup", pointer(25, 5, { button: 2 }));
  assert.equal(session.pins.length, 1);
  picture.fire("pointerdown", pointer(25, 5, { pointerType: "touch", pointerId: 4 }));
  assert.equal(picture.captured, 4);
  page.key(page.body, "Escape");
  assert.equal(session.pins.length, 0);
  assert.equal(root.querySelector(".nlv-pins").children.length, 0);
});

test("arrows move by a cell and stay inside", () => {
  const { session, picture, page } = canvas();
  page.key(picture, "ArrowDown");
  page.key(picture, "ArrowRight");
  assert.deepEqual([session.answer.at, session.point], [[0, 1, 2], { x: 25, y: 15, t: 0 }]);
  page.key(picture, "End");
  page.key(picture, "PageDown");
  page.key(picture, "ArrowRight");
  assert.deepEqual(session.answer.at, [0, 2, 4]);
  page.key(new Element("elsewhere"), "ArrowLeft");
  assert.deepEqual(session.answer.at, [0, 2, 4]);
});

test("cards of pins: numbers, words, going there, removing", () => {
  const { session, picture, root } = canvas(), list = root.querySelector(".nlv-pins");
  for (const [x, y] of [[5, 5], [45, 25]]) { picture.fire("pointerdown", pointer(x, y)); picture.fire("pointerup", pointer(x, y)); }
  assert.equal(list.children.length, 2);
  const [go, away] = list.children[0].children, [shown, words] = go.children;
  assert.deepEqual([words.children[0].textContent, words.children[1].slice(0, 15)], ["1", " row 0, column "]);
  assert.equal(away.attributes["aria-label"], "Remove pin 1");
  // The photo, then the row over the extent of its cells, at the sizes of a card of 360 pixels.
  const drawn = shown.context.calls;
  assert.deepEqual([shown.width, shown.height], [360, 216]);
  assert.deepEqual(drawn[0].slice(2, 6), [0, 0, 360, 216]);
  assert.equal(drawn[0].at(-1).filter, "grayscale(1)");
  assert.deepEqual(drawn[1].slice(2, 6), [0, 0, 360, 216]);
  assert.deepEqual([drawn[1].at(-1).alpha, drawn[1].at(-1).smooth, drawn[1].at(-1).filter], [0.65, false, "none"]);
  assert.deepEqual(drawn.filter(([name]) => name === "strokeRect").map((call) => call.slice(1)), [[0, 0, 72, 72], [0, 0, 72, 72]]);
  const marks = root.querySelector(".nlv-pinmarks").children;
  assert.deepEqual(marks.map((m) => [m.innerHTML, m.style.left, m.style.top]), [["<b>1</b>", "0%", "0%"], ["<b>2</b>", "80%", `${(100 * 20) / 30}%`]]);
  go.fire("click");
  assert.deepEqual([session.answer.index, session.point], [0, { x: 5, y: 5, t: 0 }]);
  globalThis.document.activeElement = away;
  away.fire("click");
  assert.deepEqual([session.pins.length, list.children.length, list.children[0].children[1].attributes["aria-label"]], [1, 1, "Remove pin 1"]);
  assert.equal(list.children[0].children[1].focused, 1);
  globalThis.document.activeElement = list.children[0].children[1];
  list.children[0].children[1].fire("click");
  assert.deepEqual([session.pins.length, picture.focused], [0, 1]);
});

test("another direction shows its own pins and speaks", () => {
  const { session, picture, page, root, field } = canvas();
  picture.fire("pointerdown", pointer(5, 5));
  picture.fire("pointerup", pointer(5, 5));
  field("direction").value = "column";
  field("direction").fire("change");
  assert.deepEqual([session.look.direction, session.answer.direction, root.querySelector(".nlv-pins").children.length], ["column", "column", 0]);
  assert.match(root.querySelector(".nlv-spoken").textContent, /is looked at most by/);
  page.key(page.body, "r");
  assert.equal(root.querySelector(".nlv-pins").children.length, 1);
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
  assert.deepEqual(asked.pop()[1].source, { path: "/uploads/p.jpg", model: "other" });
  await session.openFile({ name: "p.jpg", size: 1001, type: "image/jpeg" });
  assert.equal(asked.length, 0);
  assert.match(root.querySelector(".nlv-error").textContent, /larger than/);
});

test("of two files chosen in a hurry the last is opened, and a failed upload is said", async () => {
  const { session, asked, root } = canvas();
  await Promise.all([session.openFile({ name: "1.jpg", size: 1, type: "" }), session.openFile({ name: "2.jpg", size: 1, type: "" })]);
  assert.deepEqual(asked.map(([, question]) => question.source.path), ["/uploads/2.jpg"]);
  session.host.upload = async () => { throw new Error("gone"); };
  await session.openFile({ name: "3.jpg", size: 1, type: "" });
  assert.match(root.querySelector(".nlv-error").textContent, /could not be sent/);
  assert.deepEqual([root.dataset.state, root.querySelector(".nlv-error").hidden], ["ready", false]);
});

test("what a clip says of how it was sampled", () => {
  const { root, open } = canvas();
  open(clip, { example: "a", spacetime: false });
  assert.equal(root.querySelector('[data-clip="spacetime"]').value, "");
  assert.equal(root.querySelector('[data-clip="frames"]').value, "8");
});

test("a download says all that is shown", () => {
  const { session, asked, root } = canvas();
  session.setLook({ colourScale: "gamma", smooth: true, colour: true, alpha: 0.5, direction: "column" });
  root.lists["[data-save]"][1].fire("click");
  assert.deepEqual(asked.pop(), ["save", { source: { example: "a" }, block: "layer2.1", x: 12, y: 8, frame: 0, suffix: "csv", colour: true,
    direction: "column", cmap: "magma", alpha: 0.5, scale: "gamma", smooth: true, question: 1 }]);
  root.querySelector('[data-do="cancel"]').fire("click");
  assert.equal(asked.pop()[0], "cancel");
  session.openSource({ example: "a" }, "");
  session.save("png");
  assert.equal(asked.length, 1);
});

test("a link is copied, and stands in the address", async () => {
  const { session, page, root } = canvas({ search: "?x=31.5&y=22.5" });
  await session.copyLink();
  const wanted = "http://here/?example=a&block=layer2.1&x=31.5&y=22.5&frame=0&show=row&cmap=magma&scale=linear";
  assert.deepEqual([page.copied, page.states, root.querySelector('[data-do="link"]').textContent], [[wanted], [wanted], "Copied"]);
  const own = canvas({ source: { path: "/p" } });
  await own.session.copyLink();
  assert.match(own.root.querySelector(".nlv-error").textContent, /example pictures only/);
  assert.equal(own.page.copied.length, 0);
});

test("thumbnails are cut from the photo around the peaks", () => {
  const { session, root } = canvas(), { peaks } = session.answer.stats, slots = root.querySelector(".nlv-top").children;
  assert.equal(slots.length, 5);
  const [canvas_, label] = slots[0].children, [, h, w] = session.answer.grid.unflat(peaks[0]);
  const [image] = canvas_.context.calls.filter(([name]) => name === "drawImage");
  // Cells of 10 pixels, three of them around the middle; the photo is shown 4 times as large as it is.
  assert.deepEqual(image.slice(2, 10), [4 * (10 * w - 10), 4 * (10 * h - 10), 120, 120, 0, 0, 112, 112]);
  assert.equal(label.textContent, String(+session.answer.weights[peaks[0]].toPrecision(3)));
  const [first] = canvas_.context.calls.filter(([name]) => name === "strokeRect");
  first.slice(1).forEach((v) => assert.ok(Math.abs(v - 112 / 3) < 1e-9));
  // Peaks that are not there leave their place empty.
  assert.equal(slots[4].children[1].innerHTML, peaks.length > 4 ? "" : "&nbsp;");
});

test("pointing at a thumbnail marks its cell and brings its frame forward", () => {
  const { session, root } = canvas({ of: clip }), mark = root.querySelector(".nlv-key"), slots = root.querySelector(".nlv-top").children;
  session.pointTo({ x: 12, y: 8, t: 2 });
  session.draw();
  assert.ok(root.querySelector(".nlv-query").hidden);
  slots[0].fire("pointerenter");
  const [t, h, w] = session.answer.grid.unflat(session.answer.stats.peaks[0]);
  assert.deepEqual([session.frame, t, mark.hidden], [2, 2, false]);
  assert.deepEqual([mark.style.left, mark.style.top, mark.style.width], [`${20 * w}%`, `${(1000 * h) / 30}%`, "20%"]);
  assert.ok(!root.querySelector(".nlv-query").hidden);
  slots[0].fire("pointerleave");
  assert.ok(mark.hidden);
});

test("the film strip: shares, times, arrows, playing", () => {
  const { session, root, page } = canvas({ of: clip, start: [12, 8, 1] }), cards = root.querySelector(".nlv-strip").children;
  assert.equal(cards.length, 3);
  const words = cards.map((card) => card.children[1].textContent);
  assert.deepEqual(words, ["0.00 s \u00b7 0 %", "0.50 s \u00b7 100 %", "1.00 s \u00b7 0 %"]);
  assert.deepEqual(cards.map((card) => card.attributes["aria-pressed"]), ["false", "true", "false"]);
  assert.match(cards[1].attributes["aria-label"], /^Frame 1, 0\.50 s .* of the weight, the query is here$/);
  const [pane] = cards[1].children, mark = pane.children[2];
  assert.deepEqual([mark.hidden, mark.style.left, mark.style.top, cards[0].children[0].children[2].hidden], [false, "20%", "0%", true]);
  page.key(page.body, ".");
  page.flush();
  assert.deepEqual([session.frame, session.point.t, root.querySelector(".nlv-film").querySelector(".nlv-time").textContent], [2, 1, "frame 2, 1.00 s"]);
  root.querySelector(".nlv-film").querySelector('input[type="range"]').value = "2";
  page.key(page.body, ".");
  assert.equal(session.frame, 0);
  pane.box = { left: 0, top: 0, width: 100, height: 60 };
  cards[1].fire("pointermove", { pointerType: "mouse", clientX: 90, clientY: 50 });
  page.flush();
  assert.deepEqual([session.point, session.answer.index], [{ x: 45, y: 25, t: 1 }, 29]);
  cards[1].fire("pointermove", { pointerType: "mouse", clientX: 90, clientY: 61 });
  assert.deepEqual(session.point, { x: 45, y: 25, t: 1 });
  const lines = root.querySelector(".nlv-arrows");
  lines.querySelector("marker").id = "tip";
  page.key(page.body, "a");
  const drawn = lines.children;
  // The strongest 20 of 45, without the query itself.
  assert.ok(drawn.length === 19 || drawn.length === 20);
  assert.ok(drawn.every((line) => line.attributes.x1 === "90" && Math.abs(line.attributes.y1 - (25 / 30) * 100) < 1e-9));
  assert.equal(drawn.at(-1).attributes["marker-end"], "url(#tip)");
  const widths = drawn.map((line) => +line.attributes["stroke-width"]);
  assert.ok(widths.every((width, i) => i === 0 || width >= widths[i - 1]));
  page.key(page.body, "a");
  assert.equal(lines.children.length, 0);
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

test("the lesson is written when it is open", () => {
  const { session, root } = canvas(), body = root.querySelector(".nlv-lessonbody"), details = root.querySelector(".nlv-lesson");
  const live = ["score", "normaliser", "weight"].map((name) => Object.assign(new Element("b"), { dataset: { live: name } }));
  body.lists["[data-live]"] = live;
  session.draw();
  assert.match(body.innerHTML, /Self-attention over positions/);
  const { affinity } = session.answer.block, { best } = session.answer.stats;
  assert.deepEqual(live.slice(0, 2).map((e) => e.textContent), [affinity.score(1, best, 0).toFixed(3), affinity.normaliser(1, 0).toFixed(3)]);
  const bars = body.querySelector(".nlv-products").context.calls.filter(([name]) => name === "fillRect");
  assert.equal(bars.length, 2 * (1 + 3)); // opened, and drawn again
  details.open = false;
  live[2].textContent = "old";
  session.draw();
  assert.equal(live[2].textContent, "old");
  const remote = canvas({ factors: false });
  remote.session.open.block.got = { index: 1, direction: "row", weights: new Float32Array(15) };
  remote.session.draw();
  assert.match(remote.root.querySelector(".nlv-lessonbody").textContent, /too big for the browser/);
});

test("the marks of the bar", () => {
  const { root, session } = canvas(), marks = root.querySelector(".nlv-ticks").children;
  assert.deepEqual(marks.map((mark) => mark.style.left), ["0%", "25%", "50%", "75%", "100%"]);
  assert.equal(marks[4].textContent, String(+session.answer.stats.top.toPrecision(3)));
  assert.equal(marks[0].textContent, "0");
});

test("grid lines: queries thin, pooled keys strong", () => {
  const { session, root } = canvas(), lines = root.querySelector(".nlv-lines");
  assert.equal(lines.innerHTML, "");
  session.setLook({ grid: true });
  assert.equal((lines.innerHTML.match(/<path/g) || []).length, 1);
  assert.match(lines.innerHTML, /M0 0V30M10 0V30.*M0 0H50M0 10H50/);
  const pooled = canvas({ of: named("product, softmax, 1 heads, 1 frames, pooled") });
  pooled.session.setLook({ grid: true });
  assert.equal((pooled.root.querySelector(".nlv-lines").innerHTML.match(/<path/g) || []).length, 2);
});

test("the picture is as large as the room and the window let it", () => {
  const { session, root, page } = canvas(), { style } = root.querySelector(".nlv-picture");
  assert.deepEqual([style.width, style.height], ["1000px", "600px"]);
  page.narrow = true;
  root.querySelector(".nlv-room").clientWidth = 2000;
  session.scene.stage.fit();
  assert.deepEqual([Math.round(parseFloat(style.width)), style.height], [1033, "620px"]);
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
  for (const name of ["[data-set]", "[data-save]", "[data-text]"]) root.lists[name] = Object.keys(FIELDS).map((key) => Object.assign(new Element(), { dataset: { set: key } }));
  mount(element, host);
  const tool = root.nonlocalViz;
  assert.deepEqual([tool.ready, tool.answer, tool.frame, tool.model, tool.pins, tool.draws], [false, null, 0, "own", 0, 0]);
  assert.throws(() => { "use strict"; tool.frame = 3; });
});
