// Keys of the keyboard, and the list of them.

import { make, one } from "./elements.js";

/** @typedef {Record<string, () => void>} Deeds */
/** @typedef {{ label: string, words: string, clip: boolean }} Row of the list */

const KEPT = "nonlocal_viz.letters";

/** Letters work everywhere on a canvas, unless they are switched off; arrows, space and Enter belong to its picture.
 * @param {KeyboardEvent} event @param {Element} picture @param {Deeds} deeds @param {boolean} [letters] @returns {(() => void) | null} */
export function deedOf(event, picture, deeds, letters = true) {
  const target = /** @type {Element} */ (event.target), key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.altKey || target.closest("dialog") || target.matches("select, textarea, input:not([type=checkbox], [type=range])")) return null;
  if (!Object.hasOwn(deeds, key)) return null;
  if (event.ctrlKey || event.metaKey) return key === "z" && !event.shiftKey ? deeds[key] : null;
  return (key.length === 1 && key !== " " ? letters : key === "Escape" || target === picture) ? deeds[key] : null;
}

/** @param {import("./company.js").Company} company @param {Element} picture @param {() => boolean} ready @param {Deeds} deeds
 * @param {() => boolean} letters whether single letters are keys */
export function listenToKeys(company, picture, ready, deeds, letters) {
  document.addEventListener("keydown", (event) => {
    const deed = company.ours(event) && ready() ? deedOf(event, picture, deeds, letters()) : null;
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}

export class KeyList {
  /** @param {HTMLElement} root @param {Row[]} rows */
  constructor(root, rows) {
    const dialog = one(root, ".nlv-keys");
    this.box = /** @type {HTMLInputElement} */ (one(dialog, 'input[data-do="letters"]'));
    this.box.checked = this.letters = remembered();
    this.box.addEventListener("change", () => {
      this.letters = this.box.checked;
      try { localStorage.setItem(KEPT, this.letters ? "on" : "off"); } catch { /* a page that may keep nothing */ }
    });
    one(dialog, "dl").replaceChildren(...rows.flatMap(({ label, words, clip }) => {
      const term = make("dt", clip ? "nlv-cliponly" : ""), meaning = make("dd", clip ? "nlv-cliponly" : "");
      term.textContent = label;
      meaning.textContent = words;
      return [term, meaning];
    }));
  }
}

function remembered() {
  try { return localStorage.getItem(KEPT) !== "off"; } catch { return true; }
}
