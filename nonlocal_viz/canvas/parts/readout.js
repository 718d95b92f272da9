// The column of words and numbers beside the picture.

import { gatheredWords, readoutWords } from "../core/words.js";
import { Crops } from "./crops.js";
import { all, contextOf, make, one, say } from "./elements.js";

/** @typedef {import("../core/answer.js").Answer} Answer */

export class Readout {
  /** @param {HTMLElement} root @param {(slot: number) => void} onKey a crop is pointed at; -1: none is */
  constructor(root, onKey) {
    this.text = Object.fromEntries(all(root, "[data-text]").map((e) => [e.dataset.text, e]));
    this.spoken = one(root, ".nlv-spoken");
    this.assumed = one(root, ".nlv-assumed");
    this.curve = /** @type {HTMLCanvasElement} */ (one(root, ".nlv-curve canvas"));
    this.crops = new Crops(one(root, ".nlv-top"), onKey);
  }

  /** @param {string} name @param {string} words */
  set(name, words) { if (this.text[name]) say(this.text[name], words); }

  /** What nobody told of the model and the tool takes for granted. @param {string[]} sentences */
  assume(sentences) {
    this.assumed.hidden = !sentences.length;
    one(this.assumed, "ul").replaceChildren(...sentences.map((sentence) => {
      const item = make("li");
      item.textContent = sentence;
      return item;
    }));
  }

  /** @param {Answer} answer @param {HTMLImageElement[]} photos one a frame @param {{ width: number, height: number }} size of the original */
  show(answer, photos, size) {
    for (const [name, words] of Object.entries(readoutWords(answer))) this.set(name, words);
    this.crops.show(answer, photos, size);
    const { words, reached } = gatheredWords(answer);
    this.set("curve", words);
    this.drawCurve(reached);
  }

  /** Nothing is said. */
  clear() {
    for (const name of ["headline", "law", "spread", "pixel", "cell", "self", "terms", "curve"]) this.set(name, "\u00a0");
    this.crops.clear();
    contextOf(this.curve).clearRect(0, 0, this.curve.width, this.curve.height);
    say(this.spoken, "");
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
