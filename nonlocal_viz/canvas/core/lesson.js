// "What am I looking at?": the lesson's text for a block and a direction. What it says is decided by the fields of
// the block, never by the name of its instantiation; its numbers are worked out in equation.js.

import { cellWords, label } from "./words.js";

/** @typedef {import("./answer.js").Answer} Answer */
/** @typedef {import("./answer.js").Block} Block */
/** @typedef {import("./answer.js").Direction} Direction */
/** @typedef {import("../protocol.js").Pairwise} Pairwise */

/** A number that follows the pointer; `tag` is b where it is to be seen. @param {string} name */
const live = (name, tag = "b") => `<${tag} data-live="${name}">-</${tag}>`;
const SPAN = live("span", "span");

/** Channels of theta and phi. @param {Block} block */
function width({ meta: { about, channels } }) {
  if (!about) return channels;
  return about.embedded ? about.inner : about.input;
}

/** Whether the file has such a section. @param {Block} block @param {import("../protocol.js").Section["name"]} name */
const has = ({ meta }, name) => meta.sections.some((section) => section.name === name);

/** The short way in to a block, seen as a row or as a column: what is shown, what it is for, one pair worked out.
 * @param {Block} block @param {Direction} direction @param {boolean} [door] whether there are pages that explain it @returns {string} html */
export function lessonHtml(block, direction, door = false) {
  return `<div>${blockHtml(block, direction, door)}</div><div>${sumHtml(block, direction)}</div>`;
}

/** Cells, over frames where there are several. @param {import("./grid.js").Grid} grid */
function gridHtml({ cells: [frames, height, columns] }) {
  return `${frames > 1 ? `${frames} frames of ` : ""}${height} &times; ${columns}`;
}

/** @param {Block} block @param {Direction} direction @param {boolean} door */
function blockHtml(block, direction, door) {
  const { meta, queries } = block, clip = queries.cells[0] > 1;
  return `<h3>Self-attention over positions</h3>
    <p>The block cuts the ${clip ? "clip" : "picture"} into N = ${queries.count} cells (${gridHtml(queries)}).
    Every cell asks every ${meta.pooled ? `of M = ${SPAN} pooled keys` : reachHtml(block)}: how much do you matter to me?</p>
    <p>${direction === "row" ? rowHtml(block) : `The colours are what one ${meta.pooled ? "key" : "cell"} is told by all who ask it, one column of
    an N &times; M map. Each of them gives it a part of its own row, so a column is no share of 1.`}</p>
    <p>${mixtureHtml(direction)}</p>
    ${door ? doorHtml(block) : ""}
    <details><summary>Names and details</summary>${tableHtml(block)}${differencesHtml(block)}</details>`;
}

/** What the weights are for. @param {Direction} direction */
function mixtureHtml(direction) {
  const mixed = direction === "row" ? "This row is a recipe: y is the sum of all keys\u2019 values, each times its weight here"
    : "Each of those cells mixes this one\u2019s value into its own sum y, with the weight that is painted there";
  return `${mixed}. z = x + W<sub>z</sub> y goes on to the next layer. A large weight on a small value adds little.`;
}

/** The page of the lesson that explains what is shown. @param {Block} block */
function doorHtml({ meta: { pairwise }, queries }) {
  const [page, name] = queries.cells[0] > 1 ? [9, "Space and time"] : pairwise?.normalise === "softmax" ? [4, "One row: softmax over places"]
    : [8, "Ancestor and cousins"];
  const button = `<button type="button" class="nlv-button" data-act="page" data-page="${page}" data-here="1">`;
  return `<p class="nlv-door">${button}In the lesson, with this picture: ${name}</button></p>`;
}

/** @param {Block} block */
function reachHtml(block) {
  if (!has(block, "query_reach")) return "cell";
  return block.queries.cells[0] > 1 ? "cell of its own frame" : "cell in its reach";
}

/** @param {Block} block */
function rowHtml(block) {
  const { aside: { key } } = block.meta, beside = [...key.before, ...key.after];
  const one = "The colours are the answers that one cell gets, one row of an N &times; M map";
  if (block.sharesOut) return `${one}; they sum to 1${block.meta.pairwise?.normalise === "sum" ? ", or are all 0" : ""}.`;
  return beside.length ? `${one}; some of it goes to ${beside.join(", ")}, which lie on no cell.` : `${one}.`;
}

/** @param {Block} block */
function differencesHtml(block) {
  const { meta } = block, { about } = meta;
  const said = [
    about && (about.scaled ? "scores are divided by the root of d, as there" : "no division by the root of d"),
    meta.heads > 1 ? `${meta.heads} heads; the colours are their mean` : "one head",
    has(block, "bias") ? "where two cells lie adds to their score: a table by place" : "no positional encoding: a cell knows another by its features alone",
    has(block, "query_reach") && `a cell looks only at ${SPAN} keys${block.queries.cells[0] > 1 ? ", those of its own frame" : " in its reach"}`,
    has(block, "unary") && "every query gets one and the same row besides its own",
    about && "batch norm after W<sub>z</sub> starts at gamma 0, so the block begins as the identity, and a residual goes around it",
    meta.pooled ? "keys and values are max-pooled here, so a key covers several cells" : about && "keys may be max-pooled (here they are not)",
  ];
  return `<h3>What differs from a Transformer's head</h3><ul>${said.filter(Boolean).map((words) => `<li>${words}</li>`).join("")}</ul>`;
}

