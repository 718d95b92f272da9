// Numbers as the lesson shows them; each keeps what it was rounded from.

import { number } from "../core/numbers.js";

/** @typedef {import("../pages.js").Figure} Figure */

/** Three digits that count; whole numbers whole. @param {number | Figure} value @returns {Figure} */
export function figure(value) {
  if (typeof value !== "number") return value;
  return { value, text: trueMinus(Number.isInteger(value) || Math.abs(value) >= 1000 ? grouped(Math.round(value)) : number(value)) };
}

/** @param {string} text of a number */
const trueMinus = (text) => text.replace(/^-/, "\u2212");

/** @param {number} value a whole number */
const grouped = (value) => (Math.abs(value) < 1e4 ? String(value) : value.toLocaleString("en"));

/** A share of 1. @param {number} value @returns {Figure} */
export const share = (value) => ({ value: 100 * value, text: `${number(100 * value)}\u202f%` });

/** @param {number} value @param {number} decimals @returns {Figure} */
export const decimal = (value, decimals) => ({ value, text: value.toFixed(decimals).replace("-", "\u2212") });

/** So many times an even share. @param {number} value @returns {Figure} */
export const timesEven = (value) => ({ value, text: `\u00d7${number(value)}` });

/** Numbers that are combined on the page, at so few decimals that what is shown holds for whoever computes with the digits
 * that are shown. @param {number[]} values @param {(shown: number[], decimals: number) => boolean} holds @returns {Figure[]} */
export function holding(values, holds) {
  for (let decimals = FIGURE_LEAST; ; decimals++) {
    const figures = values.map((v) => decimal(v, decimals));
    if (decimals === FIGURE_MOST || holds(values.map((v) => Number(v.toFixed(decimals))), decimals)) return figures;
  }
}

const FIGURE_LEAST = 2;
const FIGURE_MOST = 6;

/** a - b = c, as it is shown. @param {number} a @param {number} b */
export const difference = (a, b) => holding([a, b, a - b], ([one, two, left], decimals) => (one - two).toFixed(decimals) === left.toFixed(decimals));

/** So small that only its size is of interest. @param {number} value @returns {Figure} */
export function tiny(value) {
  if (value === 0 || Math.abs(value) >= FIGURE_PLAIN) return figure(value);
  const [digits, power] = value.toExponential(1).split("e");
  return { value, text: `${digits}\u202f\u00d7\u202f10${raised(power.replace("+", ""))}` };
}

/** From here on a number is written out. */
const FIGURE_PLAIN = 0.01;
const RAISED = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";

/** @param {string} power */
const raised = (power) => power.replace(/[-\d]/g, (sign) => (sign === "-" ? "\u207b" : RAISED[Number(sign)]));

/** @param {string} name @param {number | Figure} given */
export function outputHtml(name, given) {
  const { value, text } = figure(given);
  return `<output data-num="${name}" data-value="${value}">${text}</output>`;
}

/** A place for a number that follows the pointer. @param {string} name */
export const liveHtml = (name) => `<output data-num="${name}" data-value="">\u2013</output>`;

/** Words with their marks: *strong*, [[tensor|words]]. @param {string} words */
export function marked(words) {
  return words
    .replace(/\[\[(\w+)\|((?:(?!\]\]).)+)\]\]/g, '<span class="nlv-of" data-of="$1">$2</span>')
    .replace(/\*([^*]+)\*/g, "<b>$1</b>")
    .replace(/([Wb])_([z\u03b8])/g, "$1<sub>$2</sub>");
}
