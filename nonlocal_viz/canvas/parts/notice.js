// One sentence about what went wrong: it can be closed, and goes when the next thing works.

import { one, say } from "./elements.js";

export class Notice {
  /** @param {HTMLElement} root @param {() => void} left where the focus goes when the sentence is closed */
  constructor(root, left) {
    this.box = one(root, ".nlv-notice");
    this.words = one(root, ".nlv-error");
    const close = () => { this.show(""); left(); };
    one(this.box, "button").addEventListener("click", close);
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      // The page's own Escape is for what is pinned.
      event.stopPropagation();
      close();
    });
  }

  /** @param {string} words "" for none */
  show(words) {
    say(this.words, words);
    this.box.hidden = this.words.hidden = !words;
  }
}
