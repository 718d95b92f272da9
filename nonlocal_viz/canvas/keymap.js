// What each key of the keyboard does, with the words that the list of keys has for it: one table, so that the
// list and the deeds cannot differ.

import { cmapOf } from "./core/look.js";
import { modelOf } from "./core/source.js";

/** @typedef {import("./core/look.js").Look} Look */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {{ keys: Record<string, (session: Session) => void>, label: string, words: string, clip?: boolean, served?: boolean }} Entry
 * served: there has to be a server for it */

/** Cells: beyond any picture. */
const FAR = 1e6;

/** @type {Entry[]} */
const PLACES = [
  { label: "arrows", words: "move the query by a cell, and hold it", keys: {
    ArrowUp: (s) => s.pointing.move(-1, 0), ArrowDown: (s) => s.pointing.move(1, 0),
    ArrowLeft: (s) => s.pointing.move(0, -1), ArrowRight: (s) => s.pointing.move(0, 1) } },
  { label: "Home End", words: "to the border at the left, right", keys: { Home: (s) => s.pointing.move(0, -FAR), End: (s) => s.pointing.move(0, FAR) } },
  { label: "PgUp PgDn", words: "to the border at the top, bottom", keys: {
    PageUp: (s) => s.pointing.move(-FAR, 0), PageDown: (s) => s.pointing.move(FAR, 0) } },
  { label: "Enter", words: "hold what is shown", keys: { Enter: (s) => s.pointing.hold() } },
  { label: "Escape", words: "let go of what is held", keys: { Escape: (s) => s.pointing.letGo() } },
  { label: "p", words: "pin what is held (or shown), to compare", keys: { p: (s) => s.pinning.pin() } },
  { label: "z, Ctrl+Z", words: "undo", keys: { z: (s) => s.pointing.undo() } },
];

/** @type {Entry[]} */
const CHOICES = [
  { label: "n", words: "next model", served: true, keys: { n: (s) => {
    const { next } = s.choosing;
    if (next) s.choosing.chooseModel(after(s.config.models.map((m) => m.name), modelOf(next.source, s.ownModel)));
  } } },
  { label: "b", words: "next block", keys: { b: (s) => {
    const { next } = s.choosing;
    if (s.open && next) s.choosing.chooseBlock(after(s.open.picture.blocks, next.block || s.open.block.name));
  } } },
  { label: "r", words: "row or column", keys: { r: (s) => s.setLook({ direction: after(["row", "column"], s.look.direction) }) } },
];

/** @type {Entry[]} */
const LOOKS = [
  { label: "c", words: "next colours", keys: { c: (s) => {
    const signed = Boolean(s.open?.block.meta.signed), cmap = after(s.scene.colours.fitting(signed), cmapOf(s.look, signed));
    s.setLook({ cmap });
    s.announce(`Colours: ${cmap}.`);
  } } },
  { label: "s", words: "next scale of the colours", keys: { s: (s) => {
    const colourScale = after(s.config.scales, s.look.colourScale);
    s.setLook({ colourScale });
    s.announce(`Scale: ${colourScale}.`);
  } } },
  { label: "m", words: "smooth, or honest cells", keys: { m: (s) => turn(s, "smooth", "Smooth") } },
  { label: "g", words: "grid lines", keys: { g: (s) => turn(s, "grid", "Grid lines") } },
  { label: "o", words: "photo in colour or grey", keys: { o: (s) => turn(s, "colour", "Photo in colour") } },
  { label: "v", words: "opacity by weight, or the same everywhere", keys: { v: (s) => turn(s, "veil", "Opacity by weight") } },
  { label: "[ ]", words: "opacity", keys: { "[": (s) => dim(s, -0.05), "]": (s) => dim(s, 0.05) } },
];

/** @type {Entry[]} */
const CLIPS = [
  { label: ", .", words: "frame before, frame after", clip: true, keys: { ",": (s) => s.scene.film.step(-1), ".": (s) => s.scene.film.step(1) } },
  { label: "space", words: "play, pause", clip: true, keys: { " ": (s) => s.scene.film.play() } },
  { label: "a", words: "arrows to the strongest places", clip: true, keys: { a: (s) => turn(s, "arrows", "Arrows") } },
];

/** @type {Entry[]} */
const OTHERS = [
  { label: "+ -", words: "larger, smaller picture", keys: { "+": (s) => zoom(s, 1), "=": (s) => zoom(s, 1), "-": (s) => zoom(s, -1) } },
  { label: "0", words: "the whole picture", keys: { 0: (s) => zoom(s, -FAR) } },
  { label: "f", words: "full screen", keys: { f: (s) => s.screen.turnFull() } },
  { label: "e", words: "larger type", keys: { e: (s) => s.announce(s.screen.turnType() ? "Larger type." : "Type as before.") } },
  { label: "t", words: "next language", served: true, keys: { t: (s) => s.guest?.nextLanguage() } },
  { label: "d", words: "download the overlay", served: true, keys: { d: (s) => s.save("png") } },
  { label: "l", words: "copy a link to what is shown", served: true, keys: { l: (s) => s.copyLink() } },
  { label: "?", words: "this list", keys: { "?": (s) => s.controls.showKeys() } },
];

const TABLE = [...PLACES, ...CHOICES, ...LOOKS, ...CLIPS, ...OTHERS];

/** The one after `now`, around. @template T @param {T[]} list @param {T} now */
export const after = (list, now) => list[(list.indexOf(now) + 1) % list.length];

/** @param {Session} session @param {"smooth" | "grid" | "colour" | "arrows" | "veil"} name @param {string} words */
function turn(session, name, words) {
  session.setLook({ [name]: !session.look[name] });
  session.announce(`${words} ${session.look[name] ? "on" : "off"}.`);
}

/** @param {Session} session @param {number} steps */
function zoom(session, steps) {
  const { zoom: picture } = session.scene.stage;
  picture.by(steps);
  session.announce(picture.level > 1 ? `Picture at ${Math.round(100 * picture.level)} %.` : "The whole picture.");
}

/** @param {Session} session @param {number} by */
function dim(session, by) {
  session.setLook({ alpha: Math.min(1, Math.max(0, +(session.look.alpha + by).toFixed(2))) });
  session.announce(`Opacity ${Math.round(100 * session.look.alpha)} %.`);
}

/** @param {boolean} alone whether there is no server */
const there = (alone) => TABLE.filter(({ served }) => !(served && alone));

/** Deeds of one session; those of clips do nothing on a photo. @param {Session} session @returns {import("./parts/keys.js").Deeds} */
export function deedsOf(session) {
  return Object.fromEntries(there(session.alone).flatMap(({ keys, clip }) => Object.entries(keys).map(([key, deed]) =>
    [key, () => { if (!clip || session.isClip) deed(session); }])));
}

/** What people read: the keys of the picture, then those of a focused pin. @param {boolean} [alone] @returns {import("./parts/keys.js").Row[]} */
export function keyList(alone = false) {
  return [
    ...there(alone).map(({ label, words, clip = false }) => ({ label, words, clip })),
    { label: "Alt+arrows", words: "on a pin: move it in the list", clip: false }, { label: "Delete", words: "on a pin: remove it", clip: false },
    { label: "Shift+click", words: "pin that place", clip: false }, { label: "Ctrl+wheel", words: "zoom", clip: false },
  ];
}
