// The frames of a clip side by side, each with its part of the row, and the transport below them.

import { middle } from "../core/grid.js";
import { frameOf, frameShares, peaks } from "../core/stats.js";
import { percent } from "../core/numbers.js";
import { make, makeButton, one, percentOf, pixelOf } from "./elements.js";
import { paintCells } from "./paint.js";

/** @typedef {import("../core/answer.js").Answer} Answer */
/** @typedef {import("../core/grid.js").Rect} Rect */
/** @typedef {import("../protocol.js").View} View */
/** @typedef {{ box: HTMLButtonElement, pane: HTMLElement, canvas: HTMLCanvasElement, mark: HTMLElement, words: HTMLElement }} Card one frame of the strip */
const ARROWS = 20;
/** Milliseconds between frames when the clip plays. */
const PACE = 250;

export class Film {
  /** @param {HTMLElement} root @param {import("../core/colours.js").Colours} colours @param {{ point: (x: number, y: number, t: number) => void,
   * leave: () => void, hold: (x: number, y: number, t: number) => void, focus: (t: number) => void }} on point: the pointer lies on a frame;
   * leave: on none; hold: a place of a frame was clicked; focus: a frame is to be shown large */
  constructor(root, colours, on) {
    this.root = one(root, ".nlv-film");
    this.strip = one(root, ".nlv-strip");
    this.lines = one(root, ".nlv-arrows");
    this.arcs = one(root, ".nlv-arcs");
    this.slider = /** @type {HTMLInputElement} */ (one(this.root, 'input[type="range"]'));
    this.time = one(this.root, ".nlv-time");
    this.button = one(this.root, '[data-do="play"]');
    this.colours = colours;
    this.on = on;
    /** @type {Card[]} */
    this.cards = [];
    /** @type {View | null} */
    this.picture = null;
    this.focus = -1;
    /** Whether a frame is named by its number alone, as in a text that counts frames. */
    this.numbered = false;
    /** @type {ReturnType<typeof setInterval> | null} */
    this.timer = null;
    this.slider.addEventListener("input", () => { this.stop(); on.focus(+this.slider.value); });
    this.button.addEventListener("click", () => this.play());
    this.strip.addEventListener("pointerleave", () => on.leave());
  }

  /** @param {View} picture */
  open(picture) {
    this.stop();
    this.picture = picture;
    this.focus = -1;
    const clip = picture.frames.length > 1;
    this.root.hidden = !clip;
    this.cards.forEach(({ box }) => box.remove());
    this.slider.max = String(picture.frames.length - 1);
    this.cards = clip ? picture.frames.map((file, t) => this.card(picture, file.url, t)) : [];
    this.strip.style.setProperty("--frames", String(Math.min(8, picture.frames.length)));
  }

  /** @param {View} picture @param {string} url @param {number} t @returns {Card} */
  card(picture, url, t) {
    const box = makeButton("nlv-frame"), image = make("img"), canvas = make("canvas"), mark = make("i"), words = make("span");
    const pane = make("div");
    image.src = url;
    image.alt = "";
    image.draggable = false;
    pane.append(image, canvas, mark);
    box.append(pane, words);
    pane.style.aspectRatio = `${picture.width} / ${picture.height}`;
    const at = (/** @type {MouseEvent} */ e, /** @type {(x: number, y: number, t: number) => void} */ then) => {
      const [x, y] = pixelOf(e, pane, picture), inside = x >= 0 && y >= 0 && x < picture.width && y < picture.height;
      if (inside) then(Math.min(x, picture.width - 0.01), Math.min(y, picture.height - 0.01), t);
      return inside;
    };
    box.addEventListener("pointermove", (e) => { if (e.pointerType === "mouse") at(e, this.on.point); });
    box.addEventListener("click", (e) => {
      this.stop();
      // By the keyboard it points at nothing, and below the frame stand its words.
      if (!e.detail || !at(e, this.on.hold)) this.on.focus(t);
    });
    this.strip.insertBefore(box, this.lines);
    return { box, pane, canvas, mark, words };
  }

