// What the lesson puts on the photo: markers, letters, the key, and tiles that jump.

import { contextOf, make, percentOf } from "../parts/elements.js";

/** @typedef {import("../core/grid.js").Grid} Grid */
/** @typedef {import("../core/grid.js").Rect} Rect */
/** @typedef {{ width: number, height: number }} Size */

/** Part of the height from the top where a letter stands below its place, to be seen. */
const TOP = 0.08;
/** Pixels of the screen from the middle of a letter's disc to its edge. */
const LETTER_HALF = 12;

export class Marks {
  /** @param {import("../parts/stage.js").Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.tiles = make("canvas", "nlv-tiles");
    this.layer = make("div", "nlv-lessonmarks");
    this.layer.setAttribute("aria-hidden", "true");
    this.tiles.hidden = true;
    stage.canvas.before(this.tiles);
    stage.picture.append(this.layer);
    /** @type {Record<string, HTMLElement>} */
    this.known = {};
    /** Where the tiles lie; null: as they were. @type {Uint32Array | null} */
    this.places = null;
  }

  clear() {
    this.layer.replaceChildren();
    this.known = {};
    this.tiles.hidden = true;
    this.places = null;
    this.stage.markKey(null);
  }

  /** @param {string} name @param {string} className @param {string} words */
  mark(name, className, words = "") {
    const mark = (this.known[name] ||= this.layer.appendChild(make("div")));
    mark.className = `nlv-mark ${className}`;
    if (mark.textContent !== words) mark.textContent = words;
    return mark;
  }

  /** @param {string} name */
  remove(name) {
    this.known[name]?.remove();
    delete this.known[name];
  }

  /** A marker, with the disc that it stands for. @param {[number, number] | null} place @param {number} radius pixels */
  guess(place, radius) {
    if (!place) { this.remove("guess"); return; }
    const [x, y] = place, rect = { left: x - radius, right: x + radius, top: y - radius, bottom: y + radius };
    Object.assign(this.mark("guess", "nlv-guessmark").style, percentOf(rect, this.stage.size));
  }

  /** @param {string} letter @param {[number, number]} place */
  letter(letter, [x, y]) {
    const { width, height } = this.stage.size, mark = this.mark(`letter ${letter}`, `nlv-lettermark${y < TOP * height ? " below" : ""}`, letter);
    // Whole within the photo, also where its place lies at the edge.
    Object.assign(mark.style, { left: `clamp(${LETTER_HALF}px, ${(100 * x) / width}%, calc(100% - ${LETTER_HALF}px))`, top: `${(100 * y) / height}%` });
  }

  /** @param {string} name @param {Rect} rect @param {string} className */
  box(name, rect, className) { Object.assign(this.mark(name, className).style, percentOf(rect, this.stage.size)); }

  /** The photo in tiles, each where the shuffle puts it. @param {Grid} grid @param {Uint32Array | null} places null: as they were */
  shuffle(grid, places) {
    const { tiles, stage: { size, photo } } = this;
    if (places === this.places) return;
    tiles.hidden = !places;
    this.places = null;
    if (!places || !photo.naturalWidth) return;
    this.places = places;
    const factor = Math.min(1, 900 / size.width), from = photo.naturalWidth / size.width;
    tiles.width = Math.round(size.width * factor);
    tiles.height = Math.round(size.height * factor);
    const context = contextOf(tiles);
    places.forEach((to, k) => {
      const a = grid.rect(k), b = grid.rect(to);
      context.drawImage(photo, a.left * from, a.top * from, (a.right - a.left) * from, (a.bottom - a.top) * from,
        b.left * factor, b.top * factor, (b.right - b.left) * factor, (b.bottom - b.top) * factor);
    });
  }
}
