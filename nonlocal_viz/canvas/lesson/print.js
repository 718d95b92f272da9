// The handout: all pages on paper, with the photo that is open, the questions without answers, the answers last. Every
// page is opened once for it, so that each number is that of its tensors.

import { make } from "../parts/elements.js";
import { onPaper } from "./handout.js";
import { PAGES } from "./pages.js";
import { placeAsked } from "./place.js";

/** Milliseconds: how often a page is looked at whether it is there, and how long it may take. */
const PRINT_LOOK = 60;
const PRINT_LONGEST = 20_000;

/** What is printed: every page, and of one with cards each of them. */
const LEAVES = PAGES.flatMap(({ doors }, i) => Object.keys(doors || { "": null }).map((door) => ({ number: i + 1, door })));

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
      for (const { number, door } of LEAVES) {
        lesson.turning.open(number, door);
        await until(() => lesson.ready && lesson.number === number);
        lesson.state.revealed = true;
        lesson.render();
        lesson.session.draw();
        await until(() => this.full);
        const at = lesson.at();
        if (at) leaves.push(onPaper(at, `${location.origin}${location.pathname}#lesson=${number}${door && `&card=${door}`}&lang=${lesson.tongue.now}`));
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
