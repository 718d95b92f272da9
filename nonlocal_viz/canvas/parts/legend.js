// The bar of colours under the picture.

import { number } from "../core/numbers.js";
import { ticks } from "../core/colours.js";
import { contextOf, make, one, say } from "./elements.js";

export class Legend {
  /** @param {HTMLElement} root @param {import("../core/colours.js").Colours} colours */
  constructor(root, colours) {
    this.bar = /** @type {HTMLCanvasElement} */ (one(root, ".nlv-bar canvas"));
    this.marks = one(root, ".nlv-ticks");
    this.name = one(root, ".nlv-barname");
    this.colours = colours;
    this.shown = "";
  }

  /** @param {import("../core/look.js").Paint} paint @param {number} digits that hold @param {string} [name] what the numbers are */
  show(paint, digits, name = `weight, ${paint.colourScale} scale`) {
    const { cmap, colourScale, signed, top, alpha, veil } = paint, shown = [cmap, signed, alpha, veil].join(" ");
    if (this.shown !== shown) this.paint(paint);
    this.shown = shown;
    const labels = ticks(top, colourScale, signed);
    while (this.marks.children.length < labels.length) this.marks.append(make("span"));
    labels.forEach(([at, weight], i) => {
      const mark = /** @type {HTMLElement} */ (this.marks.children[i]);
      mark.style.left = `${100 * at}%`;
      mark.textContent = number(weight, digits);
    });
    say(this.name, name);
  }

  /** No scale. */
  clear() {
    for (const mark of this.marks.children) mark.textContent = "";
    this.shown = "";
    say(this.name, "\u00a0");
    contextOf(this.bar).clearRect(0, 0, this.bar.width, this.bar.height);
  }

  /** @param {import("../core/look.js").Paint} paint */
  paint(paint) {
    const context = contextOf(this.bar), image = context.createImageData(256, 1);
    this.colours.fillBar(new Uint32Array(image.data.buffer), paint);
    context.putImageData(image, 0, 0);
  }
}
