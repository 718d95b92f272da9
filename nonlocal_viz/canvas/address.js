// The address of the window: what is shown, while it changes. Only the first canvas of a page has it, and where
// a page may not change its address (a file, a frame without one) nothing is lost but that.

import { NAMES } from "./core/link.js";

/** Milliseconds between two changes of the address: browsers refuse more than a hundred in half a minute. */
const PAUSE = 400;
/** Milliseconds after a step back or forth in which nothing is said. */
const STEPS = 250;

export class Address {
  /** @param {boolean} ours @param {(asked: URLSearchParams) => void} onBack somebody went back or forth */
  constructor(ours, onBack) {
    this.ours = ours;
    /** What it asks of the first picture. */
    this.first = new URLSearchParams(ours ? location.search : "");
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** What it is to say next. @type {(() => URLSearchParams | null) | null} */
    this.due = null;
    /** What stands behind the "#", where that is ours, too. @type {(() => string) | null} */
    this.behind = null;
    if (ours) addEventListener("popstate", () => { this.quiet(); onBack(new URLSearchParams(location.search)); });
  }

  /** The address that says this; names of others stay in it. @param {URLSearchParams} query */
  of(query) {
    const url = new URL(location.href);
    for (const name of NAMES) url.searchParams.delete(name);
    for (const [name, value] of query) url.searchParams.append(name, value);
    return this.behindOf(url);
  }

  /** The same with what stands behind the "#"; the language, and whose picture a page is about, are then said there. @param {URL} url */
  behindOf(url) {
    if (!this.behind) return url;
    for (const name of ["lang", "here"]) url.searchParams.delete(name);
    url.hash = this.behind();
    return url;
  }

  /** Say it, now or in a moment: of what changes meanwhile only the last is said. @param {() => URLSearchParams | null} query */
  say(query) {
    this.due = query;
    if (this.timer) return;
    this.flush();
    this.rest();
  }

  /** Somebody goes back or forth: what was to be said is of the entry that is left, and a browser drops a further step that meets a change, so
   * that nothing is said for a moment. */
  quiet() {
    this.due = null;
    this.rest(STEPS);
  }

  /** What is said from now on waits, and of all of it the last is said. */
  rest(pause = PAUSE) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.due) this.say(this.due);
    }, pause);
  }

  /** Say what is due. */
  flush() {
    const query = this.due && this.due();
    this.due = null;
    if (query) this.write("replaceState", query);
  }

  /** An entry of its own, so that Back goes back to what was shown before. @param {URLSearchParams} query */
  push(query) {
    this.due = null;
    this.write("pushState", query);
  }

  /** @param {"replaceState" | "pushState"} how @param {URLSearchParams} query */
  write(how, query) {
    const url = this.of(query);
    if (!this.ours || url.href === location.href) return;
    try { history[how](history.state, "", url); } catch { /* a page that may not, or not so often */ }
  }
}
