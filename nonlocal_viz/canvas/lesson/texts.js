// The sentences of a page, with its numbers in them.

import { placesOf } from "../core/tongue.js";
import { liveHtml, marked, outputHtml } from "./figures.js";

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {import("../pages.js").At} At */
/** @typedef {import("../pages.js").Figures} Figures */

/** What a question needs is not here yet. */
export const COUNTING = "asking.counting";

/** A sentence with its numbers; what is not known yet has a place. @param {Lesson} lesson @param {string} key @param {Figures} figures */
export function textHtml(lesson, key, figures) {
  const sentence = lesson.say(key);
  const values = Object.fromEntries(placesOf(sentence).map((name) => [name, placeHtml(name, figures[name])]));
  return marked(lesson.say(key, values));
}

/** @param {string} name @param {number | import("../pages.js").Figure | undefined} given undefined: not known yet */
const placeHtml = (name, given) => (given === undefined ? liveHtml(name) : outputHtml(name, given));

/** The key of a text: where this is not what the page starts from, the one that names no facts of that. @param {At} at @param {string} name */
export function keyOf(at, name) {
  const { lesson, neutral } = at, key = `${lesson.page.name}.${name}`, own = `${key}.own`;
  return lesson.page.key?.(at, name) ?? (neutral && lesson.tongue.has(own) ? own : key);
}

/** A text, or the one that does without the numbers that are not known, or not yet. @param {Lesson} lesson @param {string} key @param {Figures} figures */
export function knownOf(lesson, key, figures) {
  const plain = `${key}.plain`;
  return lesson.tongue.has(plain) && placesOf(lesson.say(key)).some((place) => figures[place] === undefined) ? plain : key;
}
