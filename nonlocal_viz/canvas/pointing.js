// What people point at, hold and let go; and what keys do to it.

import { cellAsked, markOf } from "./core/answer.js";
import { isUnseen, placeWords, UNSEEN } from "./core/held.js";
import { middle } from "./core/grid.js";

/** @typedef {import("./core/answer.js").Point} Point */

export class Pointing {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** Whether somebody was told that a place was never seen, and nothing since. */
    this.told = false;
  }

  /** Whether nothing looks from there, which is then said. @param {Point} point */
  unseen(point) {
    const { session } = this, cut = session.open !== null && isUnseen(session.open.picture, point);
    if (cut !== this.told) session.note(cut ? UNSEEN : "");
    this.told = cut;
    return cut;
  }

  /** The pointer lies there: a preview. @param {Point} point */
  preview(point) {
    const { session } = this;
    if (!session.open || session.host.fixed || session.guest?.preview(point)) return;
    if (this.unseen(point)) { this.endPreview(); return; }
    session.pointed.point(point);
    session.refresh();
    session.linked.tell();
  }

  /** The pointer is gone. */
  leave() {
    if (this.told) this.session.note("");
    this.told = false;
    this.endPreview();
  }

  endPreview() {
    const { session } = this;
    session.guest?.gone();
    if (!session.pointed.leave()) return;
    session.refresh();
    session.linked.tell();
  }

  /** A click, a tap, Enter. @param {Point} [point] */
  hold(point = this.session.pointed.shown) {
    const { session } = this;
    if (!session.open || session.host.fixed || session.guest?.hold(point)) return;
    if (this.unseen(point)) { session.announce(UNSEEN); return; }
    session.remember("the query was moved");
    session.layers.letGo();
    session.pointed.hold(point);
    session.draw();
    session.news = `Held at ${placeWords(session.pointed.resting, session.isClip)}.`;
    session.speak();
    session.said(true);
    session.linked.tell();
  }

  /** Escape: the query stays where it is, nobody holds it there. */
  letGo() {
    const { session } = this, { resting, held } = session.pointed;
    if (session.layers.letGo()) { session.layers.told(); return; }
    if (!held) { session.announce("Nothing is held."); return; }
    session.remember("the query was let go");
    session.pointed.letGo();
    session.draw();
    session.announce(`Let go of ${placeWords(resting, session.isClip)}; z holds it again.`);
    session.said();
    session.linked.tell();
  }

  /** By cells, held within the frame. @param {number} dh @param {number} dw */
  move(dh, dw) {
    const { session } = this, { open, look } = session;
    if (!open || session.host.fixed || session.guest?.move(dh, dw)) return;
    const grid = open.block.asked(look.direction), at = cellAsked(open.block, session.pointed.subject, look.direction);
    if (at < 0) return;
    const to = grid.beside(at, dh, dw), [x, y] = middle(grid.rect(to)), [t] = grid.unflat(to);
    session.remember("the query was moved by keys", true);
    session.layers.letGo();
    session.pointed.hold({ x, y, t });
    session.frame = t;
    session.draw();
    session.speak();
    session.said();
    session.linked.tell();
  }

  /** A frame of the strip is clicked. @param {Point} point */
  holdOn(point) {
    this.session.frame = point.t;
    this.hold(point);
    this.session.pinning.mark();
  }

  /** Show a frame large; the query stays where it is. @param {number} frame */
  focus(frame) {
    const { session } = this;
    session.frame = frame;
    session.refresh();
    session.pinning.mark();
    session.said();
  }

  /** A crop is pointed at or focused: what it shows is marked, in its own frame, as long as that lasts. @param {number} slot -1: none */
  markKey(slot) {
    const { session } = this, mark = session.answer && markOf(session.answer, slot);
    session.peek = mark ? mark.t : null;
    session.draw();
    session.scene.stage.markKey(mark && mark.rect);
  }

  /** The last deed, undone. */
  undo() {
    const { session } = this, last = session.past.back();
    if (!last) { session.announce("Nothing to undo."); return; }
    const { pointed, pins, frame } = last.state;
    session.pointed.start(pointed.resting, pointed.held);
    session.pins.restore(pins);
    session.frame = frame;
    session.draw();
    session.announce(`Undone: ${last.words}.`);
    session.pinning.changed();
  }
}
