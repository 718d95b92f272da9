// A question of a page: how it is asked, how it is answered, and what is said then.

import { gradedPlace, nearNumber, onLog, PASS } from "../core/grading.js";
import { figure, outputHtml, share } from "./figures.js";

/** @typedef {import("../pages.js").At} At */
/** @typedef {import("../pages.js").Question} Question */
/** @typedef {import("../pages.js").Given} Given */

/** How much is enough for a marker. */
export const enough = () => `${Math.round(100 * PASS)}\u202f%`;

/** What stands before the choices, and on the photo where they are places. */
export const LETTERS = "ABCDEFGH";

/** What a choice says that is a place with a letter. @param {import("./lesson.js").Lesson} lesson @param {number} i */
export const letteredPlace = (lesson, i) => lesson.say("asking.place", { letter: LETTERS[i] });

/** A question as HTML, with its answer where one was given. @param {At} at @param {string} id ask or check @param {Question} question @param {string} words
 * @param {Given | null} given */
export function questionHtml(at, id, question, words, given) {
  const { lesson } = at, inner = { which: whichHtml, where: whereHtml, number: numberHtml, match: matchHtml }[question.kind];
  const name = lesson.say(id === "ask" ? "asking.predict" : "asking.check");
  return `<section class="nlv-ask" data-question="${id}" aria-labelledby="nlv-${id}"><h3 class="nlv-askname">${name}</h3>
    <p class="nlv-askwords" id="nlv-${id}">${words}</p>${inner(at, /** @type {any} */ (question), given, id)}
    ${given ? "" : `<p class="nlv-askdeeds">${deedsHtml(at, question, id)}</p>`}
    <div class="nlv-result" data-result="${id}" tabindex="-1">${given ? resultHtml(at, id, question, given) : ""}</div></section>`;
}

/** @param {At} at @param {Question} question @param {string} id */
function deedsHtml({ lesson }, question, id) {
  const waits = (question.kind === "match" && !allMatched(question.left, lesson.place.matched)) || (question.kind === "where" && !lesson.place.marker)
    ? " disabled" : "";
  const answer = question.kind === "which" ? "" : `<button type="button" class="nlv-button nlv-strong" data-act="answer" data-of-question="${id}"${waits}>${lesson.say("asking.answer")}</button>`;
  return `${answer} <button type="button" class="nlv-button nlv-plain" data-act="show" data-of-question="${id}">${lesson.say("asking.show")}</button>`;
}

/** @param {At} at @param {Question & { kind: "which" }} question @param {Given | null} given @param {string} id */
function whichHtml({ lesson }, { options, right }, given, id) {
  return `<div class="nlv-options" role="group" aria-labelledby="nlv-${id}">${options.map(({ words, value, text, row }, i) => {
    const marks = given ? `${i === right ? " right" : ""}${i === given.given ? " mine" : ""}` : "";
    const known = given && value !== undefined ? `<span class="nlv-known">${outputHtml(`${id}${i}`, text ? { value, text } : value)}</span>` : "";
    const said = given ? `<span class="nlv-heard">${i === right ? lesson.say("asking.isright") : ""}${i === given.given ? lesson.say("asking.yours") : ""}</span>` : "";
    return `<button type="button" class="nlv-option${marks}" data-act="choose" data-of-question="${id}" data-choice="${i}"${given ? " disabled" : ""}>
      <b>${LETTERS[i]}</b>${row ? `<canvas data-option="${i}" aria-hidden="true"></canvas>` : ""}<span>${words}</span>${known}${said}</button>`;
  }).join("")}</div>`;
}

/** @param {At} at */
function whereHtml({ lesson }) { return `<p class="nlv-soft">${lesson.say("asking.where", { pass: enough() })}</p>`; }

/** @param {At} at @param {Question & { kind: "number" }} question @param {Given | null} given @param {string} id */
function numberHtml({ lesson }, { truth, low, high }, given, id) {
  // Who asked to be shown has guessed nothing.
  if (given && given.given === null) return "";
  const at = given ? given.given ?? Math.log(truth / low) / Math.log(high / low) : lesson.place.sliders[id] ?? 0.3;
  return `<p class="nlv-number"><label>${lesson.say("asking.number")}
    <input type="range" min="0" max="1" step="0.005" value="${at}" data-slide="guess" data-of-question="${id}"${given ? " disabled" : ""}></label>
    <b class="nlv-guess" data-guess="${id}">${guessText(at, low, high)}</b></p>`;
}

/** What a slider says. @param {number} at 0..1 @param {number} low @param {number} high */
export function guessText(at, low, high) {
  const value = onLog(at, low, high);
  return value < 10 ? value.toPrecision(2) : String(Math.round(value));
}

