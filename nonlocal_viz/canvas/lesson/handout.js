// A page of the lesson on paper: what it says in front of its questions, and, for the last leaves, what comes behind.

import { LETTERS } from "./asking.js";
import { drawMap } from "./bars.js";
import { figure, marked } from "./figures.js";
import { formulasHtml } from "./formulas.js";
import { keyOf, textHtml } from "./texts.js";

/** @typedef {import("../pages.js").At} At */
/** @typedef {import("../pages.js").Question} Question */
/** @typedef {{ head: string, part: string, tail: string, answer: string[] }} Printed a page or a card of it, and its answers: of the first part
 * of a page, and of a further one */

/** Pixels across of a picture on a leaf, and of one among the answers. */
const PRINT_LARGE = 1200;
const PRINT_SMALL = 420;

/** @param {At} at that may be seen; the numbers of its texts are on the page @returns {Printed} */
export function onPaper(at) {
  const { lesson, memo } = at, { page, number } = lesson, before = page.before?.(at) || {}, ask = page.ask?.(at) || null, check = page.check?.(at) || null;
  const card = page.doors ? lesson.say(`${page.name}.${memo.door}.card`) : "", title = `${number}. ${lesson.say(`${page.name}.title`)}`;
  return {
    head: `<h2>${title}</h2><p class="nlv-idea">${marked(lesson.say(`${page.name}.idea`))}</p><p>${textHtml(lesson, keyOf(at, "intro"), before)}</p>`,
    part: `${card && `<h3>${card}</h3>`}<img src="${pictureOf(at, PRINT_LARGE, lesson.veils ? null : at.row, ask)}" alt="">
      ${ask ? askedHtml(at, ask, card ? "" : "asking.predict", ask.key || (ask.own ? `${page.name}.ask.own` : keyOf(at, "ask"))) : ""}`,
    tail: tailOf(at, check),
    // What is asked once for all cards is answered once.
    answer: [check, null].map((asked) => solutionsOf(at, card ? `${title}: ${card}` : title, ask, asked)),
  };
}

/** What stands once on a leaf. @param {At} at @param {Question | null} check */
function tailOf(at, check) {
  const { lesson } = at, { page } = lesson;
  return `<div>${formulasHtml(at)}</div>${codeOf(lesson)}
    ${check ? askedHtml(at, check, "asking.check", check.own ? `${page.name}.check.own` : keyOf(at, "check")) : ""}`;
}

/** @param {import("./lesson.js").Lesson} lesson @param {Printed[]} parts of one page @param {string} address where the page is
 * @returns {{ leaf: string, answer: string }} a leaf, and its answers */
export function leafOf(lesson, parts, address) {
  const [{ head, tail }] = parts, several = parts.length > 1;
  const body = several ? `<div class="nlv-parts">${parts.map(({ part }) => `<div>${part}</div>`).join("")}</div>` : parts[0].part;
  const leaf = `<section class="nlv-leaf">${head}${body}${tail}<p class="nlv-leaffoot">${address}<br>${lesson.say("print.licence")}</p></section>`;
  return { leaf, answer: parts.map(({ answer }, i) => answer[Math.min(i, 1)]).join("") };
}

/** What stands on the last leaves. @param {At} at @param {string} title @param {Question | null} ask @param {Question | null} check */
function solutionsOf(at, title, ask, check) {
  const { lesson: { frame: { article }, veils } } = at, found = article.querySelector(".nlv-after")?.innerHTML || "";
  const answers = [ask, check].flatMap((question) => (question ? [solvedOf(at, question)] : [])).join(" ");
  if (!found && !answers) return "";
  const pictured = veils ? `<img src="${pictureOf(at, PRINT_SMALL, at.row, ask)}" alt="">` : "";
  return `<div class="nlv-answered">${pictured}<div><h3>${title}</h3><p>${answers}</p><p>${found}</p></div></div>`;
}

