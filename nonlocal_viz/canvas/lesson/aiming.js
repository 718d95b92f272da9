// What pointing at the photo means on a page: another query, another key, or the place of a marker.

import { middle } from "../core/grid.js";

/** @typedef {import("../core/answer.js").Point} Point */

export class Aiming {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) { this.lesson = lesson; }

  /** Whether pointing moves this. @param {"query" | "key" | "marker"} what */
  at(what) {
    const { lesson } = this, { page, place } = lesson;
    if (!lesson.on) return what === "query";
    const waits = lesson.frame.asks === "where" && !lesson.state.revealed;
    return what === (waits ? "marker" : lesson.veiled ? "nothing" : place.means || page.pointer);
  }

  /** The pointer lies there. @param {Point} point @returns {boolean} whether that is ours */
  preview(point) {
    if (!this.lesson.on || this.at("query")) return false;
    if (this.at("key")) this.setKey(point, false);
    return true;
  }

  /** A click. @param {Point} point @returns {boolean} whether that is ours */
  hold(point) {
    if (!this.lesson.on || this.at("query")) return false;
    if (this.at("marker")) {
      this.lesson.place.marker = [point.x, point.y];
      this.lesson.session.draw();
    } else if (this.at("key")) this.setKey(point, true);
    return true;
  }

  /** The pointer is gone. */
  gone() {
    const { on, place, session } = this.lesson;
    if (!on || place.kept === null || place.key === place.kept) return;
    place.key = place.kept;
    session.refresh();
  }

  /** By keys, a cell. @param {number} dh @param {number} dw @returns {boolean} whether that is ours */
  move(dh, dw) {
    const { lesson } = this, { place } = lesson;
    if (!lesson.on || this.at("query")) return false;
    const at = lesson.at();
    if (!at) return true;
    const cell = this.at("marker") ? at.keys.find(...(place.marker
      || /** @type {[number, number]} */ ([at.point.x, at.point.y])), at.point.t) : (place.key ?? at.q);
    const [x, y] = middle(at.keys.rect(at.keys.beside(cell, dh, dw)));
    this.hold({ x, y, t: at.point.t });
    return true;
  }

  /** @param {Point} point @param {boolean} hold */
  setKey({ x, y, t }, hold) {
    const { place, session } = this.lesson, { open } = session,
      key = open ? open.block.keys.find(open.block.keys.x.clamp(x), open.block.keys.y.clamp(y), t) : -1;
    if (key < 0) return;
    place.key = key;
    if (hold) { place.kept = key; this.lesson.entries.say(); }
    session.refresh();
  }

  /** One level up: channel, key, query. @returns {boolean} whether there was one */
  up() {
    const { place, page, session } = this.lesson;
    if (place.channel !== null) place.channel = null;
    else if (place.key !== null && page.pointer !== "key") place.key = place.kept = null;
    else return false;
    session.draw();
    return true;
  }
}
