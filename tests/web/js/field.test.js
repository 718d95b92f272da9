import assert from "node:assert/strict";
import test from "node:test";
import { tokenAnswer, answerTo, indexOfToken } from "../../../nonlocal_viz/canvas/core/answer.js";
import { workedOut } from "../../../nonlocal_viz/canvas/core/equation.js";
import { Field, paintField, shortName, tileAt } from "../../../nonlocal_viz/canvas/core/field.js";
import { linkQuery, restored } from "../../../nonlocal_viz/canvas/core/link.js";
import { pairWords } from "../../../nonlocal_viz/canvas/core/lesson.js";
import { askWords, ofWords, PinList } from "../../../nonlocal_viz/canvas/core/pinlist.js";
import { readoutWords, spokenWords } from "../../../nonlocal_viz/canvas/core/words.js";
import { OpenModel } from "../../../nonlocal_viz/canvas/parts/openmodel.js";
import { canvas, pointer } from "./canvas.js";
import { blockOf, golden, named, near, remoteBlock, singles } from "./golden.js";

const heads = named("product, softmax, 2 heads, 1 frames"), aside = named("product, softmax, aside");
const layer = (block, more = {}) => ({ block, heads: 2, rows: 2, columns: 3, offset: 0, signed: false, shares: {}, proof: {}, notes: [], ...more });
const field = (more = {}) => new Field({ token: null, tokens: ["class"], layers: [
  layer("a.0.attn", { shares: { register: [0.1, 0.3], class: [0.5, 0.1], padding: [0, 0] } }), layer("a.1.attn", { heads: 3, offset: 12 }),
], ...more }, Uint8Array.from({ length: 30 }, (_, i) => i).buffer);

test("tiles lie one after another, and shares are those of a head or of their mean", () => {
  const it = field();
  assert.deepEqual([...it.tile(it.layers[0], 1)], [6, 7, 8, 9, 10, 11]);
  assert.deepEqual([...it.tile(it.layers[1], 2)], [24, 25, 26, 27, 28, 29]);
  assert.deepEqual([it.heads, it.layer("a.1.attn").heads, it.layer("b")], [3, 3, undefined]);
  assert.deepEqual(it.shares(it.layers[0], 1), [["register", 0.3], ["class", 0.1]]);
  assert.deepEqual(it.shares(it.layers[0], null).map(([kind, share]) => [kind, share.toFixed(2)]), [["class", "0.30"], ["register", "0.20"]]);
});

test("a place of the drawn field is a layer and a head, or nothing", () => {
  const it = field(), at = (x, y) => { const found = tileAt(x, y, 33, it); return found && [found.layer.block, found.head]; };
  assert.deepEqual([at(5, 5), at(34, 5), at(70, 40)], [["a.0.attn", 0], ["a.0.attn", 1], ["a.1.attn", 2]]);
  assert.deepEqual([at(70, 5), at(5, 70), at(-1, 5), at(5, -1)], [null, null, null, null]);
});

test("what names of layers share is left out, and never all of one", () => {
  assert.deepEqual(["blocks.0.attn", "blocks.11.attn"].map((name, _, all) => shortName(name, all)), ["0", "11"]);
  assert.deepEqual(["a.0.b.1.attn", "a.1.b.0.attn"].map((name, _, all) => shortName(name, all)), ["0.b.1", "1.b.0"]);
  assert.deepEqual(["x", "x.attn"].map((name, _, all) => shortName(name, all)), ["x", "x.attn"]);
  assert.equal(shortName("only.one", ["only.one"]), "only.one");
});

for (const one of golden.cases.filter(({ meta }) => meta.aside.query.before.length)) {
  test(`what tokens on no cell look at: ${one.name}`, () => {
    const block = blockOf(one), names = one.meta.aside.query.before, wanted = singles(one.tokens), m = block.keys.count;
    names.forEach((name, i) => {
      const rows = Array.from({ length: one.meta.heads }, (_, h) => wanted.subarray((h * names.length + i) * m, (h * names.length + i + 1) * m));
      block.head = null;
      near(
        tokenAnswer(block, name, { x: 1, y: 1, t: 0 }).weights, Float32Array.from(rows[0], (_, k) => rows.reduce((sum, row) => sum + row[k] / rows.length, 0)));
      rows.forEach((row, h) => {
        block.head = h;
        const answer = tokenAnswer(block, name, { x: 1, y: 1, t: 0 });
        near(answer.weights, row, `${name}, head ${h}`);
        assert.equal(answer.head, h);
      });
    });
    assert.equal(tokenAnswer(block, "nobody", { x: 1, y: 1, t: 0 }), null);
  });
}

