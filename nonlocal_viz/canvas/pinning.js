// What people do with pins.

import { answerTo } from "./core/answer.js";
import { placeWords } from "./core/held.js";
import { askWords, ofWords, pinPlace, sampled, sameOf, samplingOf } from "./core/pinlist.js";
import { headSaid, modelOf, nearestFrame, withModel } from "./core/source.js";

/** @typedef {import("./core/pinlist.js").Pin} Pin */
/** @typedef {import("./core/pinlist.js").Of} Of */
/** @typedef {import("./core/answer.js").Point} Point */

export class Pinning {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** Blocks of a picture that were fetched for the sake of pins. @type {{ of: import("./protocol.js").View | null, names: string[] }} */
    this.fetched = { of: null, names: [] };
  }

  get list() { return this.session.pins; }

  /** What a pin of now would be of. @returns {Of} */
  get of() {
    const { open, look, ownModel } = this.session;
    if (!open) return { model: "", sampling: "", block: "", direction: "row" };
    return { model: modelOf(open.source, ownModel), sampling: samplingOf(open.source, open.picture.times.length > 1),
      block: open.block.name, direction: look.direction, ...headSaid(open.block.head) };
  }

  /** The frame that is nearest to a pin. @param {Pin} pin */
  frameOf(pin) { return nearestFrame(this.session.open?.picture.times || [0], pin.time); }

  /** An answer for keeps, where what it is of is here. @param {Of} of @param {Point} point */
  answer(of, point) {
    const { open } = this.session, block = open?.blocks.get(of.block), now = this.of;
    if (!open || !block || of.model !== now.model || of.sampling !== now.sampling) return null;
    const answer = answerTo(block, point, of.direction, of.head ?? null);
    return answer && { ...answer, weights: answer.weights.slice() };
  }

  /** @param {Point} point @param {Pin} [behind] */
  bare(point, behind) {
    const { open } = this.session, of = this.of;
    return { ...of, x: point.x, y: point.y, time: behind ? behind.time : open?.picture.times[point.t] || 0, answer: this.answer(of, point) };
  }

  /** Pin the query, or another point. @param {Point} [point] */
  pin(point = this.session.pointed.subject) {
    const { session, list } = this;
    if (!session.open) return;
    const bare = this.bare(point), known = list.find(bare);
    if (known) session.announce(`That is pin ${known.number} already.`);
    else {
      session.remember("a pin was set");
      const pin = list.add(bare);
      session.announce(`Pin ${pin?.number} at ${placeWords(point, session.isClip)}.`);
    }
    // The answer may have taken the place of what is painted.
    session.draw();
    this.changed();
  }

  /** @param {Pin} pin */
  remove(pin) {
    this.session.remember(`pin ${pin.number} was removed`);
    this.list.remove(pin);
    this.session.announce(`Pin ${pin.number} removed; z brings it back.`);
    this.changed();
  }

  clear() {
    const count = this.list.length;
    if (!count) return;
    this.session.remember(count === 1 ? "a pin was removed" : `${count} pins were removed`);
    this.list.clear();
    this.session.announce("All pins removed; z brings them back.");
    this.changed();
  }

  /** @param {Pin} pin @param {number} by */
  move(pin, by) {
    const before = this.session.kept;
    if (!this.list.move(pin, by)) return;
    this.session.past.remember("a pin was moved", before);
    this.session.announce(`Pin ${pin.number} is now ${this.list.pins.indexOf(pin) + 1} of ${this.list.length}.`);
    this.changed();
  }

  /** The same places of what is shown now, each behind its pin. @param {Pin[]} pins */
  again(pins) {
    const { session, list } = this, before = session.kept, asked = [];
    for (const pin of pins) {
      const { x, y } = pin, added = list.add(this.bare({ x, y, t: this.frameOf(pin) }, pin), { behind: pin });
      if (added) asked.push(added.number);
    }
    if (asked.length) session.past.remember(asked.length === 1 ? "a pin was asked again" : "pins were asked again", before);
    session.announce(asked.length ? `Asked again: ${asked.length === 1 ? "pin" : "pins"} ${asked.join(", ")}.` : "These places are pinned already.");
    session.draw();
    this.changed();
  }

  /** Pins of something else than is shown. */
  get foreign() { return this.list.pins.filter((pin) => !sameOf(pin, this.of)); }

  /** Show a pin as it was pinned: its place, and what it is of. @param {Pin} pin */
  go(pin) {
    const { session } = this, { open } = session, now = this.of, t = this.frameOf(pin);
    if (!open) return;
    session.scene.film.stop();
    session.remember("the query was moved");
    session.frame = t;
    session.pointed.hold({ x: pin.x, y: pin.y, t });
    session.news = `Pin ${pin.number}.`;
    session.look.direction = pin.direction;
    session.layers.letGo();
    session.layers.head = pin.head ?? null;
    if (pin.model !== now.model || pin.sampling !== now.sampling) {
      const source = { ...withModel(open.source, pin.model, session.ownModel), ...(pin.sampling ? { spacetime: true, ...sampled(pin.sampling) } : {}) };
      session.openSource(source, `Going to pin ${pin.number}`, pin.block);
    } else if (pin.block !== now.block) session.choosing.chooseBlock(pin.block);
    else session.shown();
  }

  /** Answer the pins that came with a link or without their block, as far as that is here now; fetch what is not. */
  fill() {
    const { session } = this, { open } = session, now = this.of;
    if (!open) return;
    let some = false;
    for (const pin of this.list.pins) {
      if (pin.answer || pin.model !== now.model || pin.sampling !== now.sampling) continue;
      pin.answer = this.answer(pin, { x: pin.x, y: pin.y, t: this.frameOf(pin) });
      some ||= pin.answer !== null;
      if (!open.blocks.has(pin.block) && open.picture.blocks.includes(pin.block)) this.fetch(pin.block);
    }
    if (some) session.draw();
  }

  /** A block, once a picture, without showing it. @param {string} name */
  fetch(name) {
    const { open, desk } = this.session;
    if (!open) return;
    if (this.fetched.of !== open.picture) this.fetched = { of: open.picture, names: [] };
    if (this.fetched.names.includes(name)) return;
    this.fetched.names.push(name);
    desk.openBlock(open.source, name);
  }

  /** The row of a block that the browser does not hold, for the first pin that waits for one. */
  wantRow() {
    const { session } = this, { open } = session, now = this.of;
    const pin = this.list.pins.find((one) => !one.answer && one.model === now.model && one.sampling === now.sampling
      && open?.blocks.get(one.block)?.holds(one.direction) === false);
    const block = pin && open?.blocks.get(pin.block);
    if (pin && block) session.wantRow(block, { x: pin.x, y: pin.y, t: this.frameOf(pin) }, pin.direction, pin.head ?? null);
  }

  /** The list is another one. */
  changed() {
    this.draw();
    this.session.said();
  }

  draw() {
    const { session } = this, now = this.of;
    if (!session.open) return;
    const asks = new Set(this.foreign.map((pin) => askWords(pin, now)));
    session.scene.drawPins(this.cards, asks.size > 1 ? "what is shown" : [...asks].join(), session.frame, session.look);
  }

  /** The marks alone. */
  mark() { this.session.scene.markPins(this.cards, this.session.frame); }

  /** What is shown of each pin. @returns {import("./parts/pincards.js").Card[]} */
  get cards() {
    const now = this.of;
    return this.list.pins.map((pin) => {
      const t = this.frameOf(pin);
      return { pin, t, place: pinPlace(pin, t), of: ofWords(pin, now), foreign: !sameOf(pin, now), ask: askWords(pin, now) };
    });
  }
}
