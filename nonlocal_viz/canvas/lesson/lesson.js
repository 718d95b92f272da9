// The lesson: pages of one idea each, over the one photo of the canvas. It leads the session as its guest: it says
// what may be seen, what pointing means, and hears what was drawn.

import { answerTo } from "../core/answer.js";
import { discRadius } from "../core/grading.js";
import { paintOf } from "../core/look.js";
import { modelOf } from "../core/source.js";
import { Tongue } from "../core/tongue.js";
import { all, one, say } from "../parts/elements.js";
import { answerQuestion, hearArticle, moveSlider } from "./deeds.js";
import { Data } from "./data.js";
import { Entries } from "./entries.js";
import { articleHtml } from "./article.js";
import { Frame } from "./frame.js";
import { Keyboard } from "./keyboard.js";
import { Lateness } from "./lateness.js";
import { Marks } from "./marks.js";
import { PAGES } from "./pages.js";
import { Aiming } from "./aiming.js";
import { Print } from "./print.js";
import { placeAsked, plainPlace, pointOf } from "./place.js";
import { Rewording } from "./rewording.js";
import { Turning } from "./turning.js";
import { figure } from "./figures.js";

/** @typedef {import("../core/answer.js").Answer} Answer */
/** @typedef {import("../core/answer.js").Point} Point */
/** @typedef {import("../pages.js").At} At */
/** @typedef {import("../pages.js").Given} Given */
/** @typedef {import("../pages.js").Start} Start */
/** @typedef {{ ask: Given | null, check: Given | null, revealed: boolean }} Done what was answered on a page */

export class Lesson {
  /** @param {import("../session.js").Session} session */
  constructor(session) {
    this.session = session;
    const asked = placeAsked(location.hash, location.search);
    this.tongue = new Tongue(session.config.words, navigator.language);
    /** Which page; 0: none, the tool itself. */
    this.number = asked.lesson;
    this.presenting = asked.present;
    this.tapped = matchMedia("(hover: none)").matches;
    /** A key that the page opens with, and what was revealed when the link was made. */
    this.asked = asked;
    /** Where the page rests: the key, the channel, the marker, sliders of questions. */
    this.place = plainPlace();
    /** @type {Record<string, Done>} */
    this.done = {};
    /** @type {Record<string, any>} */
    this.memo = asked.card && Object.hasOwn(this.page.doors || {}, asked.card) ? { door: asked.card } : {};
    /** Whether the page is about the picture that is open, whatever its own would be. */
    this.elsewhere = asked.here;
    /** Numbers that are on the page, by name. @type {Record<string, number>} */
    this.numbers = {};
    /** What a pass over all rows of a block found; null while it goes on. @type {WeakMap<import("../core/answer.js").Block,
     * import("../core/sums.js").Sweep | null>} */
    this.swept = new WeakMap();
    this.drawn_ = "";
    /** The page that is written, with what it is about; 0: none. */
    this.written = 0;
    this.data = new Data(session, () => this.render());
    this.marks = new Marks(session.scene.stage);
    this.frame = new Frame(this);
    this.lateness = new Lateness(this);
    this.rewording = new Rewording(session.root);
    this.print = new Print(this);
    this.aiming = new Aiming(this);
    this.turning = new Turning(this);
    this.entries = new Entries(this, asked);
    hearArticle(this);
    this.keyboard = new Keyboard(this);
    session.guest = this;
    session.scene.lesson.door = true;
    if (this.number) session.asked = this.entries.first(session.asked);
    this.frame.show();
    this.rewording.speak(this.tongue);
  }

  get page() { return PAGES[Math.max(1, this.number) - 1]; }
  get on() { return this.number > 0; }

  /** Whether people look at a photo of their own, or are about to. */
  get own() { return Boolean(this.session.choosing.next?.source.upload); }

  /** A sentence; in its wording for fingers, where it has one and there is no pointer that hovers.
   * @param {string} key @param {Record<string, string>} [values] */
  say(key, values) { return this.tongue.say(this.tapped && this.tongue.has(`${key}.touch`) ? `${key}.touch` : key, values); }

  // What is shown, and what may be.

  /** The state that the page starts from: of its photo, else of what people opened. @returns {Start} */
  get start() { return (this.memo.door && this.page.doors?.[this.memo.door]) || this.page.start; }

  get startSource() {
    const { start, session } = this, model = start.model && start.model !== session.ownModel ? { model: start.model } : {};
    return { example: start.example, ...model };
  }

