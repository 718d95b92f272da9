// What each key of the keyboard does; page.html lists them for people.

import { cmapOf } from "./core/look.js";
import { modelOf } from "./core/source.js";

/** @typedef {import("./core/look.js").Look} Look */

/** The one after `now`, around. @template T @param {T[]} list @param {T} now */
export const after = (list, now) => list[(list.indexOf(now) + 1) % list.length];

/** @param {import("./session.js").Session} session @returns {import("./parts/keys.js").Deeds} */
export function deedsOf(session) {
  return { ...moves(session), ...choices(session), ...looks(session) };
}

/** @param {import("./session.js").Session} session */
function moves(session) {
  const far = 1e6; // cells: beyond any picture
  return {
    ArrowUp: () => session.move(-1, 0), ArrowDown: () => session.move(1, 0),
    ArrowLeft: () => session.move(0, -1), ArrowRight: () => session.move(0, 1),
    Home: () => session.move(0, -far), End: () => session.move(0, far),
    PageUp: () => session.move(-far, 0), PageDown: () => session.move(far, 0),
    ",": () => session.scene.film.step(-1), ".": () => session.scene.film.step(1), " ": () => session.scene.film.play(),
  };
}

/** @param {import("./session.js").Session} session */
function choices(session) {
  return {
    Enter: () => session.pin(), Escape: () => session.clearPins(),
    n: () => {
      if (session.open) session.chooseModel(after(session.config.models.map((m) => m.name), modelOf(session.open.source, session.ownModel)));
    },
    b: () => { if (session.open) session.chooseBlock(after(session.open.picture.blocks, session.open.block.name)); },
    d: () => session.save("png"), l: () => session.copyLink(), "?": () => session.controls.showKeys(),
  };
}

/** @param {import("./session.js").Session} session */
function looks(session) {
  const turn = (/** @type {"smooth" | "grid" | "colour" | "arrows"} */ name) => () => session.setLook({ [name]: !session.look[name] });
  const dim = (/** @type {number} */ by) => () => session.setLook({ alpha: Math.min(1, Math.max(0, +(session.look.alpha + by).toFixed(2))) });
  return {
    r: () => session.setLook({ direction: after(["row", "column"], session.look.direction) }),
    c: () => {
      const signed = Boolean(session.open?.block.meta.signed);
      session.setLook({ cmap: after(session.scene.colours.fitting(signed), cmapOf(session.look, signed)) });
    },
    s: () => session.setLook({ colourScale: after(session.config.scales, session.look.colourScale) }),
    m: turn("smooth"), g: turn("grid"), p: turn("colour"), a: turn("arrows"), "[": dim(-0.05), "]": dim(0.05),
  };
}
