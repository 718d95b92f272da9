// How an answer is shown: what the fields beside the picture say.

/** @typedef {{ direction: import("./answer.js").Direction, cmap: string, signedCmap: string,
 *   colourScale: import("./colours.js").ColourScale, alpha: number, smooth: boolean, grid: boolean, colour: boolean,
 *   arrows: boolean, veil: boolean }} Look cmap of weights that are never negative, signedCmap of the others; colour: of the photo;
 *   veil: a colour is the more solid the greater its weight */
/** @typedef {import("./colours.js").Tint & { smooth: boolean, colour: boolean }} Paint */

/** @param {import("./colours.js").Colours["names"]} names of colour maps @returns {Look} */
export function plainLook(names) {
  return {
    direction: "row", cmap: names.sequential[0], signedCmap: names.diverging[0], colourScale: "linear", alpha: 0.92,
    smooth: false, grid: false, colour: true, arrows: false, veil: true,
  };
}

/** @param {Look} look @param {boolean} signed */
export const cmapOf = (look, signed) => (signed ? look.signedCmap : look.cmap);

/** @param {Look} look @param {boolean} signed @param {number} top the weight of the last colour @returns {Paint} */
export function paintOf(look, signed, top) {
  const { colourScale, alpha, smooth, colour, veil } = look;
  return { cmap: cmapOf(look, signed), colourScale, signed, top, alpha, veil, smooth, colour };
}