  /** @returns {Partial<Point>} */
  get begin() { return this.on && this.session.open?.source.example === this.start.example ? pointOf(this.start) : {}; }

  /** Whether what is open is what the page starts from. */
  get atStart() {
    const { session: { open }, start } = this;
    return Boolean(open && open.source.example === start.example && open.block.name === start.block
      && modelOf(open.source, this.session.ownModel) === (start.model || this.session.ownModel));
  }

  /** What was answered on this page, of this picture. @returns {Done} */
  get state() {
    const { open } = this.session, key = `${this.page.name} ${this.memo.door || ""} ${open?.source.example || ""} ${open?.source.upload || ""}`;
    return (this.done[key] ||= { ask: null, check: null, revealed: !this.page.ask });
  }

  /** Whether the row is not to be seen yet: its page's question is open, or its page is not there yet. */
  get veiled() {
    if (!this.on || !this.session.open) return false;
    return !this.ready || (this.veils && !this.state.revealed);
  }

  /** Whether the page, or its card, hides the row until its question is answered. */
  get veils() { return typeof this.page.veil === "function" ? this.page.veil(this) : this.page.veil; }

  /** Whether what the page is about is here. */
  get ready() {
    const { session: { open, choosing } } = this;
    return Boolean(open && !choosing.aim && (this.own || this.atStart || this.elsewhere) && open.block.affinity);
  }

  /** What a page is told, of the query it rests on or of one that is pointed at. @param {Point} point @returns {At | null} */
  at(point = this.session.pointed.resting) {
    const { session: { open, pointed }, start } = this, answer = open && open.block.affinity && answerTo(open.block, point, "row");
    if (!open || !answer || !open.block.affinity) return null;
    const grid = open.block.queries, first = grid.find(start.x, start.y, start.frame || 0),
      resting = grid.find(pointed.resting.x, pointed.resting.y, pointed.resting.t);
    return {
      lesson: this, block: open.block, affinity: open.block.affinity, queries: grid, keys: open.block.keys, q: answer.index, point,
      row: Float32Array.from(answer.weights), size: open.picture, neutral: !this.atStart || resting !== first, revealed: this.state.revealed,
      memo: this.memo, got: this.got(open),
    };
  }

  /** What the server sent for the page so far. @param {import("../session.js").Open} open @returns {Record<string, any>} */
  got({ source, block }) {
    return Object.fromEntries(Object.entries(this.page.needs?.(block, this.session.pointed.resting, this.memo) || {}).map(([name, question]) => [name,
      this.data.get(source, block.name, question)]));
  }

  /** How weights are painted. @param {boolean} signed @param {number} top */
  paint(signed, top) { return paintOf(this.session.look, signed, top); }

  /** Write a number that follows the pointer. @param {string} name @param {number | import("../pages.js").Figure} given */
  put(name, given) {
    const { value, text } = figure(given);
    for (const element of all(this.frame.article, `output[data-num="${name}"]`)) {
      if (element.textContent !== text) element.textContent = text;
      element.dataset.value = String(value);
    }
    this.numbers[name] = value;
  }

  // What is said of where one is.

  /** Somebody went back or forth. @param {URLSearchParams} query @returns {boolean} whether what opens is a page's affair */
  returned(query) { return this.entries.returned(query); }

  /** @param {string} language */
  speak(language) {
    this.tongue.now = this.tongue.nearest(language);
    this.spoken();
    this.entries.say();
  }

  /** @param {import("../core/patience.js").Trouble | null} why @param {boolean} seen */
  late(why, seen) { this.lateness.hear(why, seen); }

  nextLanguage() { this.speak(this.tongue.next); }

  /** Everything in another language. */
  spoken() {
    this.frame.show();
    this.rewording.speak(this.tongue);
    this.render();
  }

  /** Larger type, and nothing beside the page. */
  present() {
    this.presenting = !this.presenting;
    this.frame.show();
    this.session.scene.stage.fit();
    this.entries.say();
  }

  // What the session tells.

  /** Something was drawn, or would have been. @param {Answer | null} answer null: under the veil */
  drawn(answer) {
    this.entries.checkPicture();
    this.entries.tell();
    if (!this.on) return;
    const { session: { open, pointed } } = this, { x, y, t } = pointed.resting;
    const now = [open?.source.example, open?.source.upload, modelOf(open?.source || null, ""), open?.block.name, open?.block.asked("row").find(x, y, t),
      this.ready].join();
    if (now !== this.drawn_) {
      this.drawn_ = now;
      this.render();
    }
    if (this.ready) this.live(answer);
  }