  /** One colour scale holds for all frames. @param {Answer} answer @param {import("../core/look.js").Paint} paint @param {number} focus
   * the frame that is shown large @param {boolean} arrows */
  show(answer, paint, focus, arrows) {
    const { picture } = this;
    if (!this.cards.length || !picture) return;
    const { weights, grid } = answer, shares = frameShares(weights, grid);
    this.cards.forEach((card, t) => {
      paintCells(card.canvas, this.colours, frameOf(weights, grid, t), grid, paint);
      Object.assign(card.canvas.style, percentOf(grid.extent, picture));
      const own = t === answer.at[0];
      card.mark.hidden = !own;
      if (own) Object.assign(card.mark.style, percentOf(answer.rect, picture));
      const held = shares[t] ? percent(shares[t]) : "0 %", text = `${picture.times[t].toFixed(2)} s \u00b7 ${held}`,
        short = this.numbered ? `${t}: ${held}` : text;
      if (card.words.textContent !== short) card.words.textContent = short;
      card.box.setAttribute("aria-label", `Frame ${t}, ${this.numbered ? held : text} of the weight${own ? ", the query is here" : ""}`);
      card.box.setAttribute("aria-pressed", String(t === focus));
    });
    if (this.focus !== focus) this.reveal(this.cards[focus].box);
    this.focus = focus;
    this.slider.value = String(focus);
    this.time.textContent = `frame ${focus}, ${picture.times[focus].toFixed(2)} s`;
    this.drawArrows(answer, arrows, picture);
  }

  /** The frames, and nothing of a row. @param {number} focus the frame that is shown large */
  clear(focus) {
    const { picture } = this;
    if (!picture) return;
    this.arcs.replaceChildren();
    this.cards.forEach(({ box, canvas, mark, words }, t) => {
      canvas.width = canvas.height = 1;
      mark.hidden = true;
      const time = `${picture.times[t].toFixed(2)} s`;
      words.textContent = this.numbered ? String(t) : time;
      box.setAttribute("aria-label", `Frame ${t}, ${time}`);
      box.setAttribute("aria-pressed", String(t === focus));
    });
    this.focus = focus;
    this.slider.value = String(focus);
    this.time.textContent = `frame ${focus}, ${picture.times[focus].toFixed(2)} s`;
  }

  /** Scroll the strip alone, never the page. @param {HTMLElement} box */
  reveal(box) {
    const { strip } = this, left = box.offsetLeft;
    if (left < strip.scrollLeft || left + box.offsetWidth > strip.scrollLeft + strip.clientWidth) {
      strip.scrollLeft = left - (strip.clientWidth - box.offsetWidth) / 2;
    }
  }

  /** To the strongest 20 places, as the paper's Figure 3: the strongest cells are often neighbours of one another.
   * @param {Answer} answer @param {boolean} on @param {View} picture */
  drawArrows({ weights, grid, rect, at, index, stats }, on, picture) {
    this.arcs.replaceChildren();
    if (!on) return;
    this.lines.setAttribute("width", String(this.strip.scrollWidth));
    this.lines.setAttribute("height", String(this.strip.scrollHeight));
    const tip = one(this.lines, "marker").id, [x, y] = this.spot(at[0], rect, picture);
    peaks(weights, grid, ARROWS).reverse().forEach((k, i) => {
      if (k === index && grid.cells[0] === this.cards.length) return;
      const share = Math.abs(weights[k]) / stats.top, path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const [u, v] = this.spot(grid.unflat(k)[0], grid.rect(k), picture);
      const attributes = {
        d: bowed([x, y], [u, v], i % 2 ? -1 : 1), "marker-end": `url(#${tip})`, "stroke-width": 0.8 + 1.6 * share, opacity: 0.3 + 0.7 * share,
      };
      for (const [name, value] of Object.entries(attributes)) path.setAttribute(name, String(value));
      this.arcs.append(path);
    });
  }

  /** Where the middle of a cell of frame t lies in the strip. @param {number} t @param {Rect} rect @param {View} picture */
  spot(t, rect, picture) {
    const { box, pane } = this.cards[t], [x, y] = middle(rect);
    return [box.offsetLeft + pane.offsetLeft + (x / picture.width) * pane.offsetWidth,
      box.offsetTop + pane.offsetTop + (y / picture.height) * pane.offsetHeight];
  }

  /** @param {number} by */
  step(by) {
    const count = this.cards.length;
    if (count > 1) this.on.focus((+this.slider.value + by + count) % count);
  }

  play() {
    if (this.timer) { this.stop(); return; }
    if (this.cards.length < 2) return;
    this.timer = setInterval(() => this.step(1), PACE);
    this.button.textContent = "Pause";
  }

  stop() {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }
}

/** An arrow's way, bowed to one side: what lies at one height in all frames would else be one line. @param {[number, number]} from
 * @param {[number, number]} to @param {1 | -1} side */
function bowed([x, y], [u, v], side) {
  const bow = side * (8 + 0.05 * Math.hypot(u - x, v - y));
  return `M${x.toFixed(1)} ${y.toFixed(1)}Q${((x + u) / 2).toFixed(1)} ${((y + v) / 2 - bow).toFixed(1)} ${u.toFixed(1)} ${v.toFixed(1)}`;
}
