// The handout: all pages on paper, with the photo that is open, the questions without answers, the answers last. Every
// page is opened once for it, so that each number is that of its tensors.

import { make } from "../parts/elements.js";
import { leafOf, onPaper } from "./handout.js";
import { PAGES } from "./pages.js";
import { placeAsked } from "./place.js";

/** Milliseconds: how often a page is looked at whether it is there, and how long it may take. */
const PRINT_LOOK = 60;
const PRINT_LONGEST = 20_000;

export class Print {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) {
    this.lesson = lesson;
    this.paper = make("div", "nlv-handout");
    lesson.session.root.append(this.paper);
    this.busy = false;
  }

  /** Gather all pages, and print them. */
  async start() {
    if (this.busy) return;
    await this.gather();
    globalThis.print?.();
  }

  async gather() {
    const { lesson, paper } = this, { root } = lesson.session, done = structuredClone(lesson.done), { hash, search } = location, leaves = [];
    this.busy = true;
    root.dataset.gathering = lesson.say("print.gathering");
    lesson.tell(root.dataset.gathering);
    try {
      for (let number = 1; number <= PAGES.length; number++) {
        const parts = [];
        // Of a page with cards each of them.
        for (const door of Object.keys(PAGES[number - 1].doors || { "": null })) parts.push(...await this.part(number, door));
        if (parts.length) leaves.push(leafOf(lesson, parts, `${location.origin}${location.pathname}#lesson=${number}&lang=${lesson.tongue.now}`));
      }
    } finally {
      lesson.done = done;
      lesson.turning.back(placeAsked(hash), new URLSearchParams(search));
      delete root.dataset.gathering;
      this.busy = false;
    }
    paper.innerHTML = `${leaves.map(({ leaf }) => leaf).join("")}<section class="nlv-leaf"><h2>${lesson.say("print.answers")}</h2>
      ${leaves.map(({ answer }) => answer).join("")}</section>`;
  }

  /** A page, or a card of it, as it is printed; nothing where it does not come. @param {number} number @param {string} door */
  async part(number, door) {
    const { lesson } = this;
    lesson.turning.open(number, door);
    await until(() => lesson.ready && lesson.number === number);
    lesson.state.revealed = true;
    lesson.render();
    lesson.session.draw();
    await until(() => this.full);
    const at = lesson.at();
    return at ? [onPaper(at)] : [];
  }

  /** Whether every number of the page and its photo are there. */
  get full() {
    const { frame: { article }, session: { scene: { stage }, frame } } = this.lesson, photo = stage.photos[frame] || stage.photo;
    return photo.complete && photo.naturalWidth > 0 && [...article.querySelectorAll(".nlv-after output, .nlv-text output")].every((one) =>
      /** @type {HTMLElement} */ (one).dataset.value) && (this.lesson.page.name !== "code" || article.querySelector("pre") !== null);
  }
}

/** Wait; a page that does not come is left as far as it is. @param {() => boolean} there @returns {Promise<void>} */
function until(there) {
  return new Promise((resolve) => {
    const last = performance.now() + PRINT_LONGEST;
    const look = () => (there() || performance.now() > last ? resolve() : setTimeout(look, PRINT_LOOK));
    look();
  });
}