test("a column of a head is the column of its rows", () => {
  const block = blockOf(heads), n = block.queries.count, rows = Array.from({ length: n }, (_, q) => block.weights(q, "row", 1).slice());
  near(block.weights(4, "column", 1), rows.map((row) => row[4]));
  assert.ok(rows[0].some((w, k) => Math.abs(w - block.weights(0, "row", 0)[k]) > 1e-4));
});

test("tokens behind the cells are counted after them", () => {
  const block = remoteBlock({ aside: { query: { before: ["class", "register"], after: ["padding"] }, key: { before: [], after: [] } } });
  assert.deepEqual(["class", "register", "padding", "cell"].map((name) => indexOfToken(block, name)), [-2, -1, 12, null]);
  assert.equal(tokenAnswer(block, "class", { x: 0, y: 0, t: 0 }), null);
});

test("rows that the server sent are of one head", () => {
  const block = remoteBlock({ heads: 3 }), weights = new Float32Array(12).fill(1 / 12), at = { x: 15, y: 15, t: 0 };
  block.got = { index: 5, direction: "row", weights, head: 1 };
  assert.equal(answerTo(block, at, "row"), null);
  block.head = 1;
  assert.deepEqual([answerTo(block, at, "row").head, answerTo(block, at, "row", 2)], [1, null]);
});

test("words of a token, and of a head", () => {
  const block = blockOf(aside), answer = tokenAnswer(block, "class", { x: 1, y: 1, t: 0 }), words = readoutWords(answer);
  assert.deepEqual([words.headline, words.cell, words.pixel, words.self], ["The class token looks most at", "class token", "none", "on no cell"]);
  assert.match(spokenWords(answer), /^The class token looks most at the cell in row/);
  assert.match(pairWords(answer, true), /^The query is the class token; its strongest key/);
  block.head = 1;
  const { numbers } = workedOut(answerTo(block, { x: 12, y: 8, t: 0 }, "row"));
  assert.equal(numbers.weight, numbers.mean);
});

test("pins of several heads are several, say so, and go into a link and back", () => {
  const of = { model: "own", sampling: "", block: "layer2.1", direction: "row" }, bare = { ...of, x: 1, y: 2, time: 0, answer: null }, list = new PinList();
  const pins = [list.add(bare), list.add({ ...bare, head: 0 }), list.add({ ...bare, head: 11 })];
  assert.deepEqual([pins.map((pin) => pin.number), list.add({ ...bare, head: 11 })], [[1, 2, 3], null]);
  assert.deepEqual(pins.map((pin) => ofWords(pin, of)), ["layer2.1", "layer2.1, head 0", "layer2.1, head 11"]);
  assert.deepEqual([ofWords(pins[0], { ...of, head: 3 }), ofWords(pins[1], { ...of, head: 0 })], ["layer2.1, mean of the heads", "layer2.1, head 0"]);
  assert.deepEqual([askWords(pins[1], of), askWords(pins[0], { ...of, head: 2 }), askWords(pins[0], of)], ["the mean of the heads", "head 2", ""]);
  const look = { direction: "row", cmap: "inferno", signedCmap: "m", colourScale: "linear", alpha: 1 };
  const query = linkQuery({ source: { example: "a" }, block: "layer2.1", point: { x: 1, y: 2, t: 0 }, held: true, frame: 0, signed: false, look, pins });
  const offer = { scales: ["linear"], sequential: ["inferno"], diverging: ["m"] };
  const back = restored(query, { width: 50, height: 30, times: [0], source: { example: "a" }, blocks: ["layer2.1"] }, offer);
  assert.deepEqual([back.pins, back.missed], [pins, []]);
  assert.equal(query.getAll("pin")[2].split("*")[5], "row-11");
});

/** The page of a network with heads and tokens, its field open. */
function headed(of = aside, more = {}) {
  const shown = canvas({ of, ...more });
  return { ...shown, part: shown.session.layers.part, fields: () => shown.asked.filter(([kind]) => kind === "field").map(([, question]) => question) };
}

