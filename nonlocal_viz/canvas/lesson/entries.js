// The lesson in the address and in the browser's history. A turn of a page, a card, a tab is an entry of its own;
// whatever follows from it (a picture that comes, its block) is said in that entry, so that Back is one step.

import { PAGES } from "./pages.js";
import { addressOf, hashOf, placeAsked } from "./place.js";

/** @typedef {import("./place.js").Asked} Asked */

export class Entries {
  /** @param {import("./lesson.js").Lesson} lesson @param {Asked} asked what the page was opened with */
  constructor(lesson, asked) {
    this.lesson = lesson;
    /** What the address asked for and is not there, until it is told. */
    this.odd = { page: asked.odd, lang: "", key: "", card: "", picture: "" };
    /** The picture that the address named and that is on its way, until it is here. */
    this.named = "";
    this.heedCard(asked);
    this.heedTongue(asked);
    lesson.session.address.behind = () => hashOf(lesson);
    this.heeded = "";
    // An address that is written by hand comes as a step back or forth does, but not in every browser, nor before a picture is here.
    addEventListener("hashchange", () => { if (this.heeded !== location.href) this.heed(placeAsked(location.hash, location.search)); });
  }

  /** The address. @param {boolean} [entry] whether Back is to come back to what was said before */
  say(entry = false) {
    const url = this.lesson.session.address.behindOf(new URL(location.href));
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

  /** @param {Asked} asked */
  heedCard({ card, lesson: number }) {
    if (card && number && !Object.hasOwn(PAGES[number - 1].doors || {}, card)) this.odd.card = card;
  }

  /** Something the address asked of the page is not there: said once, in its place stands the page's own. @param {"key" | "picture"} what
   * @param {string} asked */
  miss(what, asked) {
    this.odd[what] = asked;
    this.tell();
  }

  /** Whether the picture that came is the one that was named; the page's own comes in the place of one that is no longer there. */
  checkPicture() {
    const { lesson, named } = this, { session: { open, choosing } } = lesson;
    if (!named || !open || choosing.aim) return;
    this.named = "";
    if (!lesson.on || named === open.source.upload || named === open.source.example) return;
    this.odd.picture = named;
    lesson.elsewhere = false;
    // When what came has been shown to its end.
    queueMicrotask(() => { if (lesson.on && !choosing.aim) lesson.turning.quietly(() => lesson.turning.arrive(false)); });
  }

  /** Somebody changed the address by hand, or went back or forth. @param {Asked} asked @param {URLSearchParams} [query] of the picture */
  heed(asked, query = new URLSearchParams(location.search)) {
    const { lesson } = this, { session, memo, number } = lesson, card = asked.card || undefined;
    this.heeded = location.href;
    this.odd.page ||= asked.odd;
    this.heedCard(asked);
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
    const { lesson } = this, { start } = lesson, named = asked?.get("example") || asked?.get("upload") || "";
    this.named = "";
    if (asked && this.means(asked, named)) {
      this.named = named;
      return asked;
    }
    if (asked?.get("example") && !lesson.session.config.examples.some(({ name }) => name === named)) this.odd.picture = named;
    lesson.elsewhere = false;
    // A place without a picture is one of the page's own.
    const place = ["x", "y"].flatMap((name) => (asked?.get(name) && !named ? [[name, asked.get(name) || ""]] : []));
    return new URLSearchParams({ ...addressOf(start), ...Object.fromEntries(place) });
  }

  /** Whether an address is about what this page shows. @param {URLSearchParams} asked @param {string} named the picture of it */
  means(asked, named) {
    const { elsewhere, start, session: { ownModel } } = this.lesson, model = asked.get("model") || ownModel;
    if (asked.get("upload") && !asked.get("example")) return true;
    return (elsewhere && named !== "") || (named === start.example && asked.get("block") === start.block && model === (start.model || ownModel));
  }

  /** Say once, where it is seen, what the address asked for and could not have. */
  tell() {
    const { lesson, odd } = this, said = [];
    if (odd.page) said.push(lesson.say("odd.page", { asked: odd.page, page: String(lesson.number) }));
    if (odd.lang) said.push(lesson.say("odd.lang", { asked: odd.lang, language: lesson.say("language") }));
    // Of a picture, once the page's own has come in its place.
    const picture = lesson.atStart && !lesson.session.choosing.aim ? odd.picture : "", own = { ...odd, picture };
    for (const what of /** @type {const} */ (["card", "key", "picture"])) if (own[what]) said.push(lesson.say(`odd.${what}`, { asked: own[what] }));
    this.odd = { page: "", lang: "", key: "", card: "", picture: picture || !lesson.on ? "" : odd.picture };
    if (said.length) lesson.session.note(said.join(" "));
  }
}
