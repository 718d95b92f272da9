// The lesson's part of the page: written once a block, its numbers anew for every answer.

import { workedOut } from "../core/equation.js";
import { lessonHtml, pairWords } from "../core/lesson.js";
import { TOO_BIG } from "../core/words.js";
import { all, contextOf, one } from "./elements.js";

export class LessonPanel {
  /** @param {HTMLElement} root @param {() => void} onOpen */
  constructor(root, onOpen) {
    this.details = /** @type {HTMLDetailsElement} */ (one(root, ".nlv-lesson"));
    this.body = one(root, ".nlv-lessonbody");
    /** What is written now. @type {import("../core/answer.js").Block | null} */
    this.block = null;
    this.direction = "";
    /** @type {number | null} */
    this.head = null;
    /** Whether there are pages that explain more. */
    this.door = false;
    this.details.addEventListener("toggle", () => { if (this.details.open) onOpen(); });
  }

  /** @param {import("../core/answer.js").Answer} answer */
  show(answer) {
    if (!this.details.open) return;
    const found = workedOut(answer);
    if (!found) {
      this.block = null;
      this.body.textContent = TOO_BIG;
      return;
    }
    if (this.block !== answer.block || this.direction !== answer.direction || this.head !== answer.block.head) {
      const open = this.body.querySelector("details")?.open;
      this.body.innerHTML = lessonHtml(answer.block, answer.direction, this.door);
      if (open) one(this.body, "details").setAttribute("open", "");
      this.block = answer.block;
      this.direction = answer.direction;
      this.head = answer.block.head;
    }
    /** @type {Record<string, string>} */
    const said = { ...found.numbers, pair: pairWords(answer, found.reached) };
    for (const element of all(this.body, "[data-live]")) element.textContent = said[element.dataset.live || ""];
    if (found.products) this.draw(found.products);
  }

  clear() {
    this.block = null;
    this.body.replaceChildren();
  }

  /** @param {Float32Array} products */
  draw(products) {
    const canvas = /** @type {HTMLCanvasElement} */ (one(this.body, ".nlv-products"));
    const context = contextOf(canvas), { width, height } = canvas;
    // Zero lies where the largest and the smallest product leave it, so that the bars fill the height.
    const high = Math.max(0, ...products), low = Math.min(0, ...products), range = high - low || 1;
    const step = width / products.length, zero = (high / range) * (height - 2) + 1;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(canvas).color;
    context.globalAlpha = 0.3;
    context.fillRect(0, zero - 0.5, width, 1);
    products.forEach((p, c) => {
      context.globalAlpha = p < 0 ? 0.4 : 0.9;
      const size = (Math.abs(p) / range) * (height - 2);
      context.fillRect(c * step, p < 0 ? zero : zero - size, Math.max(1, step - 1), size);
    });
    context.globalAlpha = 1;
  }
}
