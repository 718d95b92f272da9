import assert from "node:assert/strict";
import test from "node:test";
import { canvas } from "./canvas.js";
import { Element } from "./fakes.js";
import { named } from "./golden.js";
import { workedOut } from "../../../nonlocal_viz/canvas/core/equation.js";

test("what is shown first", () => {
  const { session, root, text, field } = canvas();
  assert.deepEqual([root.dataset.state, root.querySelector(".nlv-remote").hidden], ["ready", true]);
  assert.deepEqual([session.answer.index, session.draws], [1, 1]);
  assert.deepEqual([text("pixel"), text("cell")], ["12, 8", "row 0, column 1"]);
  assert.match(root.querySelector(".nlv-spoken").textContent, /^The cell in row 0, column 1 looks most at/);
  assert.deepEqual([field("scale").value, field("direction").value, field("alpha").value, field("smooth").checked], ["linear", "row", "0.92", false]);
  assert.deepEqual([field("cmap").value, field("block").value], ["inferno", "layer2.1"]);
  assert.deepEqual(field("block").children.map((o) => o.value), ["layer2.1", "layer3.0"]);
  assert.deepEqual(root.querySelector(".nlv-model").options.map((o) => [o.text, o.value]), [["Own: by object", "own"], ["Other", "other"]]);
  assert.deepEqual(field("block").children.map((o) => o.text), ["layer2.1: fine, 40 \u00d7 72 cells", "layer3.0: coarse, 20 \u00d7 36 cells"]);
  assert.match(root.querySelector(".nlv-why").textContent, /layer3\.0 is better at whole objects/);
});

test("what is assumed of a model is told, and nothing where nothing is", () => {
  assert.equal(canvas().root.querySelector(".nlv-assumed").hidden, true);
  const { root } = canvas({ assumptions: ["Its scale is a guess.", "So is its padding."] }), assumed = root.querySelector(".nlv-assumed");
  assert.equal(assumed.hidden, false);
  assert.deepEqual(assumed.querySelector("ul").children.map((item) => item.textContent), ["Its scale is a guess.", "So is its padding."]);
});

test("cards of pins: numbers, words, going there, moving, removing", () => {
  const { session, page, root, tool } = canvas(), list = root.querySelector(".nlv-pins"), card = (i) => list.children[i];
  const box = root.querySelector(".nlv-pinned");
  assert.ok(box.hidden);
  for (const [x, y] of [[5, 5], [45, 25]]) session.pinning.pin({ x, y, t: 0 });
  assert.deepEqual([list.children.length, box.hidden, root.querySelector(".nlv-pincount").textContent], [2, false, "2 pins"]);
  const [go] = card(0).children, [shown, words] = go.children;
  assert.deepEqual([words.children[0].textContent, words.children[1], words.children[2].textContent], ["1", " (5, 5)", "layer2.1"]);
  const buttons = (i) => card(i).all().filter((e) => e.tag === "button");
  const part = (i, name) => buttons(i).find((e) => e.dataset.pinned === name);
  assert.deepEqual(buttons(0).map((e) => e.attributes["aria-label"]),
    ["Go to pin 1, (5, 5), layer2.1", "Move pin 1 to the front", "Move pin 1 to the back", "Remove pin 1"]);
  // The photo, then the row over the extent of its cells, at the sizes of a card of 360 pixels.
  const drawn = shown.context.calls;
  assert.deepEqual([shown.width, shown.height], [360, 216]);
  assert.deepEqual(drawn[0].slice(2, 6), [0, 0, 360, 216]);
  assert.equal(drawn[0].at(-1).filter, "saturate(0.6) brightness(0.75)");
  assert.deepEqual(drawn[1].slice(2, 6), [0, 0, 360, 216]);
  assert.deepEqual([drawn[1].at(-1).smooth, drawn[1].at(-1).filter], [false, "none"]);
  assert.deepEqual(drawn.filter(([name]) => name === "strokeRect").map((call) => call.slice(1)), [[0, 0, 72, 72], [0, 0, 72, 72]]);
  const marks = root.querySelector(".nlv-pinmarks").children;
  assert.deepEqual(marks.map((m) => [m.innerHTML, m.style.left, m.style.top]), [["<b>1</b>", "0%", "0%"], ["<b>2</b>", "80%", `${(100 * 20) / 30}%`]]);
  go.fire("click");
  assert.deepEqual([session.answer.index, tool.held], [0, { x: 5, y: 5, t: 0 }]);
  // Whoever works with the keyboard stays with the pin that they work on.
  const press = (i, key, more = {}) => card(i).fire("keydown", { key, stopPropagation() {}, ...more });
  globalThis.document.activeElement = part(0, "go");
  press(0, "ArrowRight", { altKey: true });
  assert.deepEqual([tool.pinned.map((pin) => pin.number), part(1, "go").focused, part(0, "go").focused], [[2, 1], 1, 0]);
  press(0, "ArrowRight");
  press(1, "x", { altKey: true });
  press(1, "Home", { altKey: true });
  assert.deepEqual(tool.pinned.map((pin) => pin.number), [1, 2]);
  part(0, "after").fire("click");
  part(1, "before").fire("click");
  press(0, "End", { altKey: true });
  assert.deepEqual(tool.pinned.map((pin) => pin.number), [2, 1]);
  globalThis.document.activeElement = part(0, "away");
  part(0, "away").fire("click");
  assert.deepEqual([tool.pinned.map((pin) => pin.number), part(0, "away").focused], [[1], 1]);
  globalThis.document.activeElement = part(0, "go");
  press(0, "Delete");
  assert.deepEqual([tool.pins, root.querySelector(".nlv-picture").focused, box.hidden], [0, 1, true]);
  page.key(page.body, "z");
  page.key(page.body, "z");
  assert.deepEqual(tool.pinned.map((pin) => pin.number), [2, 1]);
  root.querySelector('[data-do="clearpins"]').fire("click");
  assert.equal(tool.pins, 0);
  page.key(page.body, "z");
  assert.deepEqual(tool.pinned.map((pin) => pin.number), [2, 1]);
});

