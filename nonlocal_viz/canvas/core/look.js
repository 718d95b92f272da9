// How an answer is shown: what the fields beside the picture say.

/** @typedef {{ direction: import("./answer.js").Direction, cmap: string, signedCmap: string,
 *   colourScale: import("./colours.js").ColourScale, alpha: number, smooth: boolean, grid: boolean, colour: boolean,
 *   arrows: boolean, veil: boolean }} Look cmap of weights that are never negative, signedCmap of the others; colour: of the photo;
 *   veil: a colour is the more solid the greater its weight */
/** @typedef {import("./colours.js").Tint & { smooth: boolean, colour: boolean }} Paint */

/** How solid a colour is at the most, unless somebody says: more under a veil. @param {boolean} veil */
const usualAlpha = (veil) => (veil ? 0.92 : 0.65);

/** A look with changes; whoever turns the veil on or off and never spoke of opacity gets the usual one.
 * @param {Look} look @param {Partial<Look>} changes @returns {Look} */
export function changed(look, changes) {
  const { veil = look.veil } = changes, alpha = look.alpha === usualAlpha(look.veil) ? usualAlpha(veil) : look.alpha;
  return { ...look, alpha, ...changes };
}

/** @param {import("./colours.js").Colours["names"]} names of colour maps @returns {Look} */
export function plainLook(names) {
  return {
    direction: "row", cmap: names.sequential[0], signedCmap: names.diverging[0], colourScale: "linear", alpha: usualAlpha(true),
    smooth: false, grid: false, colour: true, arrows: false, veil: true,
  };
}

/** What is left of the photo beneath, as a filter of CSS: under a veil three fifths of its colours and three quarters
 * of its brightness, as style.css has it and nonlocal_viz/render/overlay.py. @param {Paint | null} paint */
export function groundOf(paint) {
  if (!paint) return "grayscale(1)";
  const colours = paint.colour ? "saturate(0.6)" : "grayscale(1)";
  if (paint.veil) return `${colours} brightness(0.75)`;
  return paint.colour ? "none" : colours;
}

/** @param {Look} look @param {boolean} signed */
export const cmapOf = (look, signed) => (signed ? look.signedCmap : look.cmap);

/** @param {Look} look @param {boolean} signed @param {number} top the weight of the last colour @returns {Paint} */
export function paintOf(look, signed, top) {
  const { colourScale, alpha, smooth, colour, veil } = look;
  return { cmap: cmapOf(look, signed), colourScale, signed, top, alpha, veil, smooth, colour };
}
