// A page as HTML: its idea, its question, and behind the answer what there is to see and to try.

import { LETTERS, questionHtml } from "./asking.js";
import { marked } from "./figures.js";
import { formulasHtml } from "./formulas.js";
import { isEven } from "../core/grading.js";
import { placesOf } from "../core/tongue.js";
import { PAGES } from "./pages.js";
import { COUNTING, dividedBy, formOf, keyOf, knownOf, textHtml } from "./texts.js";

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {import("../pages.js").At} At */
/** @typedef {import("../pages.js").Figures} Figures */

/** @param {Lesson} lesson @param {At | null} at null: what the page is about is not here */
export function articleHtml(lesson, at) {
  const { page, number } = lesson, { name } = page;
  const head = `<header class="nlv-pagehead"><p class="nlv-pagecount">${lesson.say("lesson.count", { page: String(number), pages: String(PAGES.length) })}</p>
    <h2 tabindex="-1">${lesson.say(`${name}.title`)}</h2><p class="nlv-idea">${marked(lesson.say(at ? keyOf(at, "idea") : `${name}.idea`))}</p></header>`;
  if (!at) return `${head}${waitingHtml(lesson)}${footHtml(lesson)}`;
  const { revealed } = at, before = page.before?.(at) || {};
  return `${head}${formHtml(at)}<p class="nlv-text">${textHtml(lesson, keyOf(at, "intro"), before)}</p>${page.lead?.(at) || ""}${askHtml(at, before)}
    ${revealed ? foundHtml(at, before) : page.body?.(at) || ""}${footHtml(lesson)}`;
}

/** A page that is about softmax, over a block that has none: it says so, and where the forms are compared. @param {At} at */
function formHtml(at) {
  const { lesson } = at, number = PAGES.findIndex(({ name }) => name === "cousins") + 1;
  if (!lesson.page.softmax || !formOf(at)) return "";
  const door = lesson.say("form.door", { page: String(number), title: lesson.say("cousins.title") });
  return `<p class="nlv-text nlv-form" role="note">${lesson.say("form.says", { what: dividedBy(at) })}
    <button type="button" class="nlv-button nlv-plain" data-act="page" data-page="${number}" data-here="1">${door}</button></p>`;
}

/** Words of others as HTML. @param {string} words */
const textOf = (words) => words.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);

/** @param {Lesson} lesson */
function waitingHtml(lesson) {
  const { open, choosing } = lesson.session, here = open && !choosing.aim && (lesson.own || lesson.atStart || lesson.elsewhere);
  if (choosing.aim?.sending) {
    return `<p class="nlv-text nlv-soft" role="status">${lesson.say("lesson.sending", { file: textOf(choosing.aim.file || "") })}</p>`;
  }
  if (here || choosing.aim || !open) return `<p class="nlv-text nlv-soft" role="status">${lesson.say(here ? "lesson.toobig" : "lesson.opening")}</p>`;
  // Somebody gave up waiting, or the server refused.
  return `<p class="nlv-text" role="status">${lesson.say("lesson.missing")}</p>
    <p><button type="button" class="nlv-button nlv-strong" data-act="retry">${lesson.say("asking.again")}</button></p>`;
}

/** The question; where there is none for this picture, only a way on. @param {At} at @param {Figures} before */
function askHtml(at, before) {
  const { lesson, revealed } = at, question = lesson.page.ask?.(at) || null;
  lesson.frame.asks = question ? question.kind : "none";
  if (question) return questionHtml(at, "ask", question, textHtml(lesson, question.key || (question.own ? `${lesson.page.name}.ask.own` : keyOf(at, "ask")), before), lesson.state.ask);
  if (revealed || !lesson.page.ask) return "";
  const why = reasonOf(at);
  return `<section class="nlv-ask" data-question="none"><p class="nlv-soft">${textHtml(lesson, why, before)}</p>
    <p class="nlv-askdeeds"${why === COUNTING ? " hidden" : ""}><button type="button" class="nlv-button nlv-strong" data-act="show" data-of-question="ask">${lesson.say("asking.on")}</button></p></section>`;
}

