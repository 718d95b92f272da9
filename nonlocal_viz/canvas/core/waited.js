// What is waited for, as it is shown: for the picture, for downloads, and what keeps one of them away.

import { TROUBLES } from "./patience.js";

/** @typedef {{ words: string, done: number | null }} Work what is being done; done: 0..1 */
/** @typedef {{ look: Work | null, save: Work | null, trouble: { words: string, seconds: number } | null }} Waiting seconds: to the next try */
/** @typedef {Work & { kind: import("./patience.js").Kind, patience: import("./patience.js").Patience }} Waited */

/** The kinds of question that bring the picture, or a part of it. @type {import("./patience.js").Kind[]} */
export const BRINGING = ["start", "picture", "block", "upload"];

/** @param {Waited[]} open @returns {Waiting} */
export function waitedFor(open) {
  const work = (/** @type {Waited | undefined} */ found) => (found ? { words: found.words, done: found.done } : null);
  const why = open.find(({ patience }) => patience.trouble)?.patience;
  return {
    look: work(open.find(({ kind }) => BRINGING.includes(kind))),
    save: work(open.find(({ kind }) => kind === "save")),
    trouble: why?.trouble ? { words: TROUBLES[why.trouble], seconds: why.seconds } : null,
  };
}

/** What keeps the lesson's own questions without an answer. @param {(Waited & { aside?: boolean })[]} open */
export function lateOf(open) {
  const late = open.find(({ aside, kind, patience }) => aside && kind === "lesson" && patience.trouble);
  return late ? late.patience.trouble : null;
}
