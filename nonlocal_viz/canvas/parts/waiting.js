// What is waited for, over the picture where people look, and for downloads beside their buttons. A wait of
// more than a second has a bar and a Cancel.

import { one, say } from "./elements.js";

/** @typedef {import("../core/waited.js").Work} Work */
/** @typedef {{ again: () => void, stop: () => void, stopSaves: () => void }} Listener */

/** Milliseconds before a wait gets its bar. */
const SHORT = 1000;

/** One place that says what is being done. */
class Progress {
  /** @param {HTMLElement} root @param {string} words where they stand */
  constructor(root, words) {
    this.root = root;
    this.words = one(root, words);
    this.meter = one(root, ".nlv-meter");
    this.fill = one(this.meter, "i");
    this.cancel = one(root, "[data-stop]");
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Work | null} work */
  show(work) {
    if (!work) {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.root.classList.toggle("long", false);
    } else if (!this.timer) this.timer = setTimeout(() => this.root.classList.toggle("long", true), SHORT);
    const done = work ? work.done : null;
    this.meter.classList.toggle("unknown", done === null);
    this.fill.style.width = done === null ? "" : `${Math.round(100 * done)}%`;
    if (done === null) this.meter.removeAttribute("aria-valuenow");
    else this.meter.setAttribute("aria-valuenow", String(Math.round(100 * done)));
  }
}

export class Waits {
  /** @param {HTMLElement} root @param {Listener} on */
  constructor(root, on) {
    this.box = one(root, ".nlv-busy");
    this.look = new Progress(this.box, '[data-text="busy"]');
    this.save = new Progress(one(root, ".nlv-working"), '[data-text="working"]');
    this.count = one(this.box, ".nlv-count");
    /** What is said until the server says more. */
    this.begun = this.look.words.textContent || "";
    one(this.box, '[data-do="again"]').addEventListener("click", () => on.again());
    this.look.cancel.addEventListener("click", () => on.stop());
    this.save.cancel.addEventListener("click", () => on.stopSaves());
    addEventListener("online", () => on.again());
  }

  /** @param {string} words */
  begin(words) {
    this.begun = words;
    say(this.look.words, words);
  }

  /** @param {import("../core/waited.js").Waiting} waiting */
  show({ look, save, trouble }) {
    this.box.classList.toggle("trouble", trouble !== null);
    this.look.show(look);
    this.save.show(save);
    say(this.look.words, trouble ? trouble.words : (look && look.words) || this.begun);
    // Not a part of what is spoken: it changes every second.
    say(this.count, trouble ? nextTry(trouble.seconds) : "");
    say(this.save.words, save ? save.words || "Writing the file" : "");
    this.save.root.hidden = !save;
  }
}

/** @param {number} seconds */
const nextTry = (seconds) => (seconds > 0 ? `Trying again in ${seconds} s` : "Trying again");
