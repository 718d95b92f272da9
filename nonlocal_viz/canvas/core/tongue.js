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
  }

  /** The language that is here for one that is wanted. @param {string} wanted */
  nearest(wanted) {
    const plain = wanted.toLowerCase().split("-")[0];
    return Object.hasOwn(this.tongues, plain) ? plain : "en";
  }

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

/** The names of the places of a sentence. @param {string} sentence */
export const placesOf = (sentence) => [...sentence.matchAll(PLACE)].map(([, name]) => name);
