// The page's own sentences in another language: English is what they are known by. A sentence with numbers is known
// by its pattern; what stands in a place of it is said in the other language, too, where that is known.

/** bare: it has no words of its own, so it is one only of parts that are known.
 * @typedef {{ known: RegExp, names: string[], said: string, bare: boolean }} Pattern */

/** Of the keys of a words file: those of the page itself. */
export const OF_PAGE = "page.";
/** So many sentences are remembered. */
const KEPT_PHRASES = 2000;
const DEEPEST = 8;

export class Phrases {
  /** @param {Record<string, string>} english @param {Record<string, string>} other by the same keys */
  constructor(english, other) {
    /** @type {Map<string, string>} */
    this.exact = new Map();
    /** @type {Pattern[]} */
    this.patterns = [];
    /** @type {Map<string, string>} */
    this.kept = new Map();
    const pages = Object.entries(english).filter(([key]) => key.startsWith(OF_PAGE) && other[key]);
    // The pattern that says most itself is tried first.
    pages.sort(([, a], [, b]) => b.replace(/\{\w+\}/g, "").length - a.replace(/\{\w+\}/g, "").length);
    for (const [key, sentence] of pages) {
      if (sentence.includes("{")) this.patterns.push({ ...patternOf(sentence), said: other[key] });
      else this.exact.set(sentence, other[key]);
    }
    // A list is told apart before a pattern takes all of it for the place at its end.
    this.patterns.sort((a, b) => Number(b.bare) - Number(a.bare));
  }

  /** A text in the other language; as it is where nobody knows it. Spaces round it stay. @param {string} text */
  say(text) {
    const kept = this.kept.get(text);
    if (kept !== undefined) return kept;
    const plain = text.replace(/\s+/g, " ").trim(), found = plain && this.find(plain, 0);
    const said = found ? text.slice(0, text.search(/\S/)) + found + text.slice(text.trimEnd().length) : text;
    if (this.kept.size >= KEPT_PHRASES) this.kept.clear();
    this.kept.set(text, said);
    return said;
  }

  /** @param {string} plain @param {number} depth @returns {string | null} */
  find(plain, depth) {
    const exact = this.exact.get(plain);
    if (exact !== undefined) return exact;
    if (depth > DEEPEST || !/[A-Za-z]{2}/.test(plain)) return null;
    for (const { known, names, said, bare } of this.patterns) {
      const match = known.exec(plain);
      // What stands in a place is never more than a sentence.
      if (!match || match.slice(1).some((value) => /\. [A-Z]/.test(value))) continue;
      const found = names.map((_, i) => this.find(match[i + 1], depth + 1));
      if (bare && found.includes(null)) continue;
      const values = Object.fromEntries(names.map((name, i) => [name, found[i] ?? match[i + 1]]));
      return said.replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }
    // Several sentences in a row.
    const parts = plain.split(/(?<=[.:]) (?=[A-Z])/);
    if (parts.length < 2) return null;
    const said = parts.map((part) => this.find(part, depth + 1));
    return said.some(Boolean) ? said.map((one, i) => one ?? parts[i]).join("") : null;
  }
}

/** @param {string} sentence */
function patternOf(sentence) {
  const names = [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  const text = sentence.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("(.+?)");
  return { known: new RegExp(`^${text}$`), names, bare: !/[A-Za-z]/.test(sentence.replace(/\{\w+\}/g, "")) };
}
