// Why numbers of a page do not come, in its column: the server sends them, and a dash alone does not say that it is silent.

import { make } from "../parts/elements.js";

/** @typedef {import("../core/patience.js").Trouble} Trouble */

/** @type {Record<Trouble, string>} */
const SAID = { lost: "lesson.late", full: "lesson.late.full", refused: "lesson.late.refused" };

export class Lateness {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) {
    this.lesson = lesson;
    /** @type {Trouble | null} */
    this.why = null;
    /** Whether something says so already, and offers to try again. */
    this.seen = false;
  }

  /** @param {Trouble | null} why @param {boolean} seen */
  hear(why, seen) {
    if (why === this.why && seen === this.seen) return;
    this.why = why;
    this.seen = seen;
    this.show();
  }

  /** Whether the page needs what the server has not sent yet. */
  get waits() {
    const { lesson } = this, { open } = lesson.session;
    return Boolean(lesson.written && open && Object.values(lesson.got(open)).includes(null));
  }

  show() {
    const { lesson, why, seen } = this, { frame: { article } } = lesson, box = article.querySelector(".nlv-late");
    if (!why || !this.waits) { box?.remove(); return; }
    const now = box || article.insertBefore(make("p", "nlv-late"), article.querySelector(".nlv-ask, .nlv-found, .nlv-pagefoot"));
    const again = seen ? "" : ` <button type="button" class="nlv-button" data-act="now">${lesson.say("lesson.now")}</button>`, words = `${lesson.say(SAID[why])}${again}`;
    now.setAttribute("role", "status");
    if (now.innerHTML !== words) now.innerHTML = words;
  }
}
