// Pins as cards under the picture.

import { groundOf } from "../core/look.js";
import { frameOf } from "../core/stats.js";
import { all, contextOf, make, makeButton, one, say } from "./elements.js";
import { loaded, outline, paintCells } from "./paint.js";

/** @typedef {import("../core/answer.js").Answer} Answer */
/** @typedef {import("../core/pinlist.js").Pin} Pin */
/** @typedef {{ pin: Pin, t: number, place: string, of: string, foreign: boolean, ask: string }} Card a pin and its words; t: the frame
 * that is nearest to it; ask: what it can be asked again of */
/** @typedef {{ photos: HTMLImageElement[], width: number, height: number, paintFor: (answer: Answer) => import("../core/look.js").Paint }} Ground
 * what a pin is painted on, and how */
/** @typedef {{ go: (pin: Pin) => void, remove: (pin: Pin) => void, move: (pin: Pin, by: number) => void, again: (pin: Pin) => void,
 *   againAll: () => void, clear: () => void, left: () => void }} Listener left: the last card went while the keyboard was on it */

export class PinCards {
  /** @param {HTMLElement} root @param {import("../core/colours.js").Colours} colours @param {Listener} on */
  constructor(root, colours, on) {
    this.box = one(root, ".nlv-pinned");
    this.list = one(root, ".nlv-pins");
    this.count = one(root, ".nlv-pincount");
    this.all = one(root, '[data-do="againall"]');
    this.colours = colours;
    this.on = on;
    this.all.addEventListener("click", () => on.againAll());
    one(root, '[data-do="clearpins"]').addEventListener("click", () => on.clear());
  }

  /** @param {Card[]} cards @param {string} ask what some of them can be asked again of, "" where none can @param {Ground} ground */
  show(cards, ask, ground) {
    const at = this.focused();
    this.box.hidden = !cards.length;
    say(this.count, cards.length === 1 ? "1 pin" : `${cards.length} pins`);
    this.all.hidden = !ask;
    say(this.all, `Ask all of ${ask}`);
    this.list.replaceChildren(...cards.map((card, i) => this.card(card, i, ground)));
    if (at) this.refocus(cards, at);
  }

  /** The card and the button of it that the keyboard is on. */
  focused() {
    const active = /** @type {HTMLElement | null} */ (document.activeElement);
    for (const [index, card] of [...this.list.children].entries()) {
      const button = all(card, "button").indexOf(/** @type {HTMLElement} */ (active));
      if (button >= 0) return { index, number: /** @type {HTMLElement} */ (card).dataset.pin, name: active?.dataset.pinned || "go" };
    }
    return null;
  }

  /** Whoever works with the keyboard stays with their pin, and where that is gone, at its place.
   * @param {Card[]} cards @param {{ index: number, number: string | undefined, name: string }} at */
  refocus(cards, { index, number, name }) {
    if (!cards.length) { this.on.left(); return; }
    const same = cards.findIndex(({ pin }) => String(pin.number) === number), card = this.list.children[same >= 0 ? same : Math.min(index, cards.length - 1)];
    const buttons = all(card, "button");
    (buttons.find((button) => button.dataset.pinned === name) || buttons[0]).focus();
  }

  /** @param {Card} card @param {number} index @param {Ground} ground */
  card({ pin, t, place, of, foreign, ask }, index, ground) {
    const { number, answer } = pin, card = make("div", foreign ? "nlv-pin foreign" : "nlv-pin"), bar = make("div", "nlv-pinbar");
    card.dataset.pin = String(number);
    card.setAttribute("role", "listitem");
    const go = this.button("go", "nlv-go", `Go to pin ${number}, ${place}, ${of}`, "", () => this.on.go(pin));
    const words = make("p"), name = make("b"), soft = make("span");
    name.textContent = String(number);
    soft.textContent = answer ? of : `${of}: not asked yet`;
    words.append(name, ` ${place}`, soft);
    go.append(this.draw(pin, t, ground), words);
    bar.append(
      this.button("before", "nlv-small", `Move pin ${number} to the front`, "\u2190", () => this.on.move(pin, -1)),
      this.button("after", "nlv-small", `Move pin ${number} to the back`, "\u2192", () => this.on.move(pin, 1)),
      ...(foreign ? [this.button("again", "nlv-small wide", `Ask ${ask} of pin ${number}, too`, `Ask ${ask}`, () => this.on.again(pin))] : []),
      this.button("away", "nlv-small away", `Remove pin ${number}`, "\u00d7", () => this.on.remove(pin)),
    );
    card.append(go, bar);
    card.addEventListener("keydown", (e) => this.key(e, pin, index));
    return card;
  }

  /** @param {string} name @param {string} className @param {string} label @param {string} words @param {() => void} deed */
  button(name, className, label, words, deed) {
    const button = makeButton(className);
    button.dataset.pinned = name;
    button.textContent = words;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", deed);
    return button;
  }

  /** Alt and an arrow move a pin, Delete removes it. @param {KeyboardEvent} event @param {Pin} pin @param {number} index */
  key(event, pin, index) {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -index, End: 1e6 }[event.key];
    if (event.key === "Delete") this.on.remove(pin);
    else if (step !== undefined && event.altKey) this.on.move(pin, step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {Pin} pin @param {number} t @param {Ground} ground */
  draw({ answer }, t, { photos, width, height, paintFor }) {
    const canvas = make("canvas");
    canvas.width = 360;
    canvas.height = Math.max(1, Math.min(720, Math.round((360 * height) / width)));
    const context = contextOf(canvas), f = canvas.width / width, g = canvas.height / height, paint = answer && paintFor(answer);
    context.filter = groundOf(paint);
    if (loaded(photos[t])) context.drawImage(photos[t], 0, 0, canvas.width, canvas.height);
    context.filter = "none";
    if (!answer || !paint) return canvas;
    const { grid, weights, rect } = answer, cells = make("canvas");
    paintCells(cells, this.colours, frameOf(weights, grid, answer.t), grid, paint);
    const { left, top, right, bottom } = grid.extent;
    context.imageSmoothingEnabled = paint.smooth;
    context.drawImage(cells, left * f, top * g, (right - left) * f, (bottom - top) * g);
    outline(context, [rect.left * f, rect.top * g, (rect.right - rect.left) * f, (rect.bottom - rect.top) * g], 0.8);
    return canvas;
  }
}
