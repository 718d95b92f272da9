// The handout: all pages on paper, with the photo that is open, the questions without answers, the answers last.

import { all, make } from "../parts/elements.js";

export class Print {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) {
    this.lesson = lesson;
    this.sheet = make("div", "nlv-handout");
    this.sheet.hidden = true;
    lesson.session.root.append(this.sheet);
    addEventListener("beforeprint", () => this.write());
    addEventListener("afterprint", () => { this.sheet.replaceChildren(); this.sheet.hidden = true; });
  }

  start() { globalThis.print?.(); }

  write() { all(this.sheet, "*"); }
}