  /** What follows the pointer. @param {Answer | null} answer */
  live(answer) {
    const { page, session } = this, at = this.at(this.aiming.at("query") ? session.pointed.shown : session.pointed.resting);
    if (!at) return;
    this.mark(at);
    this.frame.crumbs(at);
    if (!at.revealed && this.veils) return;
    page.draw?.(at, this.frame.article);
    const paint = answer && session.look.direction === "row" ? page.paint?.(at) : null;
    if (!paint || !answer) return;
    const scale = this.say(`painted.${session.look.colourScale}`), name = this.say("painted.name", { what: this.say(paint.what || "painted.weight"), scale });
    session.scene.drawInstead(answer, paint, this.paint(paint.signed, paint.top), session.peek ?? session.frame, session.look, name);
  }

  /** Marks on the photo: the marker, the letters of choices, the key. @param {At} at */
  mark(at) {
    this.page.marks?.(at);
    const { place } = this, shows = place.key !== null && this.state.revealed;
    this.marks.guess(place.marker, discRadius(at.size));
    this.session.scene.stage.markKey(shows ? at.keys.rect(/** @type {number} */ (place.key)) : null);
  }

  /** What the address asked of the page, once. @param {At} at */
  heedFirst(at) {
    const { asked, place, start } = this, ours = asked.lesson === this.number;
    const keyAt = (/** @type {[number, number]} */ [x, y]) => at.keys.find(x, y, at.point.t);
    if (place.key === null && start.key && this.atStart) place.key = keyAt(start.key);
    const wanted = ours && asked.key ? keyAt(asked.key) : -1;
    if (wanted >= 0) place.key = place.kept = wanted;
    else if (ours && (asked.key || asked.keyOdd)) this.entries.miss("key", asked.key ? asked.key.join(",") : asked.keyOdd);
    if (ours && asked.seen) this.state.revealed = true;
    this.asked = { ...asked, seen: false, key: null, keyOdd: "" };
    at.revealed = this.state.revealed;
  }

  /** The page anew: words, question, what was answered. */
  render() {
    if (!this.on) return;
    const at = this.ready ? this.at() : null, { frame } = this;
    if (at) this.heedFirst(at);
    this.written = at ? this.number : 0;
    frame.write(articleHtml(this, at), this.session.open?.block || null, at ? this.page.plan?.(at) : {});
    this.lateness.show();
    const shown = all(frame.article, "output[data-value]").filter(({ dataset }) => dataset.value);
    this.numbers = Object.fromEntries(shown.map(({ dataset }) => [dataset.num || "", Number(dataset.value)]));
    this.marks.clear();
    if (!at) { frame.noCrumbs(); return; }
    frame.letters(at);
    this.turning.lookAhead();
    this.live(this.session.answer);
  }

  /** What was asked for did not come, or nobody waits for it any more. */
  settled() {
    if (!this.on || this.ready) return;
    this.session.draw();
    this.render();
  }

  /** Pointing, as the session tells it; true: it is ours. @param {Point} point */
  preview(point) { return this.aiming.preview(point); }
  /** @param {Point} point */
  hold(point) { return this.aiming.hold(point); }
  gone() { this.aiming.gone(); }
  /** @param {number} dh @param {number} dw */
  move(dh, dw) { return this.aiming.move(dh, dw); }

  /** Answer a question of the page, or see it answered. @param {"ask" | "check"} id @param {any} given null: to be shown */
  answer(id, given) { answerQuestion(this, id, given); }

  /** @param {HTMLInputElement} input */
  slide(input) { moveSlider(this, input); }

  /** To those who hear the page, and in sight. @param {string} words */
  tell(words) { say(one(this.session.root, "p.nlv-spoken"), words); }

  /** For tests and scripts, read-only. */
  get shown() {
    const { ask, check, revealed } = this.state;
    return {
      page: this.on ? this.page.name : null, number: this.number, pages: PAGES.length, lang: this.tongue.now, ready: this.on && this.ready,
      idle: this.data.idle && (!this.session.open || this.swept.get(this.session.open.block) !== null),
      numbers: { ...this.numbers }, veiled: this.veiled, answer: ask && { ...ask }, check: check && { ...check }, revealed, score: ask && ask.score,
      key: revealed ? this.place.key : null, channel: this.place.channel, own: this.own, neutral: this.on ? (this.at()?.neutral ?? null) : null,
      state: { x: this.session.pointed.resting.x, y: this.session.pointed.resting.y, t: this.session.pointed.resting.t,
        block: this.session.open?.block.name ?? null },
    };
  }
}
