// Bars, lines and small maps on canvases: every bar is a number of a tensor.

import { groundOf } from "../core/look.js";
import { contextOf } from "../parts/elements.js";
import { loaded, paintCells } from "../parts/paint.js";

/** @typedef {import("../core/grid.js").Grid} Grid */
/** @typedef {{ colour?: string, top?: number, marked?: number, line?: ArrayLike<number> }} Style top: the number of the full height;
 * marked: a bar that stands out; line: drawn over the bars */

/** As sharp as the screen. @param {HTMLCanvasElement} canvas */
function sized(canvas) {
  const sharp = Math.min(2, globalThis.devicePixelRatio || 1), width = Math.round((canvas.clientWidth || 300) * sharp),
    height = Math.round((canvas.clientHeight || 60) * sharp);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = contextOf(canvas);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** One bar a number, round a line of zero. @param {HTMLCanvasElement} canvas @param {ArrayLike<number>} numbers @param {Style} [style] */
export function drawBars(canvas, numbers, { colour, top, marked = -1, line } = {}) {
  const { context, width, height } = sized(canvas), ink = getComputedStyle(canvas).color, list = Array.from(numbers);
  const high = top ?? Math.max(0, ...list, ...(line ? Array.from(line) : [])),
    low = top === undefined ? Math.min(0, ...list, ...(line ? Array.from(line) : [])) : -top;
  const range = high - low || 1, step = width / list.length, zero = (high / range) * (height - 4) + 2;
  const down = (/** @type {number} */ v) => zero - (v / range) * (height - 4);
  context.fillStyle = ink;
  context.globalAlpha = 0.35;
  context.fillRect(0, zero - 0.5, width, 1);
  list.forEach((v, c) => {
    context.fillStyle = colour || ink;
    context.globalAlpha = marked >= 0 && marked !== c ? 0.35 : v < 0 ? 0.6 : 1;
    const to = down(v);
    context.fillRect(c * step, Math.min(zero, to), Math.max(1, step - (step > 3 ? 1 : 0)), Math.max(1, Math.abs(to - zero)));
  });
  context.globalAlpha = 1;
  if (!line) return;
  context.strokeStyle = ink;
  context.lineWidth = 2;
  context.beginPath();
  Array.from(line).forEach((v, c) => context.lineTo((c + 0.5) * step, down(v)));
  context.stroke();
}

/** Which bar lies under a pointer. @param {HTMLCanvasElement} canvas @param {MouseEvent} event @param {number} count */
export function barAt(canvas, event, count) {
  const box = canvas.getBoundingClientRect();
  return Math.max(0, Math.min(count - 1, Math.floor(((event.clientX - box.left) / box.width) * count)));
}

/** A small photo with weights over it. @param {HTMLCanvasElement} canvas @param {import("./lesson.js").Lesson} lesson
 * @param {Float32Array | null} weights null: the photo alone
 * @param {Grid} grid
 * @param {{ signed?: boolean, top?: number, query?: import("../core/grid.js").Rect | null, frame?: number, width?: number }} [style] */
export function drawMap(canvas, lesson, weights, grid, { signed = false, top, query = null, frame = 0, width = 300 } = {}) {
  const { stage } = lesson.session.scene, { size } = stage, photo = stage.photos[frame] || stage.photo, k = width / size.width;
  if (!size.width) return;
  canvas.width = width;
  canvas.height = Math.round(size.height * k);
  const context = contextOf(canvas);
  if (weights) {
    const most = top ?? weights.reduce((high, w) => Math.max(high, Math.abs(w)), 0);
    drawWeights(canvas, lesson, weights, grid, lesson.paint(signed, most), frame);
  } else if (loaded(photo)) context.drawImage(photo, 0, 0, width, canvas.height);
  if (!query) return;
  context.lineWidth = width / 100;
  context.strokeStyle = "#000";
  const box = /** @type {const} */ ([query.left * k, query.top * k, Math.max(6, (query.right - query.left) * k), Math.max(6, (query.bottom - query.top) * k)]);
  context.strokeRect(...box);
  context.lineWidth = width / 200;
  context.strokeStyle = "#fff";
  context.strokeRect(...box);
}

/** @param {HTMLCanvasElement} canvas @param {import("./lesson.js").Lesson} lesson @param {Float32Array} weights @param {Grid} grid
 * @param {import("../core/look.js").Paint} paint @param {number} frame */
function drawWeights(canvas, lesson, weights, grid, paint, frame) {
  const { stage } = lesson.session.scene, photo = stage.photos[frame] || stage.photo, { width, height } = canvas, k = width / stage.size.width;
  const context = contextOf(canvas);
  context.filter = groundOf(paint);
  if (loaded(photo)) context.drawImage(photo, 0, 0, width, height);
  context.filter = "none";
  const cells = /** @type {HTMLCanvasElement} */ (canvas.ownerDocument.createElement("canvas")), own = grid.cells[1] * grid.cells[2];
  paintCells(cells, lesson.session.scene.colours, weights.subarray(frame * own, (frame + 1) * own), grid, paint);
  const { left, top: up, right, bottom } = grid.extent;
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, left * k, up * k, (right - left) * k, (bottom - up) * k);
}

/** A table of numbers, a pixel each. @param {HTMLCanvasElement} canvas @param {import("./lesson.js").Lesson} lesson @param {ArrayLike<number>} numbers
 * @param {number} width
 * @param {boolean} signed @param {number} [marked] a row that stands out */
export function drawTable(canvas, lesson, numbers, width, signed, marked = -1) {
  const height = Math.round(numbers.length / width), list = Float32Array.from(numbers);
  canvas.width = width;
  canvas.height = height;
  const context = contextOf(canvas), image = context.createImageData(width, height), top = list.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  lesson.session.scene.colours.fill(new Uint32Array(image.data.buffer), list, { ...lesson.paint(signed, top), colourScale: "gamma", alpha: 1, veil: false });
  context.putImageData(image, 0, 0);
  if (marked < 0) return;
  context.fillStyle = "#fff";
  context.fillRect(0, Math.max(0, marked - 1), width, 1);
  context.fillRect(0, Math.min(height - 1, marked + 1), width, 1);
}
