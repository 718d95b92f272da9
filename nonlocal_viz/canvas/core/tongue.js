// The language that a canvas speaks: sentences by key, from a words file, with the numbers put in. A language is
// one file of canvas/lesson/words; what it lacks is said in English.

/** @typedef {Record<string, Record<string, string>>} Tongues {language: {key: sentence}} */

/** What a language calls itself. */
export const OWN_NAME = "language";
const PLACE = /\{(\w+)\}/g;

export class Tongue {
  /** @param {Tongues} tongues @param {string} [wanted] a language as browsers name it: "zh", "zh-CN" */
  constructor(tongues, wanted = "en") {
    this.tongues = tongues;
    this.now = this.nearest(wanted);
    /** What is spoken to whoever asks for none. */
    this.own = this.now;
  }

  /** The language that is here for one that is wanted. @param {string} wanted */
  nearest(wanted) { return this.knows(wanted) ? plainly(wanted) : "en"; }

  /** Whether a language is here. @param {string} wanted */
  knows(wanted) { return Object.hasOwn(this.tongues, plainly(wanted)); }

  /** [code, what it calls itself] of each. @returns {[string, string][]} */
  get all() { return Object.entries(this.tongues).map(([code, words]) => [code, words[OWN_NAME] || code]); }

  /** The next language, around. */
  get next() {
    const codes = Object.keys(this.tongues);
    return codes[(codes.indexOf(this.now) + 1) % codes.length];
  }

  /** @param {string} key */
  has(key) { return key in (this.tongues[this.now] || {}) || key in (this.tongues.en || {}); }

  /** @param {string} key @param {Record<string, string>} [values] by the names of their places */
  say(key, values = {}) {
    const sentence = this.tongues[this.now]?.[key] ?? this.tongues.en?.[key] ?? key;
    return sentence.replace(PLACE, (place, name) => (Object.hasOwn(values, name) ? values[name] : place));
  }
}

/** A language without its country: browsers write "zh-CN", systems "zh_CN". @param {string} wanted */
const plainly = (wanted) => wanted.toLowerCase().split(/[-_]/)[0];

/** The names of the places of a sentence. @param {string} sentence */
export const placesOf = (sentence) => [...sentence.matchAll(PLACE)].map(([, name]) => name);