test("the field is asked for the place that is pointed at, once, and not where nobody sees it", () => {
  const { session, picture, page, fields, part } = headed();
  assert.deepEqual(fields().map(({ x, y, token, block }) => [x, y, token, block]), [[12, 8, null, "layer2.1"]]);
  session.draw();
  assert.equal(fields().length, 1);
  picture.fire("pointermove", pointer(30, 20));
  page.flush();
  assert.equal(fields().length, 1); // one question at a time
  session.desk.forget();
  picture.fire("pointermove", pointer(20, 10));
  page.flush();
  assert.deepEqual(fields().slice(1).map(({ x, y }) => [x, y]), [[20, 10]]);
  session.desk.forget();
  part.details.open = false;
  picture.fire("pointermove", pointer(40, 20));
  page.flush();
  assert.equal(fields().length, 2);
});

test("the package's own blocks, and clips, have no field", () => {
  const about = { input: 8, inner: 4, embedded: true, scaled: false }, one = named("product, softmax, 1 heads, 1 frames");
  const own = headed({ ...one, meta: { ...one.meta, about } });
  assert.deepEqual([own.part.details.hidden, own.part.headField.hidden, own.fields()], [true, true, []]);
  assert.deepEqual([headed().part.details.hidden, headed().part.headField.hidden], [false, false]);
  assert.equal(headed(named("product, softmax, 2 heads, 3 frames")).part.details.hidden, true);
});

test("a head that is chosen is painted, linked, pinned and saved; another block keeps it while it has one", () => {
  const { session, asked, part, tool } = headed();
  part.heads.value = "1";
  part.heads.fire("change");
  near(tool.answer.weights, blockOf(aside).weights(tool.answer.index, "row", 1));
  assert.deepEqual([tool.answer.head, new URL(tool.address).searchParams.get("head")], [1, "1"]);
  session.pinning.pin();
  session.save("png");
  assert.deepEqual([session.pins.pins[0].head, asked.at(-1)[1].head, session.pinning.cards[0].foreign], [1, 1, false]);
  part.heads.value = "";
  part.heads.fire("change");
  assert.deepEqual([tool.answer.head, session.pinning.cards[0].foreign, session.pinning.cards[0].ask], [null, true, "the mean of the heads"]);
  session.pinning.go(session.pins.pins[0]);
  assert.equal(tool.answer.head, 1);
});

test("a token button looks from the token; pointing previews, a click and Escape go back to places", () => {
  const { session, asked, part, tool, picture, page, root } = headed(aside, { search: "?x=12&y=8" });
  part.show(field());
  const [place, button] = part.tokens.children;
  assert.deepEqual([place.attributes["aria-pressed"], button.textContent], ["true", "What does the class token look at?"]);
  button.fire("click");
  assert.deepEqual([tool.answer.token, new URL(tool.address).searchParams.get("token")], ["class", "class"]);
  assert.equal(root.querySelector(".nlv-state").querySelector(".nlv-statewords").textContent, "Looking from the class token");
  session.save("png");
  assert.equal(asked.at(-1)[1].token, "class");
  picture.fire("pointermove", pointer(30, 20));
  page.flush();
  assert.equal(tool.answer.token, null);
  picture.fire("pointerleave", pointer(30, 20));
  page.flush();
  assert.equal(tool.answer.token, "class");
  session.pointing.letGo();
  assert.deepEqual([tool.answer.token, session.layers.token], [null, null]);
  button.fire("click");
  session.pointing.hold({ x: 30, y: 20, t: 0 });
  assert.deepEqual([tool.answer.token, tool.held.x], [null, 30]);
});

test("a token's row of a block that is not held is asked of the server", () => {
  const { session, asked } = headed(aside, { factors: false });
  session.desk.forget();
  session.layers.token = "register";
  session.draw();
  session.desk.askRow();
  const { token, direction, block } = asked.at(-1)[1];
  assert.deepEqual([asked.at(-1)[0], token, direction, block], ["row", "register", "row", "layer2.1"]);
});

test("a link brings a head and a token back; what makes no sense is none", () => {
  const { tool, session } = headed(aside, { search: "?example=a&head=1&token=register" });
  assert.deepEqual([tool.answer.head, tool.answer.token], [1, "register"]);
  const other = headed(aside, { search: "?example=a&head=7&token=nobody" });
  assert.deepEqual([other.tool.answer.head, other.tool.answer.token], [null, null]);
  session.layers.got(null, "No block here has such a token.");
  assert.deepEqual([session.layers.token, session.layers.part.lead.textContent],
    [null, "The layers and heads could not be had: No block here has such a token."]);
});

