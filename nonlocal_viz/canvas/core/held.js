// What is pointed at, as three things that differ: the query that the page rests on, whether somebody holds it
// there, and a preview, which lasts as long as a pointer lies on the picture. Moving the pointer changes the
// preview alone; what is saved, linked, pinned or moved by keys is never a preview of something else.

import { HEADS } from "./words-heads.js";

/** @typedef {import("./answer.js").Point} Point */
/** @typedef {{ resting: Point, held: boolean }} Kept */

/** To a hundredth of a pixel: as an address says it, so that a link brings back the very same place. @param {Point} point @returns {Point} */
export const tidy = ({ x, y, t }) => ({ x: Math.round(x * 100) / 100, y: Math.round(y * 100) / 100, t });

export class Pointed {
  constructor() {
    /** What the page goes back to when nobody points. @type {Point} */
    this.resting = { x: 0, y: 0, t: 0 };
    this.held = false;
    /** @type {Point | null} */
    this.preview = null;
  }

  /** What is painted. */
  get shown() { return this.preview || this.resting; }

  /** What keys and buttons act on: what is held; where nothing is, what is shown. */
  get subject() { return this.held ? this.resting : this.shown; }

  /** @returns {Kept} */
  get kept() { return { resting: this.resting, held: this.held }; }

  /** @param {Point} resting @param {boolean} [held] */
  start(resting, held = false) {
    this.resting = tidy(resting);
    this.held = held;
    this.preview = null;
  }

  /** A pointer lies there. @param {Point} point */
  point(point) { this.preview = tidy(point); }

  /** The pointer is gone. @returns {boolean} whether that changes what is shown */
  leave() {
    const was = this.preview !== null;
    this.preview = null;
    return was;
  }

  /** @param {Point} [point] */
  hold(point = this.shown) { this.start(point, true); }

  /** The query stays where it is, and the next preview may take its place. @returns {boolean} whether something was held */
  letGo() {
    const was = this.held;
    this.held = false;
    return was;
  }

  /** The frames have other numbers. @param {(t: number) => number} at */
  retime(at) { this.start({ ...this.resting, t: at(this.resting.t) }, this.held); }
}

/** Whether a place was cut away before the network saw the picture. @param {{ seen?: [number, number, number, number] | null }} picture @param {Point} point */
export const isUnseen = ({ seen }, { x, y }) => !!seen && (x < seen[0] || y < seen[1] || x >= seen[2] || y >= seen[3]);

/** What is said of such a place. */
export const UNSEEN = "The network never saw this place: it was given the middle of the picture alone.";

/** A place, as people read it. @param {Point} point @param {boolean} clip */
export const placeWords = ({ x, y, t }, clip) => `(${Math.floor(x)}, ${Math.floor(y)})${clip ? ` of frame ${t}` : ""}`;

/** What goes on, in a line beside the picture. @param {Pointed} pointed @param {boolean} clip @param {boolean} touch whether fingers point
 * @param {string | null} [token] that looks in place of a cell
 * @returns {{ state: "preview" | "held" | "resting", words: string, more: string }} more: what can be done */
export function stateWords({ preview, resting, held }, clip, touch, token = null) {
  const here = placeWords(preview || resting, clip);
  if (preview) {
    const more = touch ? "lift to hold" : "click to hold";
    return { state: "preview", words: `Preview of ${here}`, more: held ? `${more}; ${placeWords(resting, clip)} is held` : more };
  }
  if (token !== null) return { state: "held", words: HEADS.state(token), more: HEADS.stateMore(touch) };
  if (held) return { state: "held", words: `Held at ${here}`, more: touch ? "tap elsewhere, or press long to pin" : "Esc lets go, P pins it" };
  return { state: "resting", words: `Looking from ${here}`, more: touch ? "tap the picture to hold another place" : "point at the picture, click to hold" };
}
