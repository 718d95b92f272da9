// What a map does not say: four ways to be misled, each a card with a network that does it.

import { alikeCard } from "../cards/alike.js";
import { carryCard } from "../cards/carry.js";
import { deadCard } from "../cards/dead.js";
import { sinkCard } from "../cards/sink.js";
import { marked } from "../figures.js";
import { textHtml } from "../texts.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../pages.js").Card} Card */

/** In their order; the page opens with the first, or with the one that its link names. @type {Record<string, Card>} */
const LIMITS_CARDS = { carry: carryCard, sink: sinkCard, alike: alikeCard, dead: deadCard };
const LIMITS_NAMES = Object.keys(LIMITS_CARDS);

/** @param {Record<string, any>} memo */
const nameOf = ({ door }) => door || LIMITS_NAMES[0];
/** @param {{ memo: Record<string, any> }} at */
const cardOf = ({ memo }) => LIMITS_CARDS[nameOf(memo)];

/** @param {At} at */
function bodyLimits(at) {
  const { lesson, revealed, memo } = at, card = cardOf(at), name = nameOf(memo), live = card.live(at);
  if (!revealed) return "";
  const map = (/** @type {string} */ which) => `<figure><canvas data-map="${which}" role="img" aria-label="${lesson.say(`limits.${name}.${which}`)}"></canvas><figcaption>${marked(lesson.say(`limits.${name}.${which}`))}</figcaption></figure>`;
  return `<div class="nlv-try"><div class="nlv-small2">${live ? card.maps.map(map).join("") : ""}</div>${live ? `<p class="nlv-live">${textHtml(lesson, live, {})}</p>` : ""}</div>`;
}

/** The four cards. @param {At} at */
function cardsLimits(at) {
  const { lesson, memo } = at, now = nameOf(memo), { model } = cardOf(at).start;
  // What is seen on another card was made by another network.
  const other = model && lesson.atStart ? `<p class="nlv-soft nlv-remark" data-model="${model}">${lesson.say(`limits.model.${model}`)}</p>` : "";
  return `<p class="nlv-tools nlv-cards" role="group" aria-label="${lesson.say("limits.cards")}">${LIMITS_NAMES.map((name) =>
    `<button type="button" class="nlv-button" data-act="door" data-door="${name}" aria-pressed="${name === now}">${lesson.say(`limits.${name}.card`)}</button>`).join("")}</p>${other}`;
}

/** @type {import("../../pages.js").Page} */
export const limitsPage = {
  name: "limits", veil: (lesson) => cardOf(lesson).veil, pointer: "query", stages: ["A", "g", "wz"], formulas: (at) => cardOf(at).formulas,
  start: LIMITS_CARDS[LIMITS_NAMES[0]].start, doors: Object.fromEntries(LIMITS_NAMES.map((name) => [name, LIMITS_CARDS[name].start])),
  needs: (_block, _point, memo) => cardOf({ memo }).needs,
  lead: cardsLimits,
  before: (at) => cardOf(at).before?.(at) || {},
  facts: (at) => cardOf(at).facts(at),
  ask: (at) => cardOf(at).ask(at),
  none: (at) => cardOf(at).none?.(at),
  after: (at) => cardOf(at).after(at),
  check: (at) => ({ kind: "which", right: 1, options: ["a", "b", "c"].map((name) => ({ words: at.lesson.say(`limits.check.${name}`) })) }),
  marks: (at) => cardOf(at).marks?.(at),
  body: bodyLimits,
  draw: (at, box) => {
    const canvas = (/** @type {string} */ name) => /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-map="${name}"]`));
    if (at.revealed) cardOf(at).draw(at, Object.fromEntries(cardOf(at).maps.map((name) => [name, canvas(name)])));
  },
};