test("a field that comes is drawn: names, tiles of the shown layer, shares, what was proven", () => {
  const { session, part } = headed();
  session.layers.got(new Field({ token: null, tokens: [], layers: [
    layer("layer2.1", { shares: { class: [0.25, 0.75] }, proof: { output: 2e-7 }, notes: ["Dropout is left out."] }), layer("layer3.0", { offset: 12 }),
  ] }, new Uint8Array(24).fill(9).buffer), "");
  assert.deepEqual(part.names.children.map((button) => [button.textContent, button.title]), [["layer2.1", "layer2.1"], ["layer3.0", "layer3.0"]]);
  assert.deepEqual([part.own.children.length, part.shares.textContent, part.tokens.hidden], [2, "Beside the picture: 50 % on the class token.", true]);
  assert.deepEqual(part.proven.querySelector("ul").children.map((item) => item.textContent),
    ["These rows were held against the network's own output: they differ by 2e-7 of the greatest.", "Dropout is left out."]);
  part.own.children[1].fire("click");
  assert.deepEqual([session.answer.head, part.shares.textContent], [1, "Beside the picture: 75 % on the class token."]);
  part.own.children[1].fire("click");
  assert.equal(session.answer.head, undefined);
  part.canvas.box = { left: 0, top: 0, width: 66, height: 66 };
  part.canvas.fire("click", { clientX: 40, clientY: 5 });
  assert.equal(session.answer.head, 1);
});

test("only who runs the page may name other models", () => {
  const { session, root, asked } = canvas(), details = root.querySelector(".nlv-openmodel");
  assert.equal(details.hidden, true);
  session.desk.forget();
  session.choosing.chooseModel("timm:some_net");
  assert.deepEqual([asked.at(-1)[0], asked.at(-1)[1].source.model], ["picture", "timm:some_net"]);
  session.controls.offerModel("timm:some_net", "Some net");
  session.controls.offerModel("timm:some_net", "Some net");
  assert.deepEqual(root.querySelector(".nlv-model").options.map((option) => option.value), ["own", "other", "timm:some_net"]);
  const opened = [], form = details.querySelector("form"), input = details.querySelector("input");
  new OpenModel(root, true, (name) => opened.push(name));
  form.fire("submit");
  input.value = " hf:vit ";
  form.fire("submit");
  assert.deepEqual([details.hidden, opened], [false, ["hf:vit"]]);
});

test("all tiles are one picture: each pixel the colour of its cell, and of nothing where there is no tile", () => {
  const table = Uint32Array.from({ length: 256 }, (_, v) => v + 1000), wide = [1, 2, 3, 4, 5, 6, 7, 8], tall = [9, 10];
  const layers = [layer("a", { heads: 2, rows: 1, columns: 4 }), layer("b", { heads: 1, rows: 2, columns: 1, offset: 8 })];
  const whole = new Field({ token: null, tokens: [], layers }, Uint8Array.from([...wide, ...tall]).buffer), out = new Uint32Array(10 * 10);
  paintField(whole, (one) => { assert.ok(layers.includes(one)); return table; }, 5, 4, out);
  const line = (y) => [...out.subarray(10 * y, 10 * y + 10)].map((v) => v && v - 1000);
  // A tile of 4 x 1 cells lies in the middle of its 4 x 4 pixels, one of 1 x 2 as well.
  assert.deepEqual([0, 1, 2, 3, 4].map(line), [Array(10).fill(0), [1, 2, 3, 4, 0, 5, 6, 7, 8, 0], ...Array(3).fill(Array(10).fill(0))]);
  assert.deepEqual([5, 6, 7, 8, 9].map(line), [9, 9, 10, 10, 0].map((v) => [0, v, v, ...Array(7).fill(0)]));
});

test("a tile that does not fit its pixels evenly shows each from the cell at its middle", () => {
  const table = Uint32Array.from({ length: 256 }, (_, v) => v), of = new Field({ token: null, tokens: [], layers: [layer("a", { heads: 1 })] },
    Uint8Array.from([1, 2, 3, 4, 5, 6]).buffer), out = new Uint32Array(16);
  paintField(of, () => table, 4, 4, out);
  assert.deepEqual([0, 1, 2, 3].map((y) => [...out.subarray(4 * y, 4 * y + 4)]), [[1, 2, 2, 3], [4, 5, 5, 6], [4, 5, 5, 6], [0, 0, 0, 0]]);
});
