// Places that were kept to compare. They are somebody's work: a list without a limit, in the order its owner
// gives it, each with a number for life. A pin says what it was asked of, and keeps the answer with weights of
// its own, since a block reuses its array; a pin that came with a link has no answer until its block is there.

import { HEADS } from "./words-heads.js";

/** @typedef {import("./answer.js").Answer} Answer */
/** @typedef {{ model: string, sampling: string, block: string, direction: import("./answer.js").Direction, head?: number }} Of
 * sampling: how a clip was sampled; "" of a photo; head: where it is not the mean of the heads */
/** @typedef {Of & { x: number, y: number, time: number, answer: Answer | null }} Bare time: seconds, 0 of a photo */
/** @typedef {Bare & { number: number }} Pin */
/** @typedef {{ pins: Pin[], next: number }} Snapshot */

/** @param {Of} a @param {Of} b */
export const sameOf = (a, b) =>
  a.model === b.model && a.sampling === b.sampling && a.block === b.block && a.direction === b.direction && a.head === b.head;

/** Whether two pins ask the same: of one cell where both are answered, else at one place. @param {Bare} a @param {Bare} b */
function sameQuestion(a, b) {
  if (!sameOf(a, b)) return false;
  return a.answer && b.answer ? a.answer.index === b.answer.index : a.x === b.x && a.y === b.y && Math.abs(a.time - b.time) < 1e-3;
}

export class PinList {
  constructor() {
    /** @type {Pin[]} */
    this.pins = [];
    this.next = 1;
  }

  get length() { return this.pins.length; }

  /** The pin that asks the same. @param {Bare} bare */
  find(bare) { return this.pins.find((pin) => sameQuestion(pin, bare)) || null; }

  /** @param {Bare} bare @param {{ behind?: Pin, number?: number }} [where] behind another, else last; with a number, where it is free
   * @returns {Pin | null} null where there is such a pin */
  add(bare, { behind, number } = {}) {
    if (this.find(bare)) return null;
    const free = number !== undefined && this.pins.every((other) => other.number !== number);
    const pin = { ...bare, number: free ? number : this.next };
    this.next = Math.max(this.next, pin.number + 1);
    this.pins = [...this.pins];
    this.pins.splice(behind ? this.pins.indexOf(behind) + 1 : this.pins.length, 0, pin);
    return pin;
  }

  /** @param {Pin} pin */
  remove(pin) { this.restore({ pins: this.pins.filter((other) => other !== pin), next: this.next }); }

  clear() { this.restore({ pins: [], next: 1 }); }

  /** @param {Pin} pin @param {number} by places; held within the list @returns {boolean} whether it moved */
  move(pin, by) {
    const at = this.pins.indexOf(pin), to = Math.min(Math.max(at + by, 0), this.pins.length - 1);
    if (at < 0 || to === at) return false;
    this.pins = this.pins.filter((other) => other !== pin);
    this.pins.splice(to, 0, pin);
    return true;
  }

  /** @returns {Snapshot} */
  get snapshot() { return { pins: this.pins, next: this.next }; }

  /** Numbers begin anew when nothing has one. @param {Snapshot} snapshot */
  restore({ pins, next }) {
    this.pins = pins;
    this.next = pins.length ? next : 1;
  }
}

/** How the frames of a source are sampled; "" of a photo. @param {import("../protocol.js").Source} source @param {boolean} clip */
export const samplingOf = ({ frames, spacetime }, clip) => (clip ? `${frames || 8}${spacetime === false ? "-" : ""}` : "");

/** And back. @param {string} sampling @returns {{ frames?: number, spacetime?: boolean }} */
export function sampled(sampling) {
  return sampling ? { frames: parseInt(sampling, 10), ...(sampling.endsWith("-") ? { spacetime: false } : {}) } : {};
}

/** What a pin lies on. @param {Pin} pin @param {number} t the frame that is nearest to it */
export const pinPlace = ({ x, y, sampling }, t) => `(${Math.floor(x)}, ${Math.floor(y)})${sampling ? `, frame ${t}` : ""}`;

/** What a pin is of; the block always, the rest where it differs from what is shown. @param {Pin} pin @param {Of} shown */
export function ofWords({ model, sampling, block, direction, head }, shown) {
  const foreign = block !== shown.block || model !== shown.model;
  return [
    `${foreign ? "of " : ""}${block}${model === shown.model ? "" : ` of ${model}`}`,
    ...(head === shown.head && head === undefined ? [] : [HEADS.short(head)]),
    ...(direction === shown.direction ? [] : [direction]),
    ...(sampling === shown.sampling ? [] : [samplingWords(sampling)]),
  ].join(", ");
}

/** What is asked where a pin is asked again: what is shown, as far as the pin differs. @param {Of} pin @param {Of} shown */
export function askWords(pin, shown) {
  const differs = (/** @type {keyof Of} */ name) => pin[name] !== shown[name];
  return [...(differs("model") ? [shown.model] : []), ...(differs("block") ? [shown.block] : []),
    ...(differs("head") ? [HEADS.asked(shown.head)] : []), ...(differs("direction") ? [`the ${shown.direction}`] : []),
    ...(differs("sampling") ? [samplingWords(shown.sampling)] : [])].join(", ");
}

/** @param {string} sampling */
function samplingWords(sampling) {
  const { frames, spacetime } = sampled(sampling);
  return `${frames} frames${spacetime === false ? ", each by itself" : ""}`;
}
