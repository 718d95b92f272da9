import assert from "node:assert/strict";
import test from "node:test";
import { linkQuery, missedWords, NAMES, restored, sourceAsked } from "../../../nonlocal_viz/canvas/core/link.js";
import { handleOf, modelOf, nearestFrame, sameFile, sameView, withModel } from "../../../nonlocal_viz/canvas/core/source.js";

const look = { direction: "column", cmap: "viridis", signedCmap: "berlin", colourScale: "log", alpha: 0.3,
  smooth: true, grid: false, colour: true, arrows: false, veil: true };
const shown = { source: { example: "dog" }, block: "layer2.1", point: { x: 12.34, y: 56.78, t: 3 }, held: true, frame: 3, signed: true, look, pins: [] };
const offer = { scales: ["linear", "gamma", "log"], sequential: ["magma", "viridis"], diverging: ["berlin", "coolwarm"] };
const opened = { width: 100, height: 80, times: [0, 1, 2, 3, 4, 5, 6, 7], source: { example: "dog" }, blocks: ["layer2.1", "layer3.1"] };
const back = (query, changes = {}) => restored(new URLSearchParams(String(query)), { ...opened, ...changes }, offer);

test("a link says all that is shown", () => {
  assert.equal(String(linkQuery(shown)), "example=dog&block=layer2.1&x=12.34&y=56.78&frame=3&held=1&show=column&cmap=berlin&scale=log&alpha=0.3"
    + "&on=smooth+colour+veil&off=grid+arrows&cmap=viridis");
  const clip = linkQuery({ ...shown, source: { upload: "abc/my clip.mp4", model: "dot_product", frames: 16, spacetime: false }, frame: 5, held: false });
  assert.deepEqual(["upload", "model", "frames", "spacetime", "large", "held"].map((name) => clip.get(name)),
    ["abc/my clip.mp4", "dot_product", "16", "0", "5", null]);
  for (const name of [...clip.keys()]) assert.ok(NAMES.includes(name), name);
});

test("links of before stay what they were", () => {
  const old = back("example=dog&block=layer2.1&model=m&x=12.3&y=56.8&frame=3&show=column&cmap=berlin&scale=log", { source: { example: "dog", model: "m" } });
  assert.deepEqual(old, { point: { x: 12.3, y: 56.8, t: 3 }, held: false, frame: null, look: { direction: "column", colourScale: "log", signedCmap: "berlin" },
    pins: [], missed: [] });
});

test("whatever is shown comes back from its address", () => {
  let seed = 11;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647, of = (list) => list[Math.floor(random() * list.length)];
  const place = (size) => Math.round(random() * (size - 0.01) * 100) / 100, whole = (n) => Math.floor(random() * n), bool = () => random() < 0.5;
  for (let round = 0; round < 300; round++) {
    const source = {
      ...of([{ example: "dog" }, { upload: "0f3a/a photo & more.jpg" }, { upload: "0f3a/\u00fcml*aut.png" }]), ...(bool() ? { model: "a*b c" } : {}),
      ...(bool() ? { frames: of([4, 8, 16]) } : {}), ...(bool() ? { spacetime: false } : {}), ...(bool() ? { start: 1.5, stride: 0.25 } : {}),
    };
    const pins = Array.from({ length: whole(12) }, (_, i) => ({
      number: 3 * i + 1 + whole(2), x: place(100), y: place(80), time: whole(7000) / 1000,
      sampling: of(["", "8", "16-"]), direction: of(["row", "column"]), block: of(["layer2.1", "blocks.3.attn"]), model: of(["own", "a*b c"]), answer: null,
    }));
    const state = {
      source, block: of(opened.blocks), point: { x: place(100), y: place(80), t: whole(8) }, held: bool(), frame: whole(8),
      signed: bool(), pins,
      look: { direction: of(["row", "column"]), cmap: of(offer.sequential), signedCmap: of(offer.diverging), colourScale: of(offer.scales),
        alpha: whole(21) / 20, smooth: bool(), grid: bool(), colour: bool(), arrows: bool(), veil: bool() },
    };
    const text = String(linkQuery(state)), found = back(text, { source });
    assert.deepEqual(sourceAsked(new URLSearchParams(text)), source);
    assert.deepEqual([found.point, found.held, found.frame ?? state.point.t, found.look, found.pins, found.missed],
      [state.point, state.held, state.frame, state.look, pins, []], text);
  }
});

