// A field for the name of a network that is not on the list. Only who runs the page on their own machine has it.

import { HEADS } from "../core/words-heads.js";
import { one, say } from "./elements.js";

export class OpenModel {
  /** @param {HTMLElement} root @param {boolean} offered @param {(name: string) => void} onOpen */
  constructor(root, offered, onOpen) {
    const details = /** @type {HTMLDetailsElement} */ (one(root, ".nlv-openmodel")), field = /** @type {HTMLInputElement} */ (one(details, "input"));
    details.hidden = !offered;
    say(one(details, "summary"), HEADS.openModel);
    say(one(details, "button"), HEADS.openModelGo);
    say(one(details, "p"), HEADS.openModelHint);
    field.placeholder = HEADS.openModelExample;
    field.setAttribute("aria-label", HEADS.openModelField);
    one(details, "form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = field.value.trim();
      if (name) onOpen(name);
    });
  }
}
