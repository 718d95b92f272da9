// Rows that were kept to compare. A pin is an answer with weights of its own, since a block reuses its array.

/** @typedef {import("./answer.js").Answer} Answer */

/** As many as fit under a picture. */
export const MOST_PINS = 8;

export class PinList {
  constructor() {
    /** @type {Answer[]} */
    this.pins = [];
  }

  get length() { return this.pins.length; }

  /** Keep an answer, once; the oldest pin makes room. @param {Answer} answer @returns {boolean} whether it is new */
  add(answer) {
    const known = this.pins.some((p) => p.index === answer.index && p.block === answer.block && p.direction === answer.direction);
    if (known) return false;
    if (this.pins.length >= MOST_PINS) this.pins.shift();
    this.pins.push({ ...answer, weights: answer.weights.slice() });
    return true;
  }

  /** @param {Answer} pin */
  remove(pin) { this.pins = this.pins.filter((other) => other !== pin); }

  clear() { this.pins = []; }

  /** The same questions, answered anew; those without an answer go. @param {(pin: Answer) => Answer | null} ask */
  askAgain(ask) {
    const old = this.pins;
    this.pins = [];
    for (const pin of old) {
      const answer = ask(pin);
      if (answer) this.add(answer);
    }
  }

  /** The pins of a block and direction. @param {import("./answer.js").Block | null} block @param {import("./answer.js").Direction} direction */
  of(block, direction) { return this.pins.filter((pin) => pin.block === block && pin.direction === direction); }
}