/** Why a page asks nothing here. @param {At} at */
function reasonOf(at) {
  const { lesson: { page, tongue } } = at, own = `${page.name}.none`;
  return page.none?.(at) ?? (at.lesson.veils && isEven(at.row) ? "asking.even" : tongue.has(own) ? own : "asking.none");
}

/** What is there behind the answer. @param {At} at @param {Figures} before */
function foundHtml(at, before) {
  const { lesson } = at, { page } = lesson, { name } = page, figures = { ...before, ...page.facts?.(at) }, check = page.check?.(at) || null;
  const more = lesson.tongue.has(`${name}.more`) ? `<p class="nlv-text nlv-soft">${textHtml(lesson, knownOf(lesson, keyOf(at, "more"), figures), figures)}</p>` : "";
  const after = knownOf(lesson, page.after?.(at) || keyOf(at, "after"), figures);
  return `<div class="nlv-found">${lesson.tongue.has(after) ? `<p class="nlv-text nlv-after">${textHtml(lesson, after, figures)}</p>` : ""}
    ${page.body?.(at) || ""}
    <div class="nlv-formulas">${formulasHtml(at)}</div>${more}
    ${check ? questionHtml(at, "check", check, textHtml(lesson, check.own ? `${name}.check.own` : keyOf(at, "check"), figures), lesson.state.check) : ""}
    ${check && lesson.state.check ? `<p class="nlv-text">${textHtml(lesson, check.own ? `${name}.why.own` : keyOf(at, "why"), figures)}</p>` : ""}
    ${oftenHtml(lesson, figures)}<p class="nlv-paper">${lesson.say(`${name}.paper`)}</p></div>`;
}

/** What people ask and get wrong. @param {Lesson} lesson @param {Figures} figures */
function oftenHtml(lesson, figures) {
  const { name } = lesson.page, letters = [...LETTERS.toLowerCase()].filter((letter) => lesson.tongue.has(`${name}.often.${letter}`));
  if (!letters.length) return "";
  // An answer whose number is not of this picture has a wording without it.
  const answer = (/** @type {string} */ key) => (lesson.tongue.has(`${key}.own`) && placesOf(lesson.say(key)).some((place) => figures[place] === undefined)
    ? `${key}.own` : key);
  const one = (/** @type {string} */ letter) => `<dt>${textHtml(lesson, `${name}.often.${letter}`, figures)}</dt>
    <dd>${textHtml(lesson, answer(`${name}.often.${letter}.answer`), figures)}</dd>`;
  return `<details class="nlv-often"${lesson.memo.often ? " open" : ""}><summary data-act="often">${lesson.say("lesson.often")}</summary><dl>${letters.map(one).join("")}</dl></details>`;
}

/** @param {Lesson} lesson */
function footHtml(lesson) {
  const { number, own, session } = lesson, next = PAGES[number];
  const button = (/** @type {string} */ act, /** @type {string} */ words, /** @type {string} */ look = "") => `<button type="button" class="nlv-button ${look}" data-act="${act}">${words}</button>`;
  const upload = session.open?.source.upload, look = lesson.state.revealed ? "nlv-strong" : "";
  return `<div class="nlv-pagefoot"><p class="nlv-turns">${number > 1 ? button("prev", `\u2190 ${lesson.say("lesson.prev")}`) : ""}
    ${next ? button("next", `${lesson.say("lesson.next", { title: lesson.say(`${next.name}.title`) })} \u2192`, look) : button("explore", lesson.say("lesson.done"), look)}</p>
    <p class="nlv-ways">${own || upload || lesson.elsewhere ? button("back", lesson.say("lesson.back"), "nlv-plain") : ""}${button("own", lesson.say("lesson.own"), "nlv-plain")}
    ${button("explore", lesson.say("lesson.explore"), "nlv-plain")}${button("present", lesson.say(lesson.presenting ? "lesson.unpresent" : "lesson.present"), "nlv-plain")}
    ${button("print", lesson.say("lesson.print"), "nlv-plain")}</p></div>`;
}
