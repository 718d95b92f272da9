import assert from "node:assert/strict";
import test from "node:test";
import { canvas, one, pointer } from "./canvas.js";

/** A canvas whose picture has the box that its style says. */
function zoomed() {
  const all = canvas(), { session, picture, root } = all, pan = root.querySelector(".nlv-pan"), { zoom } = session.scene.stage;
  pan.box = { left: 0, top: 0, width: 1000, height: 600 };
  Object.assign(pan, { scrollLeft: 0, scrollTop: 0 });
  picture.getBoundingClientRect = () => ({
    left: -pan.scrollLeft, top: -pan.scrollTop, width: parseFloat(picture.style.width), height: parseFloat(picture.style.height),
  });
  return { ...all, pan, zoom, level: () => [zoom.level, picture.style.width, root.querySelector(".nlv-room").style.height] };
}
function wheel(more) {
  const event = { deltaY: -10, ctrlKey: true, clientX: 0, clientY: 0, stopped: 0, preventDefault() { event.stopped++; }, ...more };
  return event;
}

test("steps, the whole, and no further than eight pixels a pixel", () => {
  const { zoom, level, root, page, picture } = zoomed(), less = root.querySelector('[data-do="smaller"]'), words = root.querySelector(".nlv-zoomed");
  assert.deepEqual([less.disabled, words.textContent, level()], [true, "Fit", [1, "1000px", "600px"]]);
  root.querySelector('[data-do="larger"]').fire("click");
  assert.deepEqual([less.disabled, words.textContent, level(), picture.classList.has("zoomed")], [false, "150 %", [1.5, "1500px", "680px"], true]);
  page.key(page.body, "+");
  less.fire("click");
  page.key(page.body, "-");
  page.key(page.body, "-");
  assert.deepEqual([zoom.level, picture.classList.has("zoomed")], [1, false]);
  zoom.to(1e9);
  assert.equal(zoom.level, 8);
  root.querySelector('[data-do="whole"]').fire("click");
  assert.equal(zoom.level, 1);
  zoom.stage.size = { width: 4000, height: 30 };
  zoom.stage.fit();
  assert.equal(zoom.most, 32); // 1000 pixels of the screen for 4000
});

test("Ctrl and the wheel zoom about the pointer; the wheel alone scrolls the page", () => {
  const { zoom, picture } = zoomed(), plain = wheel({ ctrlKey: false }), event = wheel({ deltaY: -100, clientX: 250, clientY: 300 });
  picture.fire("wheel", plain);
  assert.deepEqual([zoom.level, plain.stopped], [1, 0]);
  picture.fire("wheel", event);
  assert.deepEqual([zoom.level.toFixed(4), event.stopped], [Math.exp(0.6).toFixed(4), 1]);
  const box = picture.getBoundingClientRect();
  assert.ok(Math.abs((250 - box.left) / box.width - 0.25) < 1e-9 && Math.abs((300 - box.top) / box.height - 0.5) < 1e-9);
  picture.fire("wheel", wheel({ deltaY: 1e6, metaKey: true, ctrlKey: false }));
  assert.equal(zoom.level.toFixed(4), "1.0000");
});

test("the middle button drags a zoomed picture, as any does with space down, and that points at nothing", () => {
  const { zoom, pan, picture, page, tool, session } = zoomed(), middle = { button: 1, pointerId: 3 };
  const drag = (more) => {
    picture.fire("pointerdown", pointer(20, 10, more));
    picture.fire("pointermove", pointer(15, 8, more));
    picture.fire("pointerup", pointer(15, 8, more));
  };
  drag(middle);
  assert.deepEqual([pan.scrollLeft, zoom.held], [0, null]);
  session.pointing.leave();
  zoom.to(3);
  const [left, top] = [pan.scrollLeft, pan.scrollTop];
  drag(middle);
  assert.deepEqual([pan.scrollLeft - left, pan.scrollTop - top, picture.captured, tool.preview, tool.held], [50, 20, 3, false, null]);
  picture.matches = () => true;
  page.key(picture, " ");
  assert.ok(picture.classList.has("grip"));
  drag({ pointerId: 3 });
  assert.deepEqual([pan.scrollLeft - left, tool.held], [100, null]);
  for (const listener of page.listeners.keyup) listener({ key: " " });
  drag({ pointerId: 3 });
  assert.deepEqual([pan.scrollLeft - left, tool.preview], [100, true]);
});

test("another picture is shown whole", () => {
  const { zoom, open } = zoomed();
  zoom.to(3);
  open(one, { example: "b" });
  assert.equal(zoom.level, 1);
});

test("a browser that does not give the screen is quoted", async () => {
  const { root, session } = canvas(), full = root.querySelector('[data-do="full"]');
  root.requestFullscreen = async () => { document.fullscreenElement = root; };
  document.exitFullscreen = async () => { document.fullscreenElement = null; };
  await session.screen.turnFull();
  root.fire("fullscreenchange");
  assert.deepEqual([full.attributes["aria-pressed"], root.classList.has("nlv-full")], ["true", true]);
  await session.screen.turnFull();
  root.fire("fullscreenchange");
  assert.deepEqual([full.attributes["aria-pressed"], root.classList.has("nlv-full")], ["false", false]);
  root.requestFullscreen = async () => { throw new Error("no"); };
  await session.screen.turnFull();
  assert.match(root.querySelector(".nlv-note").querySelector("span").textContent, /does not let/);
  root.querySelector('[data-do="type"]').fire("click");
  assert.ok(root.classList.has("nlv-large"));
});
