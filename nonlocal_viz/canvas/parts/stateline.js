// The line at the picture: whether what is shown is a preview or held, what can be done about it, and one
// sentence that is no failure.

import { one, say } from "./elements.js";

/** @typedef {{ pin: () => void, undo: () => void, letGo: () => void }} Listener */

export class StateLine {
  /** @param {HTMLElement} root @param {Listener} on */
  constructor(root, on) {
    this.line = one(root, ".nlv-state");
    this.words = one(this.line, ".nlv-statewords");
    this.more = one(this.line, ".nlv-statemore");
    this.letGo = /** @type {HTMLButtonElement} */ (one(root, '[data-do="letgo"]'));
    this.undo = /** @type {HTMLButtonElement} */ (one(root, '[data-do="undo"]'));
    this.box = one(root, ".nlv-note");
    this.sentence = one(this.box, "span");
    one(root, '[data-do="pin"]').addEventListener("click", () => on.pin());
    this.undo.addEventListener("click", () => on.undo());
    this.letGo.addEventListener("click", () => on.letGo());
    one(root, '[data-do="closenote"]').addEventListener("click", () => this.note(""));
  }

  /** @param {ReturnType<typeof import("../core/held.js").stateWords>} now
   * @param {boolean} held @param {string} undo what can be undone, "" if nothing */
  show({ state, words, more }, held, undo) {
    this.line.dataset.pointed = state;
    say(this.words, words);
    say(this.more, more);
    // A button that is not to be pressed keeps its place.
    this.letGo.disabled = !held;
    this.undo.disabled = !undo;
    this.undo.title = undo ? `Undo: ${undo} (z)` : "";
  }

  /** @param {string} words "" for none */
  note(words) {
    say(this.sentence, words);
    this.box.hidden = !words;
  }
}
