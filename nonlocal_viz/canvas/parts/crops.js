// What an answer looks at, cut from the photo: its largest bright regions and its strongest single cell.

import { STRONGEST } from "../core/answer.js";
import { cropOf } from "../core/regions.js";
import { regionWords, strongestWords } from "../core/words.js";
import { contextOf, make, makeButton, say } from "./elements.js";
import { loaded, outline } from "./paint.js";

/** @typedef {import("../core/answer.js").Answer} Answer */
/** @typedef {import("../core/grid.js").Rect} Rect */
/** @typedef {{ width: number, height: number }} Size */
/** @typedef {{ slot: number, item: HTMLElement, button: HTMLButtonElement, canvas: HTMLCanvasElement, share: HTMLElement, where: HTMLElement }} Slot */
/** @typedef {{ share: string, where: string, spoken: string }} Words */

/** Pixels of a crop's side. */
const SIDE = 224;
const REGIONS = 2;

export class Crops {
  /** @param {HTMLElement} list @param {(slot: number) => void} onKey a crop is pointed at or focused; -1: none is */
  constructor(list, onKey) {
    this.slots = [...Array(REGIONS).keys(), STRONGEST].map((slot) => makeSlot(slot, onKey));
    list.append(...this.slots.map(({ item }) => item));
  }

  clear() { for (const slot of this.slots) fill(slot, undefined); }

  /** @param {Answer} answer @param {HTMLImageElement[]} photos one a frame @param {Size} size of the original */
  show(answer, photos, size) {
    const { grid, stats } = answer;
    for (const slot of this.slots) {
      const region = stats.regions[slot.slot], single = slot.slot === STRONGEST;
      const photo = photos[region ? region.frame : grid.unflat(stats.best)[0]];
      const words = single ? strongestWords(answer) : region && regionWords(answer, region);
      fill(slot, words);
      if (!words || !loaded(photo)) continue;
      const rect = region ? region.rect : grid.rect(stats.best), draw = place(slot.canvas, photo, cropOf(rect, size), size);
      if (region) veil(slot.canvas, answer, region, draw);
      else outline(contextOf(slot.canvas), draw(rect), 0.7);
    }
  }
}

/** @param {Slot} slot @param {Words | undefined} words none: its place stays empty */
function fill({ item, button, canvas, share, where }, words) {
  contextOf(canvas).clearRect(0, 0, SIDE, SIDE);
  item.classList.toggle("none", !words);
  button.disabled = !words;
  say(share, words ? words.share : "\u00a0");
  say(where, words ? words.where : "\u00a0");
  button.setAttribute("aria-label", words ? calledAs(words) : "No further region");
  button.title = words ? words.spoken : "";
}

/** Draw a part of the photo as large as the canvas takes it, never stretched. @param {HTMLCanvasElement} canvas @param {HTMLImageElement} photo
 * @param {Rect} crop @param {Size} size @returns {(rect: Rect) => [number, number, number, number]} pixels of the original -> of the canvas */
function place(canvas, photo, { left, top, right, bottom }, size) {
  const width = right - left, height = bottom - top, k = SIDE / Math.max(width, height), f = photo.naturalWidth / size.width;
  const x = (SIDE - width * k) / 2, y = (SIDE - height * k) / 2;
  contextOf(canvas).drawImage(photo, left * f, top * f, width * f, height * f, x, y, width * k, height * k);
  return (rect) => [x + (rect.left - left) * k, y + (rect.top - top) * k, (rect.right - rect.left) * k, (rect.bottom - rect.top) * k];
}

/** Darken what does not belong to a region, run by run. @param {HTMLCanvasElement} canvas @param {Answer} answer
 * @param {import("../core/regions.js").Region} region @param {(rect: Rect) => [number, number, number, number]} draw */
function veil(canvas, { grid }, { cells, frame }, draw) {
  const context = contextOf(canvas), [, height, width] = grid.cells, { x, y } = grid, own = new Set(cells);
  context.fillStyle = "rgba(0,0,0,.5)";
  for (let h = 0; h < height; h++) {
    for (let w = 0, from = 0; w <= width; w++) {
      if (w < width && !own.has(grid.flat(frame, h, w))) continue;
      if (w > from) context.fillRect(...draw({ left: x.edges[from], top: y.edges[h], right: x.edges[w], bottom: y.edges[h + 1] }));
      from = w + 1;
    }
  }
}

/** @param {number} slot @param {(slot: number) => void} onKey @returns {Slot} */
function makeSlot(slot, onKey) {
  const item = make("li"), button = makeButton("nlv-crop"), canvas = make("canvas"), share = make("b"), where = make("span");
  canvas.width = canvas.height = SIDE;
  button.append(canvas, share, " ", where);
  item.append(button);
  for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => onKey(slot));
  for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => onKey(-1));
  return { slot, item, button, canvas, share, where };
}

/** What a crop is called begins with what is seen on it, so that it can be called by that. @param {Words} words */
function calledAs({ share, where, spoken }) {
  const seen = `${share} ${where}`;
  return spoken.includes(seen) ? spoken : `${seen}. ${spoken}`;
}