test("what makes no sense is not obeyed, and is said", () => {
  const senseless = { "x=-1&y=5": /no point \(-1, 5\)/, "x=100&y=5": /no point/, "x=5&y=80": /no point/, "x=5": /no point/, "x=a&y=b": /\(a, b\)/,
    "frame=8": /no frame 8/, "frame=-1": /no frame -1/, "frame=x": /no frame x/, "large=9": /no frame 9/,
    "show=all": /\u201call\u201d is neither row nor column/,
    "scale=cubic": /\u201ccubic\u201d is no scale/, "cmap=jet": /no colours \u201cjet\u201d/, "alpha=2": /no opacity/,
    "alpha=x": /no opacity/, "pin=1": /1 of its pins/,
    "pin=1*500*5*0**row*b*m": /pins/, "pin=1*5*5*0*x*row*b*m": /pins/, "pin=1*5*5*0**up*b*m": /pins/, "pin=0*5*5*0**row*b*m": /pins/,
    "pin=1**5*0**row*b*m": /pins/, "pin=1*5*5*0**row*b": /pins/, "pin=1*5*5*-1**row*b*m": /pins/, "example=cat": /no example \u201ccat\u201d/,
    "upload=a/b": /no longer on this server/, "model=m": /no model \u201cm\u201d/, "block=layer9": /no block \u201clayer9\u201d/ };
  for (const [query, words] of Object.entries(senseless)) {
    const found = back(query);
    assert.deepEqual({ ...found, missed: [] }, { point: {}, held: false, frame: null, look: {}, pins: [], missed: [] }, query);
    assert.equal(found.missed.length, 1, query);
    assert.match(found.missed[0], words);
  }
  assert.deepEqual(back("").missed, []);
  assert.equal(back("held=1").held, false);
  assert.deepEqual(back("x=0&y=0&frame=0").point, { x: 0, y: 0, t: 0 });
  assert.deepEqual(back("x=99.9&y=79.9&frame=7").point, { x: 99.9, y: 79.9, t: 7 });
  assert.equal(missedWords([]), "");
  assert.equal(missedWords(["a", "b"]), "Not all of this address could be brought back: a; b.");
});

test("a switch that a link does not name is as the page has it", () => {
  assert.deepEqual(back("on=smooth+nonsense&off=grid").look, { smooth: true, grid: false });
  assert.deepEqual(back("on=&off=").look, {});
});

test("the picture of an address", () => {
  const asked = (query) => sourceAsked(new URLSearchParams(query));
  assert.equal(asked("x=1"), null);
  assert.deepEqual(asked("example=a&frames=x&start=-1&stride=0&spacetime=1"), { example: "a" });
  assert.deepEqual(asked("example=a&upload=b"), { example: "a" });
});

test("sources", () => {
  assert.ok(sameFile({ example: "a", frames: 4 }, { example: "a", model: "m" }));
  assert.ok(!sameFile({ example: "a" }, { example: "b" }) && !sameFile({ upload: "a" }, { upload: "b" }) && !sameFile({ example: "a" }, { upload: "a" }));
  assert.ok(!sameFile(null, { example: "a" }) && !sameFile(null, null));
  assert.ok(sameView({ example: "a" }, { example: "a", frames: 8, spacetime: true }));
  for (const change of [{ frames: 4 }, { spacetime: false }, { model: "m" }, { start: 1 }, { stride: 1 }, { example: "b" }]) {
    assert.ok(!sameView({ example: "a" }, { example: "a", ...change }));
  }
  assert.deepEqual(["/tmp/gradio/ab12/my photo.jpg", "C:\\tmp\\ab12\\x.png", "ab12/x.png"].map(handleOf), ["ab12/my photo.jpg", "ab12/x.png", "ab12/x.png"]);
  assert.deepEqual([modelOf({ model: "m" }, "own"), modelOf({}, "own"), modelOf(null, "own")], ["m", "own", "own"]);
  assert.deepEqual(withModel({ example: "a", model: "m", frames: 4 }, "k", "own"), { example: "a", model: "k", frames: 4 });
  assert.deepEqual(withModel({ example: "a", model: "m" }, "own", "own"), { example: "a" });
  assert.deepEqual([0, 0.24, 0.26, 9].map((now) => nearestFrame([0, 0.5, 1], now)), [0, 0, 1, 2]);
});
