// Pins as cards under the picture.

import { frameOf } from "../core/stats.js";
import { pinWords } from "../core/words.js";
import { all, contextOf, make, makeButton, one } from "./elements.js";
import { loaded, outline, paintCells } from "./paint.js";

/** @typedef {import("../core/answer.js").Answer} Pin */
/** @typedef {{ photos: HTMLImageElement[], width: number, height: number, paintFor: (pin: Pin) => import("../core/look.js").Paint }} Ground
 * what a pin is painted on, and how */

export class PinCards {
  /** @param {HTMLElement} root @param {import("../core/colours.js").Colours} colours @param {{ go: (pin: Pin) => void, remove: (pin: Pin) => void,
   * left: () => void }} on left: the last card went while the keyboard was on it */
  constructor(root, colours, on) {
    this.list = one(root, ".nlv-pins");
    this.colours = colours;
    this.on = on;
  }

  /** @param {Pin[]} pins @param {Ground} ground */
  show(pins, ground) {
    const held = all(this.list, "button").indexOf(/** @type {HTMLElement} */ (document.activeElement));
    this.list.replaceChildren(...pins.map((pin, i) => this.card(pin, i + 1, ground)));
    if (held < 0) return;
    // Whoever worked with the keyboard stays where they were.
    const buttons = all(this.list, "button");
    if (buttons.length) buttons[Math.min(held, buttons.length - 1)].focus();
    else this.on.left();
  }

  /** @param {Pin} pin @param {number} number @param {Ground} ground */
  card(pin, number, ground) {
    const card = make("div", "nlv-pin"), go = makeButton("nlv-go"), away = makeButton("nlv-away"), words = make("p"), name = make("b");
    name.textContent = String(number);
    words.append(name, pinWords(pin));
    go.append(this.draw(pin, ground), words);
    go.addEventListener("click", () => this.on.go(pin));
    away.textContent = "\u00d7";
    away.setAttribute("aria-label", `Remove pin ${number}`);
    away.addEventListener("click", () => this.on.remove(pin));
    card.append(go, away);
    return card;
  }

  /** @param {Pin} pin @param {Ground} ground */
  draw(pin, { photos, width, height, paintFor }) {
    const { t, grid, weights, rect } = pin, canvas = make("canvas"), cells = make("canvas"), paint = paintFor(pin);
    canvas.width = 360;
    canvas.height = Math.max(1, Math.min(720, Math.round((360 * height) / width)));
    const context = contextOf(canvas), f = canvas.width / width, g = canvas.height / height;
    context.filter = paint.colour ? "none" : "grayscale(1)";
    if (loaded(photos[t])) context.drawImage(photos[t], 0, 0, canvas.width, canvas.height);
    context.filter = "none";
    paintCells(cells, this.colours, frameOf(weights, grid, t), grid, paint);
    const { left, top, right, bottom } = grid.extent;
    context.globalAlpha = paint.alpha;
    context.imageSmoothingEnabled = paint.smooth;
    context.drawImage(cells, left * f, top * g, (right - left) * f, (bottom - top) * g);
    context.globalAlpha = 1;
    outline(context, [rect.left * f, rect.top * g, (rect.right - rect.left) * f, (rect.bottom - rect.top) * g], 0.8);
    return canvas;
  }
}
