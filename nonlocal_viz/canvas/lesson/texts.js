// The sentences of a page, with its numbers in them.

import { placesOf } from "../core/tongue.js";
import { liveHtml, marked, outputHtml } from "./figures.js";

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {import("../pages.js").At} At */
/** @typedef {import("../pages.js").Figures} Figures */

/** What a question needs is not here yet. */
export const COUNTING = "asking.counting";

/** One pixel is no pixels. */
const ONE_OF_SEVERAL = /(<output [^>]*>1<\/output> (?:pixel|frame|cell|key|row|place))s\b/g;

/** How scores become weights where that is no softmax; "" where it is one. @param {At} at @returns {"" | "count" | "sum"} */
export function formOf({ affinity: { pairwise: { normalise } } }) { return normalise === "softmax" ? "" : normalise; }

/** What scores are divided by there, in words. @param {At} at */
export const dividedBy = (at) => at.lesson.say(`form.${formOf(at) || "count"}`);

/** A sentence with its numbers; what is not known yet has a place. @param {Lesson} lesson @param {string} key @param {Figures} figures */
export function textHtml(lesson, key, figures) {
  const sentence = lesson.say(key);
  const values = Object.fromEntries(placesOf(sentence).map((name) => [name, placeHtml(name, figures[name])]));
  const said = marked(lesson.say(key, values));
  return lesson.tongue.now === "en" ? said.replace(ONE_OF_SEVERAL, "$1") : said;
}

/** @param {string} name @param {number | string | import("../pages.js").Figure | undefined} given undefined: not known yet */
const placeHtml = (name, given) => (given === undefined ? liveHtml(name)
  : typeof given === "string" ? given : outputHtml(name, given));

/** The key of a text: where this is not what the page starts from, the one that names no facts of that. @param {At} at @param {string} name */
export function keyOf(at, name) {
  const { lesson, neutral } = at, key = `${lesson.page.name}.${name}`, own = `${key}.own`, form = formOf(at);
  const formed = form ? [`${key}.form.${form}`, `${key}.form`].find((one) => lesson.tongue.has(one)) : undefined;
  return lesson.page.key?.(at, name) ?? formed ?? (neutral && lesson.tongue.has(own) ? own : key);
}

/** A text, or the one that does without the numbers that are not known, or not yet. @param {Lesson} lesson @param {string} key @param {Figures} figures */
export function knownOf(lesson, key, figures) {
  const plain = `${key}.plain`;
  return lesson.tongue.has(plain) && placesOf(lesson.say(key)).some((place) => figures[place] === undefined) ? plain : key;
}