test("the lesson is written when it is open", () => {
  const { session, root } = canvas(), body = root.querySelector(".nlv-lessonbody"), details = root.querySelector(".nlv-lesson");
  const live = ["score", "normaliser", "weight"].map((name) => Object.assign(new Element("b"), { dataset: { live: name } }));
  body.lists["[data-live]"] = live;
  session.draw();
  assert.match(body.innerHTML, /Self-attention over positions/);
  const { affinity } = session.answer.block, { best } = session.answer.stats;
  const { numbers } = workedOut(session.answer);
  assert.deepEqual(live.slice(0, 2).map((e) => e.textContent), [numbers.score, numbers.normaliser]);
  const { height, width } = body.querySelector(".nlv-products"), products = affinity.products(1, best);
  const high = Math.max(0, ...products), range = high - Math.min(0, ...products), zero = (high / range) * (height - 2) + 1;
  const bars = body.querySelector(".nlv-products").context.calls.filter(([name]) => name === "fillRect");
  assert.equal(bars.length, 2 * (1 + 3)); // opened, and drawn again
  assert.deepEqual(bars.slice(5).map(([, x, y, , size]) => [x, y, size]), [...products].map((product, c) => {
    const size = (Math.abs(product) / range) * (height - 2);
    return [(c * width) / 3, product < 0 ? zero : zero - size, size];
  }));
  assert.ok(products.some((product) => product < 0) && products.some((product) => product > 0));
  session.desk.on.block({ ...session.open.block.meta, block: "layer3.0", heads: 7 }, null);
  session.chooseBlock("layer3.0");
  session.open.block.got = { index: 1, direction: "row", weights: new Float32Array(15) };
  session.draw();
  assert.match(body.textContent, /too big/);
  session.chooseBlock("layer2.1");
  const again = { ...session.open.block.meta, block: "other", heads: 7 };
  session.wanted = "other";
  session.open.blocks.set("other", Object.assign(Object.create(session.open.block), { meta: again, name: "other" }));
  session.chooseBlock("other");
  assert.match(body.innerHTML, /7 heads/);
  session.chooseBlock("layer2.1");
  assert.match(body.innerHTML, /one head/);
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
  assert.equal(marks[4].textContent, session.answer.stats.top.toPrecision(3));
  assert.equal(marks[0].textContent, "0");
  const pixels = () => new Uint32Array(root.querySelector(".nlv-bar canvas").context.image.data.buffer)[128];
  const { tables } = session.scene.colours, opaque = 0xff000000;
  assert.equal((pixels() | opaque) >>> 0, tables.inferno[Math.round(255 * (0.35 + (0.65 * 128) / 255))]);
  session.setLook({ cmap: "viridis", veil: false, alpha: 1 });
  assert.equal(pixels(), tables.viridis[128]);
  session.setLook({ veil: true });
  assert.notEqual(pixels(), tables.viridis[128]);
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
  assert.deepEqual([Math.round(parseFloat(style.width)), style.height], [933, "560px"]);
});

test("the curve of how the weight gathers", () => {
  const { session, root } = canvas(), { width, height, context } = root.querySelector(".nlv-curve canvas");
  const points = context.calls.filter(([name]) => name === "lineTo").slice(1), { weights } = session.answer;
  const sizes = [...weights].sort((a, b) => b - a);
  let sum = 0;
  points.forEach(([, x, y], i) => {
    sum += i ? sizes[i - 1] : 0;
    assert.ok(Math.abs(x - (1 + (i / 15) * (width - 2))) < 1e-6 && Math.abs(y - (height - 2 - sum * (height - 4))) < 1e-3);
  });
  assert.equal(points.length, 16);
});
