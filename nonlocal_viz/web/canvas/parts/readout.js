// The column of words and numbers beside the picture.

import { gatheredWords, number, readoutWords } from "../core/words.js";
import { all, contextOf, make, one, say } from "./elements.js";
import { loaded, outline } from "./paint.js";

/** @typedef {import("../core/answer.js").Answer} Answer */
/** @typedef {{ canvas: HTMLCanvasElement, label: HTMLElement }} Slot */
const SLOTS = 5;

export class Readout {
  /** @param {HTMLElement} root @param {(slot: number) => void} onKey the pointer lies on a thumbnail; -1: on none */
  constructor(root, onKey) {
    this.text = Object.fromEntries(all(root, "[data-text]").map((e) => [e.dataset.text, e]));
    this.spoken = one(root, ".nlv-spoken");
    this.curve = /** @type {HTMLCanvasElement} */ (one(root, ".nlv-curve canvas"));
    const list = one(root, ".nlv-top");
    this.slots = Array.from({ length: SLOTS }, (_, i) => {
      const slot = makeSlot(), item = make("li");
      item.append(slot.canvas, slot.label);
      item.addEventListener("pointerenter", () => onKey(i));
      item.addEventListener("pointerleave", () => onKey(-1));
      list.append(item);
      return slot;
    });
  }

  /** @param {string} name @param {string} words */
  set(name, words) { if (this.text[name]) say(this.text[name], words); }

  /** @param {Answer} answer @param {HTMLImageElement[]} photos one a frame @param {number} width of the original */
  show(answer, photos, width) {
    for (const [name, words] of Object.entries(readoutWords(answer))) this.set(name, words);
    this.slots.forEach((slot, i) => this.fill(slot, answer, answer.stats.peaks[i], photos, width));
    const { words, reached } = gatheredWords(answer);
    this.set("curve", words);
    this.drawCurve(reached);
  }

  /** @param {Slot} slot @param {Answer} answer @param {number | undefined} index @param {HTMLImageElement[]} photos @param {number} width */
  fill({ canvas, label }, { weights, grid }, index, photos, width) {
    const context = contextOf(canvas);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const photo = index === undefined ? undefined : photos[grid.unflat(index)[0]];
    if (index === undefined || !loaded(photo)) { label.innerHTML = "&nbsp;"; return; }
    // Three cells around the key, in colour, with the key itself framed.
    const { left, top, right, bottom } = grid.rect(index), size = 3 * Math.max(right - left, bottom - top);
    const x = (left + right - size) / 2, y = (top + bottom - size) / 2;
    const f = photo.naturalWidth / width, k = canvas.width / size;
    context.drawImage(photo, x * f, y * f, size * f, size * f, 0, 0, canvas.width, canvas.height);
    outline(context, [(left - x) * k, (top - y) * k, (right - left) * k, (bottom - top) * k], 0.7);
    label.textContent = number(weights[index]);
  }

  /** Cells from strongest to weakest against the share of the weight they hold together. @param {number[]} reached */
  drawCurve(reached) {
    const context = contextOf(this.curve), { width, height } = this.curve, cells = reached.length - 1;
    context.clearRect(0, 0, width, height);
    context.strokeStyle = getComputedStyle(this.curve).color;
    context.globalAlpha = 0.25;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(1, height - 1);
    context.lineTo(width - 1, 1);
    context.stroke();
    context.globalAlpha = 1;
    context.lineWidth = 3;
    context.beginPath();
    reached.forEach((share, i) => context.lineTo(1 + (i / cells) * (width - 2), height - 2 - share * (height - 4)));
    context.stroke();
  }
}

/** @returns {Slot} */
function makeSlot() {
  const canvas = make("canvas"), label = make("span");
  canvas.width = canvas.height = 112;
  label.innerHTML = "&nbsp;";
  return { canvas, label };
}