/** @param {Block} block */
function tableHtml(block) {
  const { meta: { about, pooled }, queries, keys } = block, d = width(block);
  if (!about) return "";
  const made = about.embedded ? "1&times;1 convolution" : "x itself";
  return `<table><tr><th>paper</th><th>Transformer</th><th>here</th></tr>
    <tr><td>&theta;</td><td>query Q</td><td>${made}, ${queries.count} &times; ${d}</td></tr>
    <tr><td>&phi;</td><td>key K</td><td>${made}${pooled ? ", pooled" : ""}, ${keys.count} &times; ${d}</td></tr>
    <tr><td>g</td><td>value V</td><td>1&times;1 convolution, ${keys.count} &times; ${about.inner}</td></tr>
    <tr><td>W<sub>z</sub></td><td>output projection</td><td>1&times;1 convolution back to ${about.input}, then added to x</td></tr></table>`;
}

/** @param {Block} block @param {Direction} direction */
function sumHtml(block, direction) {
  const { pairwise } = block.meta;
  if (!pairwise) return "";
  const added = pairwise.score === "sum";
  const competes = pairwise.normalise === "softmax" ? "competes in the softmax" : "is weighed";
  return `<h3>One number of this ${direction}, worked out</h3>
    <p data-live="pair">-</p>
    ${added ? "" : `<canvas class="nlv-products" width="900" height="192" role="img" aria-label="product of each channel"></canvas>
    <p class="nlv-soft">&theta;<sub>c</sub> &middot; &phi;<sub>c</sub> for each of the ${width(block)} channels; their sum is the score.</p>`}
    <p class="nlv-soft">Channels are only summed over: what ${competes} are the M = ${SPAN} positions.</p>
    <p class="nlv-formula">score = ${scoreHtml(block, pairwise)}</p>
    <p class="nlv-formula">weight = ${weightHtml(pairwise, has(block, "unary"))}</p>
    <p>${endHtml(block, pairwise, direction)}</p>`;
}

/** @param {Block} block @param {Pairwise} pairwise */
function scoreHtml(block, pairwise) {
  const scaled = pairwise.scale === 1 || pairwise.score === "sum" ? "" : ` &times; ${live("scale")} = ${live("scaled")}`;
  const biased = has(block, "bias") ? `, and ${live("bias")} for where they lie: ${live("biased")}` : "";
  const relu = pairwise.rectify ? `, and ReLU makes it ${live("score")}` : "";
  const sum = pairwise.score === "sum" ? `a + b = ${live("a")} + ${live("b")}` : `&theta; &middot; &phi; = sum over ${width(block)} channels`;
  return `${sum} = ${live("sum")}${scaled}${biased}${relu}`;
}

/** @param {Pairwise} pairwise @param {boolean} unary */
function weightHtml({ normalise }, unary) {
  const end = unary ? `${live("own")}, and ${live("unary")} that every query gets = ${live("weight")}` : live("weight");
  if (normalise === "softmax") return `exp(${live("score")} &minus; ${live("normaliser")}) = ${end}`;
  if (normalise === "sum") return `${live("score")} / sum of the scores = ${live("score")} / ${live("normaliser")} = ${end}`;
  return `${live("score")} / M = ${live("score")} / ${SPAN} = ${end}`;
}

/** @param {Block} block @param {Pairwise} pairwise @param {Direction} direction */
function endHtml({ meta: { instantiation, signed, heads }, head }, pairwise, direction) {
  const whose = direction === "row" ? "of this row" : "of the row of that query";
  const by = pairwise.normalise === "sum" ? `the sum of the scores ${whose}` : "the number of keys";
  const said = pairwise.normalise === "softmax" ? `The second number in exp is log &sum; exp of all scores ${whose}: the softmax.`
    : `The ${label(instantiation)} form has no softmax: it divides by ${by}${signed ? ", and weights can be negative" : ""}.`;
  if (head !== null) return `${said} The painted colour is this weight, of head ${head}.`;
  return heads > 1 ? `${said} That is the first head; the painted colour is the mean of all ${heads}: ${live("mean")}.`
    : `${said} The painted colour is this weight.`;
}

/** Which pair it is that is worked out. @param {Answer} answer @param {boolean} reached whether its query can look at its key */
export function pairWords({ block, direction, at, grid, stats, token }, reached) {
  const clip = block.queries.cells[0] > 1 || block.keys.cells[0] > 1, other = cellWords(grid.unflat(stats.best), clip), own = cellWords(at, clip);
  const none = reached ? "" : " The key lies out of the query\u2019s reach, so no score counts.";
  const query = token === undefined ? `the cell in ${own}` : `the ${token} token`;
  return direction === "row" ? `The query is ${query}; its strongest key is the cell in ${other}.${none}`
    : `The key is the cell in ${own}; the query that looks at it most is the cell in ${other}.${none}`;
}
