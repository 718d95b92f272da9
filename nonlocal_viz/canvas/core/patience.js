// How long a question may take, and what follows when it brings nothing: one policy for all of them.
// A question that is in trouble is asked again by itself, after a pause that grows; one that takes longer
// than anybody waits is given up, and that is said.

/** @typedef {"start" | "picture" | "block" | "row" | "field" | "save" | "upload" | "lesson"} Kind */
/** @typedef {"lost" | "full" | "refused"} Trouble */

/** Milliseconds. The server says every 15 seconds that it is still at it: twice that and some is silence. */
export const SILENCE = 40_000;

/** Milliseconds that a question may take in all, however busy the server says it is. @type {Record<Kind, number>} */
export const WHOLE = { start: 600_000, picture: 600_000, block: 600_000, row: 120_000, field: 120_000, save: 1_200_000, upload: 3_600_000, lesson: 120_000 };

/** Milliseconds of the longest pause. */
const LONGEST = 30_000;

/** What is said of each trouble. @type {Record<Trouble, string>} */
export const TROUBLES = {
  lost: "The server does not answer.",
  full: "The server is busy: many people are asking at once.",
  refused: "The server asks who you are. Sign in again in another tab; everything here stays.",
};

/** What is said of what was given up. @param {Kind} kind */
export const gaveUp = (kind) => `The server took longer than ${WHOLE[kind] / 60_000} minutes; try it again, or something smaller.`;

/** Milliseconds before the try after `tries` that failed: 1, 2, 4 ... 30 s, a quarter more or less, so that not
 * everybody comes back at once. @param {number} tries @param {number} chance 0..1 */
export function pauseAfter(tries, chance) {
  return Math.min(LONGEST, 1000 * 2 ** (tries - 1)) * (0.75 + chance / 2);
}

/** The clocks of one question. It is either asked, or pausing before it is asked again, or over. */
export class Patience {
  /** @param {Kind} kind @param {{ ask: () => void, stop: () => void, over: () => void, changed: () => void }} on
   * @param {() => number} [chance] */
  constructor(kind, on, chance = Math.random) {
    this.kind = kind;
    this.on = on;
    this.chance = chance;
    this.tries = 0;
    /** What kept the answer away, until something is heard. @type {Trouble | null} */
    this.trouble = null;
    /** Seconds left of a pause; 0 while it is asked. */
    this.seconds = 0;
    /** @type {Record<string, ReturnType<typeof setTimeout> | undefined>} */
    this.clocks = {};
  }

  /** @param {"silence" | "whole" | "pause"} name @param {number} after @param {() => void} then */
  wind(name, after, then) {
    clearTimeout(this.clocks[name]);
    this.clocks[name] = setTimeout(then, after);
  }

  /** Ask, for the first time or again. */
  begin() {
    this.end();
    this.seconds = 0;
    this.wind("silence", SILENCE, () => this.failed("lost"));
    this.wind("whole", WHOLE[this.kind], () => { this.end(); this.on.stop(); this.on.over(); });
    this.on.ask();
  }

  /** A sign of life. */
  heard() {
    if (this.seconds) return;
    this.wind("silence", SILENCE, () => this.failed("lost"));
    if (!this.trouble) return;
    this.trouble = null;
    this.on.changed();
  }

  /** No answer came, or none will: pause, then ask again. @param {Trouble} why */
  failed(why) {
    this.end();
    this.on.stop();
    this.trouble = why;
    this.seconds = Math.ceil(pauseAfter(++this.tries, this.chance()) / 1000);
    this.count();
  }

  /** Second by second, so that people see how long. */
  count() {
    this.on.changed();
    this.wind("pause", 1000, () => { if (--this.seconds > 0) this.count(); else this.again(); });
  }

  /** The pause is over, by itself or because somebody said so. */
  again() {
    if (!this.trouble || (this.seconds <= 0 && !this.clocks.pause)) return;
    this.begin();
    this.on.changed();
  }

  /** Nothing is waited for any more. */
  end() {
    Object.values(this.clocks).forEach(clearTimeout);
    this.clocks = {};
  }
}
