// Everything that shows an answer: the picture, the film strip, the bar, the readout, the lesson, the pins.

import { Colours } from "../core/colours.js";
import { paintOf } from "../core/look.js";
import { frameOf } from "../core/stats.js";
import { spokenWords } from "../core/words.js";
import { Film } from "./film.js";
import { Legend } from "./legend.js";
import { LessonPanel } from "./lesson.js";
import { PinCards } from "./pincards.js";
import { Readout } from "./readout.js";
import { showForClips, Stage } from "./stage.js";

/** @typedef {import("../core/answer.js").Answer} Answer */
/** @typedef {import("../core/look.js").Look} Look */
/** @typedef {import("../protocol.js").View} View */
/** @typedef {import("./pincards.js").Card} Card */
/** @typedef {{ point: (x: number, y: number, t: number) => void, leave: () => void, hold: (x: number, y: number, t: number) => void,
 *   focus: (t: number) => void, key: (slot: number) => void, lesson: () => void } & Omit<import("./pincards.js").Listener, "left">} Listener */

export class Scene {
  /** @param {HTMLElement} root @param {import("../protocol.js").ColourMaps} maps @param {Listener} on */
  constructor(root, maps, on) {
    this.root = root;
    this.colours = new Colours(maps);
    this.stage = new Stage(root);
    this.film = new Film(root, this.colours, on);
    this.legend = new Legend(root, this.colours);
    this.readout = new Readout(root, on.key);
    this.lesson = new LessonPanel(root, on.lesson);
    this.cards = new PinCards(root, this.colours, { ...on, left: () => this.stage.picture.focus() });
  }

  /** @param {View} picture */
  open(picture) {
    this.stage.open(picture);
    this.film.open(picture);
    showForClips(this.root, picture.frames.length > 1);
    this.readout.assume(picture.about.assumptions);
  }

  /** @param {Answer} answer @param {number} frame that is shown large @param {Look} look @param {import("./stage.js").Marks} marks */
  draw(answer, frame, look, marks) {
    const { stage } = this, paint = paintOf(look, answer.block.meta.signed, answer.stats.top);
    this.root.classList.toggle("in-colour", look.colour);
    this.root.classList.toggle("veiled", look.veil);
    stage.show(frame);
    stage.paint(this.colours, frameOf(answer.weights, answer.grid, frame), answer.grid, paint);
    stage.markQuery(answer.rect, answer.t, frame, marks);
    this.film.show(answer, paint, frame, look.arrows);
    this.readout.show(answer, stage.photos, stage.size);
    this.legend.show(paint, answer.block.digits(answer.direction));
    this.lesson.show(answer);
  }

  /** Other weights in the place of an answer's row: picture, strip and bar follow the same numbers.
   * @param {Answer} answer @param {{ weights: Float32Array, grid: import("../core/grid.js").Grid }} made
   * @param {import("../core/look.js").Paint} paint @param {number} frame that is shown large @param {Look} look @param {string} name of the numbers */
  drawInstead(answer, { weights, grid }, paint, frame, look, name) {
    const { block, at, rect, index } = answer, stats = { ...answer.stats, top: paint.top };
    this.stage.paint(this.colours, frameOf(weights, grid, grid.cells[0] > 1 ? frame : 0), grid, paint);
    if (grid.cells[0] > 1) this.film.show({ ...answer, block, at, rect, index, weights, grid, stats }, paint, frame, look.arrows);
    this.legend.show(paint, block.digits("row"), name);
  }

  /** The photo, and which cell is asked about; nothing of what it looks at. @param {import("../core/grid.js").Rect | null} rect
   * @param {number} t @param {number} frame that is shown large */
  drawVeiled(rect, t, frame) {
    const { stage } = this;
    this.root.classList.add("in-colour");
    this.root.classList.remove("veiled");
    stage.show(frame);
    stage.clear();
    if (rect) stage.markQuery(rect, t, frame, { preview: false, held: true, kept: null, keptFrame: frame });
    this.film.clear(frame);
    this.readout.clear();
    this.legend.clear();
    this.lesson.clear();
  }

  /** @param {Answer} answer @param {string} news what was done, before what it shows */
  speak(answer, news) {
    const words = spokenWords(answer);
    this.readout.spoken.textContent = news ? `${news} ${words}` : words;
  }

  /** The marks on the large picture alone, for another frame. @param {Card[]} cards @param {number} frame */
  markPins(cards, frame) {
    this.stage.drawPins(cards.flatMap(({ pin: { number, answer }, t, foreign }) =>
      (t === frame && answer ? [/** @type {[number, import("../core/grid.js").Rect, boolean]} */ ([number, answer.rect, foreign])] : [])));
  }

  /** @param {Card[]} cards @param {string} ask what they can be asked again of, "" if nothing @param {number} frame @param {Look} look */
  drawPins(cards, ask, frame, look) {
    this.markPins(cards, frame);
    const { photos, size } = this.stage;
    this.cards.show(cards, ask, { photos, ...size, paintFor: (answer) => paintOf(look, answer.block.meta.signed, answer.stats.top) });
  }
}