/** @param {At} at @param {Question} question @param {string} name @param {string} key */
function askedHtml(at, question, name, key) {
  const { lesson } = at, figures = { ...lesson.page.before?.(at) };
  return `${name && `<h3>${lesson.say(name)}</h3>`}<p><b>${textHtml(lesson, key, figures)}</b></p>${blanksHtml(at, question)}`;
}

/** The lines that the page shows. @param {import("./lesson.js").Lesson} lesson */
function codeOf({ page, frame: { article } }) {
  const code = page.name === "code" ? article.querySelector(".nlv-code pre") : null;
  return code ? `<pre>${linesOf(/** @type {HTMLElement} */ (code.cloneNode(true)))}</pre>` : "";
}

/** The lines of code, with lines to write on where the gaps are. @param {HTMLElement} code */
function linesOf(code) {
  for (const gap of code.querySelectorAll("select")) gap.replaceWith("_".repeat(12));
  return code.innerHTML;
}

/** A question without its answer. @param {At} at @param {Question} question */
function blanksHtml({ lesson, keys, point }, question) {
  if (question.kind === "which") {
    const map = (/** @type {Float32Array} */ row) => `<img src="${mapOf(lesson, row, keys, point.t)}" alt="">`;
    return `<ol class="nlv-blanks">${question.options.map(({ words, row }) => `<li>${row ? map(row) : words}</li>`).join("")}</ol>`;
  }
  if (question.kind === "match") {
    return `<p class="nlv-blanks">${question.left.join(" \u00a0 ")} \u00a0\u2194\u00a0 ${[...question.right].sort().join(" \u00a0 ")}</p>`;
  }
  return question.kind === "where" ? `<p>${lesson.say("print.mark")}</p>` : `<p>${"_".repeat(16)}</p>`;
}

/** @param {At} at @param {Question} question */
function solvedOf({ lesson }, question) {
  if (question.kind === "which") {
    const { words, value, text } = question.options[question.right];
    return `<b>${LETTERS[question.right]}</b> ${words}${value === undefined ? "" : ` (${text || figure(value).text})`}.`;
  }
  if (question.kind === "match") return `${question.left.map((left, i) => `${left} \u2194 ${question.right[i]}`).join(", ")}.`;
  return question.kind === "number" ? lesson.say("asking.truth", { truth: figure(question.truth).text }) : "";
}

/** The photo with the cell that is asked about, and letters; with a row, if it may be seen. @param {At} at @param {number} width
 * @param {Float32Array | null} row @param {Question | null} question */
function pictureOf({ lesson, keys, queries, q, point, block, size }, width, row, question) {
  const canvas = document.createElement("canvas");
  drawMap(canvas, lesson, row, keys, { width, query: queries.rect(q), frame: point.t, signed: block.meta.signed });
  const context = canvas.getContext("2d"), k = width / size.width, radius = width / 60;
  if (context && question?.kind === "which") {
    question.options.forEach(({ place }, i) => { if (place) letter(context, LETTERS[i], place[0] * k, place[1] * k, radius); });
  }
  return canvas.toDataURL("image/jpeg", 0.85);
}

/** @param {CanvasRenderingContext2D} context @param {string} words @param {number} x @param {number} y @param {number} radius */
function letter(context, words, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#fff";
  context.fill();
  context.lineWidth = radius / 6;
  context.strokeStyle = context.fillStyle = "#1c1c1a";
  context.stroke();
  context.font = `700 ${1.3 * radius}px sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(words, x, y);
}

/** @param {import("./lesson.js").Lesson} lesson @param {Float32Array} row @param {import("../core/grid.js").Grid} grid @param {number} frame */
function mapOf(lesson, row, grid, frame) {
  const canvas = document.createElement("canvas");
  drawMap(canvas, lesson, row, grid, { width: PRINT_SMALL, frame });
  return canvas.toDataURL("image/jpeg", 0.85);
}
