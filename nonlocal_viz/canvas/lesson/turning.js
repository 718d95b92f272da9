// From page to page: what a page starts from is opened, what the next one needs is fetched while this one is read.

import { modelOf, sameView } from "../core/source.js";
import { PAGES } from "./pages.js";
import { addressOf, plainPlace } from "./place.js";

export class Turning {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) { this.lesson = lesson; }

  /** @param {number} number 1..; 0: the tool itself @param {boolean} [entry] whether Back is to come back to what is shown now
   * @param {boolean} [here] whether the page is to be about what is open */
  to(number, entry = true, here = false) {
    const { lesson } = this, had = lesson.number;
    if (number === had || number < 0 || number > PAGES.length) return;
    this.leave();
    lesson.number = number;
    lesson.elsewhere = here;
    lesson.frame.show();
    if (here) lesson.session.shown();
    else if (number) this.arrive();
    else lesson.session.shown();
    if (entry) lesson.say_(true);
    if (number) lesson.frame.focusTitle();
  }

  /** Another state of the same page. @param {string} door */
  goThrough(door) {
    this.leave();
    this.lesson.memo.door = door;
    this.arrive();
  }

  leave() {
    const { lesson } = this;
    if (lesson.number) lesson.page.left?.(lesson);
    lesson.marks.clear();
    lesson.memo = {};
    lesson.elsewhere = false;
    lesson.place = plainPlace();
    lesson.session.look.direction = "row";
  }

  /** Open what the page starts from; a photo of one's own stays. @param {boolean} [own] */
  arrive(own = this.lesson.own) {
    const { lesson } = this, { session, start } = lesson, { open } = session, source = lesson.startSource;
    lesson.written = 0;
    if (start.direction) session.look.direction = start.direction;
    if (own && open) {
      const model = modelOf(open.source, session.ownModel), wanted = start.model || session.ownModel;
      if (model !== wanted) session.choosing.chooseModel(wanted);
      else if (open.block.name !== start.block && open.picture.blocks.includes(start.block)) session.choosing.chooseBlock(start.block);
      lesson.render();
      session.draw();
      return;
    }
    const asked = new URLSearchParams(addressOf(start)), ahead = lesson.data.picture(source, start.block);
    if (open && sameView(open.source, source)) this.resume(asked);
    else if (ahead) {
      session.turn++;
      session.desk.forget();
      session.asked = asked;
      session.desk.on.view(ahead.view, ahead.factors);
    } else session.openSource(source, lesson.say("lesson.opening"), start.block, asked);
    // What was at hand has been drawn by now, and its page written.
    if (lesson.written !== lesson.number) lesson.render();
  }

  /** The picture is there: its point and block. @param {URLSearchParams} asked */
  resume(asked) {
    const { session } = this.lesson, { open } = session, block = asked.get("block") || "";
    session.pointed.start({ x: Number(asked.get("x")), y: Number(asked.get("y")), t: Number(asked.get("frame") || 0) }, true);
    session.frame = session.pointed.resting.t;
    if (open && open.block.name !== block) session.choosing.chooseBlock(block);
    else session.shown();
  }

  /** The next page's picture and tensors, while this one is read. */
  lookAhead() {
    const { lesson } = this, { session, data } = lesson, next = PAGES[lesson.number];
    if (!next || lesson.own || session.desk.looking) return;
    const { start } = next, source = { example: start.example, ...(start.model && start.model !== session.ownModel ? { model: start.model } : {}) };
    data.ahead(source, start.block);
    const block = /** @type {any} */ ({ name: start.block });
    for (const question of Object.values(next.needs?.(block, { x: start.x, y: start.y, t: start.frame || 0 }, {}) || {})) data.get(source, start.block,
      question);
  }
}
