// The picture and what lies over it.

import { all, make, one, percentOf, pixelOf } from "./elements.js";
import { paintCells, paintUneven } from "./paint.js";

/** @typedef {import("../core/grid.js").Grid} Grid */
/** @typedef {import("../core/grid.js").Rect} Rect */

export class Stage {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.picture = one(root, ".nlv-picture");
    this.room = one(root, ".nlv-room");
    this.photo = /** @type {HTMLImageElement} */ (one(root, ".nlv-photo"));
    this.photos = [this.photo];
    this.canvas = /** @type {HTMLCanvasElement} */ (one(root, ".nlv-row"));
    this.lines = one(root, ".nlv-lines");
    this.queryMark = one(root, ".nlv-query");
    this.keyMark = one(root, ".nlv-key");
    this.pinMarks = one(root, ".nlv-pinmarks");
    this.cells = make("canvas");
    this.size = { width: 0, height: 0 };
    new ResizeObserver(() => this.fit()).observe(this.room);
  }

  /** @param {import("../protocol.js").View} picture */
  open(picture) {
    this.size = { width: picture.width, height: picture.height };
    // One image a frame, all loaded at once: scrubbing only shows another.
    this.photos.slice(1).forEach((image) => image.remove());
    this.photos = picture.frames.map((file, t) => {
      const image = t ? /** @type {HTMLImageElement} */ (this.photo.cloneNode()) : this.photo;
      image.src = file.url;
      image.alt = t ? "" : picture.alt;
      if (t) this.canvas.before(image);
      return image;
    });
    this.show(0);
    this.lines.setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
    this.picture.classList.toggle("tiny", Math.max(picture.width, picture.height) <= 64);
    this.fit();
  }

  /** @param {number} frame */
  show(frame) { this.photos.forEach((image, t) => image.classList.toggle("away", t !== frame)); }

  /** As large as the room's width and the window's height let it; the room is as high as the picture. */
  fit() {
    const { width, height } = this.size;
    if (!width) return;
    const narrow = matchMedia("(max-width: 900px)").matches;
    const high = Math.max(200, innerHeight * (narrow ? 0.62 : 0.68));
    const factor = Math.min(this.room.clientWidth / width, high / height);
    // A sliver stays wide enough to be pointed at.
    this.picture.style.width = `${Math.max(2, width * factor)}px`;
    this.picture.style.height = this.room.style.height = `${Math.max(2, height * factor)}px`;
  }

  /** A pointer event -> pixels of the original, clamped into it. @param {MouseEvent} event @returns {[number, number]} */
  pixel(event) {
    const [x, y] = pixelOf(event, this.picture, this.size);
    const inside = (/** @type {number} */ v, /** @type {number} */ size) => Math.min(Math.max(v, 0), size - Math.min(1e-3, size / 2));
    return [inside(x, this.size.width), inside(y, this.size.height)];
  }

  /** @param {HTMLElement} mark @param {Rect} rect */
  put(mark, rect) {
    Object.assign(mark.style, percentOf(rect, this.size));
    mark.hidden = false;
  }

  /** @param {Rect} rect @param {boolean} here whether its frame is shown */
  markQuery(rect, here) {
    this.put(this.queryMark, rect);
    this.queryMark.hidden = !here;
  }

  /** @param {Rect | null} rect */
  markKey(rect) { if (rect) this.put(this.keyMark, rect); else this.keyMark.hidden = true; }

  /** One frame of weights. @param {import("../core/colours.js").Colours} colours @param {Float32Array} weights @param {Grid} grid
   * @param {import("../core/look.js").Paint} paint */
  paint(colours, weights, grid, paint) {
    if (grid.x.even && grid.y.even) {
      paintCells(this.canvas, colours, weights, grid, paint);
    } else {
      paintCells(this.cells, colours, weights, grid, paint);
      paintUneven(this.canvas, this.cells, grid, Math.min(1, 1200 / Math.max(this.size.width, this.size.height)));
    }
    this.put(this.canvas, grid.extent);
    this.canvas.style.opacity = String(paint.alpha);
    this.picture.classList.toggle("smooth", paint.smooth);
    this.picture.classList.toggle("in-colour", paint.colour);
  }

  /** Query cells thin, key cells strong: with pooled keys the two differ. @param {boolean} on @param {import("../core/answer.js").Block} block */
  drawGrid(on, { queries, keys, meta }) {
    const path = (/** @type {Grid} */ { x, y }) => x.edges.map((v) => `M${v} ${y.first}V${y.last}`)
      .concat(y.edges.map((v) => `M${x.first} ${v}H${x.last}`)).join("");
    const thin = `<path d="${path(queries)}" stroke="rgba(255,255,255,.28)" stroke-width="1"/>`;
    const strong = meta.pooled ? `<path d="${path(keys)}" stroke="rgba(255,255,255,.65)" stroke-width="1.5"/>` : "";
    this.lines.innerHTML = on ? thin + strong : "";
  }

  /** @param {[number, Rect][]} pins number and cell of those of the frame that is shown */
  drawPins(pins) {
    this.pinMarks.replaceChildren(...pins.map(([number, rect]) => {
      const mark = make("div", "nlv-pinmark");
      mark.innerHTML = `<b>${number}</b>`;
      this.put(mark, rect);
      return mark;
    }));
  }

  /** @param {string} words */
  describe(words) { this.picture.setAttribute("aria-valuetext", words); }

  /** When a photo can be drawn from. @param {() => void} then */
  whenLoaded(then) { for (const photo of this.photos) photo.decode().then(then).catch(() => {}); }

  /** Pointer and touch. @param {{ point: (x: number, y: number) => void, hold: (x: number, y: number, click: boolean) => void }} on */
  listen(on) {
    /** @type {[number, number] | null} */
    let pressed = null;
    this.picture.addEventListener("pointermove", (e) => on.point(...this.pixel(e)));
    this.picture.addEventListener("pointerdown", (e) => {
      pressed = [e.clientX, e.clientY];
      if (e.pointerType !== "mouse") this.picture.setPointerCapture(e.pointerId);
      on.point(...this.pixel(e));
    });
    this.picture.addEventListener("pointerup", (e) => {
      const still = pressed !== null && Math.hypot(e.clientX - pressed[0], e.clientY - pressed[1]) < 6;
      pressed = null;
      on.hold(...this.pixel(e), still && e.button === 0);
    });
  }
}

/** Whatever is for clips alone. @param {HTMLElement} root @param {boolean} clip */
export function showForClips(root, clip) { for (const element of all(root, ".nlv-cliponly")) element.hidden = !clip; }
