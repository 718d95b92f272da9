// What people do on a page, and what follows.

import { modelOf } from "../core/source.js";
import { all, one } from "../parts/elements.js";
import { allMatched, enough, graded, guessText, spokenResult } from "./asking.js";

/** @typedef {import("./lesson.js").Lesson} Lesson */

/** @type {Record<string, (lesson: Lesson, element: HTMLElement) => void>} */
const ACTS = {
  explore: (lesson) => lesson.turning.to(0),
  lesson: (lesson) => { if (!lesson.on) lesson.turning.to(1); },
  page: (lesson, element) => lesson.turning.to(Number(element.dataset.page), element.dataset.here === "1"),
  next: (lesson) => lesson.turning.to(lesson.number + 1),
  prev: (lesson) => lesson.turning.to(lesson.number - 1),
  language: (lesson) => lesson.nextLanguage(),
  present: (lesson) => lesson.present(),
  print: (lesson) => lesson.print.start(),
  own: (lesson) => one(lesson.session.root, 'input[type="file"]').click(),
  back: (lesson) => {
    const { door } = lesson.memo;
    lesson.turning.leave(lesson.number, false, door ? { door } : {});
    lesson.turning.arrive(false);
  },
  retry: (lesson) => { lesson.turning.quietly(() => lesson.turning.arrive()); lesson.render(); },
  now: (lesson) => lesson.session.desk.again(),
  often: (lesson) => { lesson.memo.often = !lesson.memo.often; },
  door: (lesson, element) => lesson.turning.goThrough(element.dataset.door || ""),
  choose: (lesson, element) => lesson.answer(questionOf(element), Number(element.dataset.choice)),
  show: (lesson, element) => lesson.answer(questionOf(element), null),
  answer: (lesson, element) => giveAnswer(lesson, questionOf(element)),
  again: (lesson, element) => askAnew(lesson, questionOf(element)),
  means: (lesson, element) => { lesson.place.means = element.dataset.means === "key" ? "key" : "query"; lesson.render(); },
};

/** @param {HTMLElement} element @returns {"ask" | "check"} */
const questionOf = (element) => (element.dataset.ofQuestion === "check" ? "check" : "ask");

/** @param {Lesson} lesson */
export function hearArticle(lesson) {
  const { root } = lesson.session;
  root.addEventListener("click", (event) => {
    const element = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-act]"));
    if (!element) return;
    if (element.tagName === "A") event.preventDefault();
    act(lesson, element.dataset.act || "", element);
  });
  root.addEventListener("input", (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (input.dataset?.slide) lesson.slide(input);
    if (input.dataset?.match !== undefined) matchOne(lesson, input);
  });
  for (const kind of /** @type {const} */ (["pointerover", "focusin"])) {
    root.addEventListener(kind, (event) => {
      if (!lesson.on) return;
      const element = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest?.("[data-of]"));
      lesson.frame.light(element ? element.dataset.of || "" : "");
    });
  }
}

/** @param {Lesson} lesson @param {string} name @param {HTMLElement} element */
function act(lesson, name, element) {
  if (Object.hasOwn(ACTS, name)) { ACTS[name](lesson, element); return; }
  const at = lesson.at();
  if (at) lesson.page.act?.(at, name, element);
}

/** @param {Lesson} lesson @param {"ask" | "check"} id */
function giveAnswer(lesson, id) {
  const at = lesson.at(), question = at && (id === "ask" ? lesson.page.ask?.(at) : lesson.page.check?.(at));
  if (!at || !question) return;
  if (question.kind === "where") {
    if (lesson.place.marker) lesson.answer(id, lesson.place.marker);
    else lesson.tell(lesson.say("asking.where", { pass: enough() }));
  } else if (question.kind === "number") lesson.answer(id, lesson.place.sliders[id] ?? 0.3);
  else if (question.kind === "match" && allMatched(question.left, lesson.place.matched)) {
    lesson.answer(id, question.left.map((_, i) => lesson.place.matched[i]));
  }
}

/** One of a match is chosen, or none again. @param {Lesson} lesson @param {HTMLInputElement} input */
function matchOne(lesson, input) {
  const { frame: { article }, place: { matched } } = lesson, id = questionOf(input);
  matched[input.dataset.match || ""] = input.value === "" ? -1 : Number(input.value);
  const selects = all(article, `select[data-of-question="${id}"]`);
  /** @type {HTMLButtonElement} */ (one(article, `[data-act="answer"][data-of-question="${id}"]`)).disabled = !allMatched(selects.map(String), matched);
}

/** A question once more, without what was answered. @param {Lesson} lesson @param {"ask" | "check"} id */
function askAnew(lesson, id) {
  lesson.state[id] = null;
  lesson.place.matched = {};
  lesson.render();
  /** @type {HTMLElement | null} */ (lesson.frame.article.querySelector(`[data-question="${id}"] select`))?.focus();
}

/** @param {Lesson} lesson @param {"ask" | "check"} id @param {any} given null: to be shown without an answer */
export function answerQuestion(lesson, id, given) {
  const at = lesson.at(), { state } = lesson;
  if (!at || state[id]) return;
  const question = (id === "ask" ? lesson.page.ask?.(at) : lesson.page.check?.(at)) || null;
  if (question) state[id] = graded(at, question, given);
  if (id === "ask") state.revealed = true;
  const result = state[id], { session } = lesson;
  session.root.classList.add("nlv-fresh");
  setTimeout(() => session.root.classList.remove("nlv-fresh"), 450);
  lesson.render();
  session.draw();
  lesson.render();
  lesson.entries.say();
  if (result && question) lesson.tell(spokenResult(at, question, result));
  /** @type {HTMLElement | null} */ (lesson.frame.article.querySelector(`[data-result="${id}"]`))?.focus({ preventScroll: true });
}

/** @param {Lesson} lesson @param {HTMLInputElement} input */
export function moveSlider(lesson, input) {
  const at = lesson.at(), name = input.dataset.slide || "", value = Number(input.value);
  if (!at) return;
  if (name !== "guess") { lesson.page.slide?.(at, name, value); return; }
  const id = questionOf(input), question = id === "ask" ? lesson.page.ask?.(at) : lesson.page.check?.(at);
  lesson.place.sliders[id] = value;
  if (question?.kind !== "number") return;
  const words = guessText(value, question.low, question.high);
  one(lesson.frame.article, `[data-guess="${id}"]`).textContent = words;
  input.setAttribute("aria-valuetext", words);
}

/** Which model looks. @param {Lesson} lesson */
export const modelNow = ({ session }) => modelOf(session.open && session.open.source, session.ownModel);