/** @param {At} at @param {Question & { kind: "match" }} question @param {Given | null} given @param {string} id */
function matchHtml({ lesson }, { left, right }, given, id) {
  const order = [2, 0, 3, 1].filter((i) => i < right.length), { matched } = lesson.place;
  const chosen = (/** @type {number} */ i) => (given ? given.given?.[i] : matched[i]);
  // What was shown without an answer has no signs: nobody was right or wrong.
  const sign = (/** @type {number} */ i) => (given?.given ? (chosen(i) === i ? "\u2713" : "\u2717") : "");
  const known = (/** @type {number} */ i) => `<span class="nlv-matched${chosen(i) === i ? " right" : ""}"><span class="nlv-sign" aria-hidden="true">${sign(i)}</span>
    ${chosen(i) === i ? lesson.say("asking.right") : `${lesson.say("asking.isright")} <b>${right[i]}</b>`}</span>`;
  return `${given ? "" : `<p class="nlv-soft">${lesson.say("asking.each")}</p>`}<div class="nlv-match">${left.map((one, i) => `<div><label><span>${one}</span>
    <select data-match="${i}" data-of-question="${id}"${given ? " disabled" : ""}>
    <option value="">${lesson.say("asking.choose")}</option>${order.map((k) => `<option value="${k}"${chosen(i) === k ? " selected" : ""}>${right[k]}</option>`).join("")}
    </select></label>${given ? known(i) : ""}</div>`).join("")}</div>`;
}

/** Whether each has been given one. @param {string[]} left @param {Record<string, number>} matched */
export const allMatched = (left, matched) => left.every((_, i) => matched[i] >= 0);

/** @param {At} at @param {string} id @param {Question} question @param {Given} given */
function resultHtml({ lesson }, id, question, { given, pass, score }) {
  const shown = given === null, head = lesson.say(shown ? "asking.shown" : pass ? "asking.right" : "asking.wrong");
  const sign = shown ? "" : `<span class="nlv-sign" aria-hidden="true">${pass ? "\u2713" : "\u2717"}</span>`;
  let more = "";
  if (question.kind === "where" && !shown) more = lesson.say("asking.scored", { score: outputHtml(`${id}Score`, share(score)), pass: enough() });
  if (question.kind === "number") more = lesson.say("asking.truth", { truth: outputHtml(`${id}Truth`, question.truth) });
  const again = question.kind === "match" && !pass ? `<button type="button" class="nlv-button nlv-plain" data-act="again" data-of-question="${id}">${lesson.say("asking.again")}</button>` : "";
  return `<p class="${shown ? "" : pass ? "pass" : "fail"}">${sign}<b>${head}</b> ${more} ${again}</p>`;
}

/** The score of what was given. @param {At} at @param {Question} question @param {any} given null: shown without an answer @returns {Given} */
export function graded(at, question, given) {
  if (given === null) return { given, pass: false, score: 0 };
  if (question.kind === "which") return { given, pass: given === question.right, score: given === question.right ? 1 : 0 };
  if (question.kind === "number") {
    const pass = nearNumber(onLog(given, question.low, question.high), question.truth);
    return { given, pass, score: pass ? 1 : 0 };
  }
  if (question.kind === "match") {
    const right = question.left.filter((_, i) => given[i] === i).length;
    return { given, pass: right === question.left.length, score: right / question.left.length };
  }
  return { given, ...gradedPlace(at.row, at.keys, at.size, given, at.point.t) };
}

/** What is spoken when an answer was given. @param {At} at @param {Question} question @param {Given} given */
export function spokenResult({ lesson }, question, { given, pass, score }) {
  const head = lesson.say(given === null ? "asking.shown" : pass ? "asking.right" : "asking.wrong");
  if (question.kind === "where" && given !== null) return `${head} ${lesson.say("asking.scored", { score: share(score).text, pass: enough() })}`;
  if (question.kind === "which") {
    return `${head} ${lesson.say("asking.isright")} ${[LETTERS[question.right], plain(question.options[question.right].words)].filter(Boolean).join(", ")}.`;
  }
  if (question.kind === "match" && !pass) return `${head} ${lesson.say("asking.isright")} ${question.left.map((one, i) => plain(`${one} ${question.right[i]}`)).join(", ")}.`;
  return question.kind === "number" ? `${head} ${lesson.say("asking.truth", { truth: figure(question.truth).text })}` : head;
}

/** @param {string} html */
export const plain = (html) => html.replace(/<[^>]*>/g, "");
