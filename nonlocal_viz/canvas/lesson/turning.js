// From page to page: what a page starts from is opened, what the next one needs is fetched while this one is read.

import { sourceAsked } from "../core/link.js";
import { modelOf, sameView } from "../core/source.js";
import { restore } from "../restoring.js";
import { PAGES } from "./pages.js";
import { addressOf, plainPlace } from "./place.js";

export class Turning {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) { this.lesson = lesson; }

  /** @param {number} number 1..; 0: the tool itself @param {boolean} [here] whether the page is to be about what is open */
  to(number, here = false) {
    const { lesson } = this;
    if (number === lesson.number || number < 0 || number > PAGES.length) return;
    this.settle();
    this.leave(number, here);
    lesson.entries.say(true);
    this.quietly(() => { if (here || !number) lesson.session.shown(); else this.arrive(); });
    // What had the focus is no longer to be seen.
    if (number) lesson.frame.focusTitle();
    else lesson.session.scene.stage.picture.focus({ preventScroll: true });
  }

  /** What was to be said of the page that is left is said in its own entry, while the address is still its own. */
  settle() { this.lesson.session.address.flush(); }

  /** What comes now is said in the entry that is there. @param {() => void} come */
  quietly(come) {
    const { lesson } = this, { session } = lesson;
    session.returning = true;
    come();
    // Until what the page is about is here, nothing of another picture's map is to be seen.
    if (lesson.on && !lesson.ready) session.draw();
    // A model or block that is on its way for it, too.
    if (session.choosing.aim) session.returning = true;
  }

  /** A page from its start, for the handout: it makes no entry. @param {number} number @param {string} door "" for none */
  open(number, door) {
    this.leave(number, false, door ? { door } : {});
    this.quietly(() => this.arrive());
  }

  /** Somebody went back or forth to a page, or wrote its address. @param {import("./place.js").Asked} asked @param {URLSearchParams} query */
  back({ lesson: number, card, here }, query) {
    const { lesson } = this, { session } = lesson, known = card && Object.hasOwn(PAGES[Math.max(1, number) - 1].doors || {}, card);
    this.leave(number, here, known ? { door: card } : {});
    // The tool's own picture is the session's affair.
    this.quietly(() => { if (number) this.bring(lesson.entries.first(query)); else session.draw(); });
    if (number) lesson.frame.focusTitle();
  }

  /** Open what an address of this page says. @param {URLSearchParams} asked */
  bring(asked) {
    const { lesson } = this, { session } = lesson, source = sourceAsked(asked);
    lesson.written = 0;
    if (!source) return;
    if (session.open && sameView(session.open.source, source)) {
      session.drop();
      restore(session, asked, session.open.picture);
      this.choose(asked.get("block") || "");
    } else session.openSource(source, lesson.say("lesson.opening"), asked.get("block") || lesson.start.block, asked);
    if (lesson.written !== lesson.number) lesson.render();
  }

  /** Another state of the same page, as an entry of its own. @param {string} door */
  goThrough(door) {
    const { lesson } = this;
    this.settle();
    this.leave(lesson.number, false, { door });
    lesson.entries.say(true);
    this.quietly(() => this.arrive());
  }

  /** From what is shown to a page, where nothing is chosen yet. @param {number} number @param {boolean} [here] @param {Record<string, any>} [memo] */
  leave(number, here = false, memo = {}) {
    const { lesson } = this;
    if (lesson.number) lesson.page.left?.(lesson);
    // What went wrong on one page is not of the next.
    if (number !== lesson.number) lesson.session.notice.show("");
    lesson.marks.clear();
    lesson.memo = memo;
    lesson.elsewhere = here;
    lesson.place = plainPlace();
    lesson.session.look.direction = "row";
    lesson.number = number;
    lesson.frame.show();
  }

  /** Open what the page starts from; a photo of one's own stays. @param {boolean} [own] */
  arrive(own = this.lesson.own) {
    const { lesson } = this, { session, start } = lesson, { open } = session, source = lesson.startSource;
    lesson.written = 0;
    if (start.direction) session.look.direction = start.direction;
    if (own && open) {
      const model = modelOf(open.source, session.ownModel), wanted = start.model || session.ownModel;
      session.drop();
      if (model !== wanted) session.choosing.chooseModel(wanted);
      else this.choose(start.block);
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
    const { session } = this.lesson;
    session.drop();
    session.pointed.start({ x: Number(asked.get("x")), y: Number(asked.get("y")), t: Number(asked.get("frame") || 0) }, true);
    session.frame = session.pointed.resting.t;
    this.choose(asked.get("block") || "");
  }

  /** Show a block of the picture that is open, where it has it. @param {string} block */
  choose(block) {
    const { session } = this.lesson, { open } = session;
    if (open && open.block.name !== block && open.picture.blocks.includes(block)) session.choosing.chooseBlock(block);
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
