import assert from "node:assert/strict";
import test from "node:test";
import { canvas, clip } from "./canvas.js";
import { Element } from "./fakes.js";
import { named } from "./golden.js";

test("what is shown first", () => {
  const { session, root, text, field } = canvas();
  assert.deepEqual([root.dataset.state, root.querySelector(".nlv-remote").hidden], ["ready", true]);
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
  assert.equal(drawn[0].at(-1).filter, "grayscale(1)");
  assert.deepEqual(drawn[1].slice(2, 6), [0, 0, 360, 216]);
  assert.deepEqual([drawn[1].at(-1).alpha, drawn[1].at(-1).smooth, drawn[1].at(-1).filter], [0.65, false, "none"]);
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

test("thumbnails are cut from the photo around the peaks", () => {
  const { session, root } = canvas(), { peaks } = session.answer.stats, slots = root.querySelector(".nlv-top").children;
  assert.equal(slots.length, 5);
  const [canvas_, label] = slots[0].children, [, h, w] = session.answer.grid.unflat(peaks[0]);
  const [image] = canvas_.context.calls.filter(([name]) => name === "drawImage");
  // Cells of 10 pixels, three of them around the middle; the photo is shown 4 times as large as it is.
  assert.deepEqual(image.slice(2, 10), [4 * (10 * w - 10), 4 * (10 * h - 10), 120, 120, 0, 0, 112, 112]);
  assert.equal(label.textContent, String(+session.answer.weights[peaks[0]].toPrecision(3)));
  assert.deepEqual(canvas_.context.calls[0], ["clearRect", 0, 0, 112, 112]);
  const [first] = canvas_.context.calls.filter(([name]) => name === "strokeRect");
  first.slice(1).forEach((v) => assert.ok(Math.abs(v - 112 / 3) < 1e-9));
  // Peaks that are not there leave their place empty.
  assert.equal(slots[4].children[1].innerHTML, peaks.length > 4 ? "" : "&nbsp;");
});

test("pointing at a thumbnail marks its cell and brings its frame forward as long as it lasts", () => {
  const { session, root, tool } = canvas({ of: clip }), mark = root.querySelector(".nlv-key"), slots = root.querySelector(".nlv-top").children;
  session.pointing.hold({ x: 12, y: 8, t: 2 });
  assert.ok(root.querySelector(".nlv-query").hidden);
  slots[0].fire("pointerenter");
  const [t, h, w] = session.answer.grid.unflat(session.answer.stats.peaks[0]);
  const photos = session.scene.stage.photos.map((photo) => !photo.classList.has("away"));
  assert.deepEqual([tool.frame, t, mark.hidden, photos], [0, 2, false, [false, false, true]]);
  assert.deepEqual([mark.style.left, mark.style.top, mark.style.width], [`${20 * w}%`, `${(1000 * h) / 30}%`, "20%"]);
  assert.ok(!root.querySelector(".nlv-query").hidden);
  slots[0].fire("pointerleave");
  assert.deepEqual([mark.hidden, root.querySelector(".nlv-query").hidden, tool.held.t], [true, true, 2]);
});

test("the film strip: shares, times, arrows, playing", () => {
  const { session, root, page, tool } = canvas({ of: clip, start: [12, 8, 1] }), strip = root.querySelector(".nlv-strip"), cards = strip.children;
  assert.equal(cards.length, 3);
  const words = cards.map((card) => card.children[1].textContent), rests = { x: 12, y: 8, t: 1 };
  assert.deepEqual(words, ["0.00 s \u00b7 0 %", "0.50 s \u00b7 100 %", "1.00 s \u00b7 0 %"]);
  assert.deepEqual(cards.map((card) => card.attributes["aria-pressed"]), ["false", "true", "false"]);
  assert.match(cards[1].attributes["aria-label"], /^Frame 1, 0\.50 s .* of the weight, the query is here$/);
  const [pane] = cards[1].children, mark = pane.children[2];
  assert.deepEqual([mark.hidden, mark.style.left, mark.style.top, cards[0].children[0].children[2].hidden], [false, "20%", "0%", true]);
  cards[2].offsetLeft = 2000;
  page.key(page.body, ".");
  page.flush();
  assert.equal(strip.scrollLeft, 2000 - (1000 - 100) / 2);
  const time = root.querySelector(".nlv-film").querySelector(".nlv-time");
  assert.deepEqual([tool.frame, session.pointed.resting, time.textContent], [2, rests, "frame 2, 1.00 s"]);
  assert.deepEqual([mark.hidden, cards[2].children[0].children[2].hidden], [false, true]);
  cards[0].fire("click", { detail: 0, clientX: 50, clientY: 50 }); // by the keyboard: it points at nothing
  page.flush();
  assert.deepEqual([tool.frame, tool.held, session.pointed.resting], [0, null, rests]);
  root.querySelector(".nlv-film").querySelector('input[type="range"]').value = "2";
  page.key(page.body, ".");
  assert.equal(tool.frame, 0);
  // Crossing the strip previews, and changes neither the large frame nor what is held.
  pane.box = { left: 0, top: 0, width: 100, height: 60 };
  cards[1].fire("pointermove", { pointerType: "mouse", clientX: 90, clientY: 50 });
  page.flush();
  assert.deepEqual([session.pointed.preview, session.answer.index, tool.frame, session.pointed.resting], [{ x: 45, y: 25, t: 1 }, 29, 0, rests]);
  cards[1].fire("pointermove", { pointerType: "mouse", clientX: 90, clientY: 61 });
  cards[1].fire("pointermove", { pointerType: "touch", clientX: 10, clientY: 10 });
  assert.deepEqual(session.pointed.preview, { x: 45, y: 25, t: 1 });
  const lines = root.querySelector(".nlv-arrows");
  lines.querySelector("marker").id = "tip";
  cards[1].offsetTop = 7;
  page.key(page.body, "a");
  const drawn = lines.children;
  // The strongest 20 of 45, without the query itself.
  assert.ok(drawn.length === 19 || drawn.length === 20);
  assert.ok(drawn.every((line) => line.attributes.x1 === "90" && Math.abs(line.attributes.y1 - 7 - (25 / 30) * 100) < 1e-9));
  assert.equal(drawn.at(-1).attributes["marker-end"], "url(#tip)");
  const widths = drawn.map((line) => +line.attributes["stroke-width"]);
  assert.ok(widths.every((width, i) => i === 0 || width >= widths[i - 1]));
  page.key(page.body, "a");
  assert.equal(lines.children.length, 0);
  strip.fire("pointerleave");
  page.flush();
  assert.deepEqual([tool.preview, session.answer.index], [false, 16]);
  // A click holds that place, and shows that frame large; below the frame it only shows it.
  cards[1].fire("click", { detail: 1, clientX: 90, clientY: 50 });
  assert.deepEqual([tool.held, tool.frame], [{ x: 45, y: 25, t: 1 }, 1]);
  cards[2].children[0].box = pane.box;
  cards[2].fire("click", { detail: 1, clientX: 90, clientY: 65 });
  assert.deepEqual([tool.held.t, tool.frame], [1, 2]);
});

test("the lesson is written when it is open", () => {
  const { session, root } = canvas(), body = root.querySelector(".nlv-lessonbody"), details = root.querySelector(".nlv-lesson");
  const live = ["score", "normaliser", "weight"].map((name) => Object.assign(new Element("b"), { dataset: { live: name } }));
  body.lists["[data-live]"] = live;
  session.draw();
  assert.match(body.innerHTML, /Self-attention over positions/);
  const { affinity } = session.answer.block, { best } = session.answer.stats;
  assert.deepEqual(live.slice(0, 2).map((e) => e.textContent), [affinity.score(1, best, 0).toFixed(3), affinity.normaliser(1, 0).toFixed(3)]);
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
  assert.equal(marks[4].textContent, String(+session.answer.stats.top.toPrecision(3)));
  assert.equal(marks[0].textContent, "0");
  const pixels = () => new Uint32Array(root.querySelector(".nlv-bar canvas").context.image.data.buffer)[128];
  assert.equal(pixels(), session.scene.colours.tables.magma[128]);
  session.setLook({ cmap: "viridis" });
  assert.equal(pixels(), session.scene.colours.tables.viridis[128]);
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

test("pins of a clip: painted with their frame, marked on it alone", () => {
  const { session, root, page } = canvas({ of: clip, start: [12, 8, 1] });
  page.key(page.body, "p");
  const [go] = root.querySelector(".nlv-pins").children[0].children, [shown, words] = go.children;
  assert.equal(words.children[1], " (12, 8), frame 1");
  const [, cells] = shown.context.calls.filter(([name]) => name === "drawImage").at(-1);
  const pixels = new Uint32Array(cells.context.image.data.buffer), own = [...session.answer.weights].slice(15, 30);
  assert.equal(pixels[own.indexOf(Math.max(...own))], session.scene.colours.tables.magma[255]);
  assert.equal(root.querySelector(".nlv-pinmarks").children.length, 1);
  page.key(page.body, ".");
  assert.equal(root.querySelector(".nlv-pinmarks").children.length, 0);
  assert.deepEqual([...session.answer.weights].slice(0, 15), Array(15).fill(0));
});

test("a clip plays until it is stopped, or a pin is gone to", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { session, root, page } = canvas({ of: clip }), { film } = session.scene;
  page.key(page.body, "p");
  page.key(root.querySelector(".nlv-picture"), " ");
  t.mock.timers.tick(250);
  assert.deepEqual([session.frame, film.button.textContent], [1, "Pause"]);
  page.key(root.querySelector(".nlv-picture"), " ");
  t.mock.timers.tick(1000);
  assert.deepEqual([session.frame, film.button.textContent], [1, "Play"]);
  film.play();
  root.querySelector(".nlv-pins").children[0].children[0].fire("click");
  t.mock.timers.tick(1000);
  assert.equal(session.frame, 0);
});
