// The picture and what lies over it.

import { all, make, one, percentOf, pixelOf } from "./elements.js";
import { Lost } from "./lost.js";
import { paintCells, paintUneven } from "./paint.js";
import { listenToPointer } from "./pointer.js";
import { Zoom } from "./zoom.js";

/** @typedef {import("../core/grid.js").Grid} Grid */
/** @typedef {import("../core/grid.js").Rect} Rect */
/** @typedef {{ preview: boolean, held: boolean, kept: Rect | null, keptFrame: number }} Marks how the query is marked; kept: the cell
 * that is held while another is previewed */

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
    this.keptMark = one(root, ".nlv-kept");
    this.keyMark = one(root, ".nlv-key");
    this.pinMarks = one(root, ".nlv-pinmarks");
    this.cells = make("canvas");
    this.size = { width: 0, height: 0 };
    /** Pixels of the screen a pixel of the picture, shown whole. */
    this.scale = 1;
    /** Whether fingers point. */
    /** Which part of the window's height it may take; null: as usual. @type {number | null} */
    this.part = null;
    this.touched = matchMedia("(hover: none)").matches;
    this.zoom = new Zoom(root, this);
    this.lost = new Lost(root);
    new ResizeObserver(() => this.fit()).observe(this.room);
    // A window that only grows lower leaves the room as wide as it was.
    addEventListener("resize", () => this.fit());
  }

  /** @param {import("../protocol.js").View} picture */
  open(picture) {
    this.size = { width: picture.width, height: picture.height };
    // The map that is there is one of another picture.
    this.clear();
    this.lost.forget();
    // One image a frame, all loaded at once: scrubbing only shows another.
    this.photos.slice(1).forEach((image) => image.remove());
    this.photos = picture.frames.map((file, t) => {
      const image = t ? /** @type {HTMLImageElement} */ (this.photo.cloneNode()) : this.photo;
      this.lost.watch(image, file.url);
      image.alt = t ? "" : picture.alt;
      if (t) this.canvas.before(image);
      return image;
    });
    this.show(0);
    this.lines.setAttribute("viewBox", `0 0 ${picture.width} ${picture.height}`);
    this.picture.classList.toggle("tiny", Math.max(picture.width, picture.height) <= 64);
    this.zoom.level = 1;
    this.fit();
  }

  /** @param {number} frame */
  show(frame) { this.photos.forEach((image, t) => image.classList.toggle("away", t !== frame)); }

  /** As large as the room's width and the window's height let it; the room is as high as the picture. */
  fit() {
    const { width, height } = this.size;
    if (!width) return;
    this.picture.style.setProperty("--ratio", String(width / height));
    const narrow = matchMedia("(max-width: 900px)").matches, full = document.fullscreenElement ? 0.8 : 0.68;
    const high = Math.max(this.part ? 90 : 200, innerHeight * Math.min(narrow ? 0.56 : full, this.part ? (narrow ? this.partOfNarrow : this.part) : 1));
    const { level } = this.zoom, factor = this.scale = Math.min(this.room.clientWidth / width, high / height);
    // A sliver stays wide enough to be pointed at.
    this.picture.style.width = `${Math.max(2, width * factor) * level}px`;
    this.picture.style.height = `${Math.max(2, height * factor) * level}px`;
    this.room.style.height = level > 1 ? `${Math.min(high, height * factor * level)}px` : this.picture.style.height;
    this.zoom.show();
  }

  /** The part where text stands below the photo; in a low window it stands beside it, see lesson.css. */
  get partOfNarrow() { return matchMedia("(min-width: 560px) and (max-height: 540px)").matches ? 0.66 : 0.36; }

  /** A pointer event -> pixels of the original, clamped into it. @param {MouseEvent} event @returns {[number, number]} */
  pixel(event) {
    const [x, y] = pixelOf(event, this.picture, this.size);
    const inside = (/** @type {number} */ v, /** @type {number} */ size) => Math.min(Math.max(v, 0), size - Math.min(0.01, size / 2));
    return [inside(x, this.size.width), inside(y, this.size.height)];
  }

  /** @param {HTMLElement} mark @param {Rect} rect */
  put(mark, rect) {
    Object.assign(mark.style, percentOf(rect, this.size));
    mark.hidden = false;
  }

  /** The cell that is asked about, and beside a preview the one that is held. @param {Rect} rect @param {number} t its frame
   * @param {number} frame that is shown @param {Marks} marks */
  markQuery(rect, t, frame, { preview, held, kept, keptFrame }) {
    this.put(this.queryMark, rect);
    this.queryMark.hidden = t !== frame;
    this.queryMark.classList.toggle("preview", preview);
    this.queryMark.classList.toggle("held", held && !preview);
    if (kept) this.put(this.keptMark, kept);
    this.keptMark.hidden = !kept || keptFrame !== frame;
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
    this.picture.classList.toggle("smooth", paint.smooth);
  }

  /** No row. */
  clear() {
    this.canvas.width = this.canvas.height = 1;
    this.markKey(null);
  }

  /** Query cells thin, key cells strong: with pooled keys the two differ. @param {boolean} on @param {import("../core/answer.js").Block} block */
  drawGrid(on, { queries, keys, meta }) {
    const path = (/** @type {Grid} */ { x, y }) => x.edges.map((v) => `M${v} ${y.first}V${y.last}`)
      .concat(y.edges.map((v) => `M${x.first} ${v}H${x.last}`)).join("");
    const thin = `<path d="${path(queries)}" stroke="rgba(255,255,255,.28)" stroke-width="1"/>`;
    const strong = meta.pooled ? `<path d="${path(keys)}" stroke="rgba(255,255,255,.65)" stroke-width="1.5"/>` : "";
    this.lines.innerHTML = on ? thin + strong : "";
  }

  /** @param {[number, Rect, boolean][]} pins number, cell, and whether it is of something else, of those of the frame that is shown */
  drawPins(pins) {
    this.pinMarks.replaceChildren(...pins.map(([number, rect, foreign]) => {
      const mark = make("div", foreign ? "nlv-pinmark foreign" : "nlv-pinmark");
      mark.innerHTML = `<b>${number}</b>`;
      this.put(mark, rect);
      return mark;
    }));
  }

  /** When a photo can be drawn from. @param {() => void} then */
  whenLoaded(then) { for (const photo of this.photos) photo.decode().then(then).catch(() => {}); }

  /** @param {import("./pointer.js").Listener} on */
  listen(on) { listenToPointer(this, on); }
}

/** Whatever is for clips alone. @param {HTMLElement} root @param {boolean} clip */
export function showForClips(root, clip) { for (const element of all(root, ".nlv-cliponly")) element.hidden = !clip; }
