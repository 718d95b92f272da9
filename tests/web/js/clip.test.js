import assert from "node:assert/strict";
import test from "node:test";
import { canvas, clip } from "./canvas.js";
import { peaks } from "../../../nonlocal_viz/canvas/core/stats.js";

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
  const arcs = root.querySelector(".nlv-arcs"), drawn = arcs.children;
  // The strongest of cells that lie apart, without the query itself.
  const { answer } = session, apart = peaks(answer.weights, answer.grid, 20).filter((k) => k !== answer.index);
  assert.ok(apart.length >= 2);
  assert.equal(drawn.length, apart.length);
  const ways = drawn.map((way) => way.attributes.d.match(/-?[\d.]+/g).map(Number));
  // Pixels of the strip: a frame is 100 by 100, the second lies 7 lower; the query is in the middle of its cell.
  assert.ok(ways.every(([x, y]) => x === 90 && Math.abs(y - 7 - (25 / 30) * 100) < 0.06));
  const bows = ways.map(([x, y, , middle, u, v]) => ((y + v) / 2 - middle) / (8 + 0.05 * Math.hypot(u - x, v - y)));
  assert.ok(bows.every((bow) => Math.abs(Math.abs(bow) - 1) < 0.02) && new Set(bows.map(Math.sign)).size === 2);
  assert.equal(drawn.at(-1).attributes["marker-end"], "url(#tip)");
  const widths = drawn.map((line) => +line.attributes["stroke-width"]);
  assert.ok(widths.every((width, i) => i === 0 || width >= widths[i - 1]));
  page.key(page.body, "a");
  assert.equal(arcs.children.length, 0);
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

test("pins of a clip: painted with their frame, marked on it alone", () => {
  const { session, root, page } = canvas({ of: clip, start: [12, 8, 1] });
  page.key(page.body, "p");
  const [go] = root.querySelector(".nlv-pins").children[0].children, [shown, words] = go.children;
  assert.equal(words.children[1], " (12, 8), frame 1");
  const [, cells] = shown.context.calls.filter(([name]) => name === "drawImage").at(-1);
  const pixels = new Uint32Array(cells.context.image.data.buffer), own = [...session.answer.weights].slice(15, 30);
  assert.equal((pixels[own.indexOf(Math.max(...own))] | 0xff000000) >>> 0, session.scene.colours.tables.inferno[255]);
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
