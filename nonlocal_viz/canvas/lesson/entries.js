// The lesson in the address and in the browser's history. A turn of a page, a card, a tab is an entry of its own;
// whatever follows from it (a picture that comes, its block) is said in that entry, so that Back is one step.

import { addressOf, hashOf, placeAsked } from "./place.js";

/** @typedef {import("./place.js").Asked} Asked */

export class Entries {
  /** @param {import("./lesson.js").Lesson} lesson @param {Asked} asked what the page was opened with */
  constructor(lesson, asked) {
    this.lesson = lesson;
    /** What the address asked for and is not there, until it is told. */
    this.odd = { page: asked.odd, lang: "" };
    this.heedTongue(asked);
    lesson.session.address.behind = () => hashOf(lesson);
    this.heeded = "";
    // An address that is written by hand comes as a step back or forth does, but not in every browser, nor before a picture is here.
    addEventListener("hashchange", () => { if (this.heeded !== location.href) this.heed(placeAsked(location.hash, location.search)); });
  }

  /** The address. @param {boolean} [entry] whether Back is to come back to what was said before */
  say(entry = false) {
    const { address } = this.lesson.session;
    if (entry) address.flush();
    const url = address.behindOf(new URL(location.href));
    if (url.href === location.href) return;
    try { history[entry ? "pushState" : "replaceState"](history.state, "", url); } catch { /* a page that may not */ }
  }

  /** The language that is asked for, if it is here. @param {Asked} asked @returns {boolean} whether it is another one now */
  heedTongue({ lang }) {
    const { tongue } = this.lesson, before = tongue.now;
    if (lang && tongue.knows(lang)) tongue.now = tongue.nearest(lang);
    else if (lang) this.odd.lang = lang;
    return tongue.now !== before;
  }

  /** Somebody changed the address by hand, or went back or forth. @param {Asked} asked @param {URLSearchParams} [query] of the picture */
  heed(asked, query = new URLSearchParams(location.search)) {
    const { lesson } = this, { session, memo, number } = lesson, card = asked.card || undefined;
    this.heeded = location.href;
    this.odd.page ||= asked.odd;
    if (this.heedTongue(asked)) lesson.spoken();
    lesson.presenting = asked.present;
    if (asked.lesson !== number || (number && card !== memo.door)) {
      lesson.asked = asked;
      lesson.turning.back(asked, query);
    } else if (number) {
      // The same page: its key and what was revealed; its picture is the session's affair.
      lesson.asked = asked;
      lesson.elsewhere = asked.here;
      lesson.place.key = lesson.place.kept = null;
      lesson.drawn_ = "";
    }
    if (asked.odd) this.say();
    if (session.open) this.tell();
  }

  /** Somebody went back or forth. @param {URLSearchParams} query @returns {boolean} whether what opens is a page's affair */
  returned(query) {
    const asked = placeAsked(location.hash, location.search), { number, memo } = this.lesson;
    const turned = asked.lesson !== number || (asked.card || undefined) !== memo.door;
    this.heed(asked, query);
    return turned && asked.lesson > 0;
  }

  /** What opens first: what the address says where it is of this page, else what the page starts from. @param {URLSearchParams | null} asked */
  first(asked) {
    const { lesson } = this, { start, session: { ownModel } } = lesson, model = asked?.get("model") || ownModel;
    const ours = asked?.get("example") === start.example && asked.get("block") === start.block && model === (start.model || ownModel);
    if (asked && (ours || asked.get("upload") || (lesson.elsewhere && asked.get("example")))) return asked;
    lesson.elsewhere = false;
    return new URLSearchParams(addressOf(start));
  }

  /** Say once, where it is seen, what the address asked for and could not have. */
  tell() {
    const { lesson, odd } = this, said = [];
    if (odd.page) said.push(lesson.say("odd.page", { asked: odd.page, page: String(lesson.number) }));
    if (odd.lang) said.push(lesson.say("odd.lang", { asked: odd.lang, language: lesson.say("language") }));
    this.odd = { page: "", lang: "" };
    if (said.length) lesson.session.note(said.join(" "));
  }
}
