// How an answer is shown: what the fields beside the picture say.

/** @typedef {{ direction: import("./answer.js").Direction, cmap: string, signedCmap: string,
 *   colourScale: import("./colours.js").ColourScale, alpha: number, smooth: boolean, grid: boolean, colour: boolean,
 *   arrows: boolean }} Look cmap of weights that are never negative, signedCmap of the others; colour: of the photo */
/** @typedef {import("./colours.js").Tint & { alpha: number, smooth: boolean, colour: boolean }} Paint */

/** @param {import("./colours.js").Colours["names"]} names of colour maps @returns {Look} */
export function plainLook(names) {
  return {
    direction: "row", cmap: names.sequential[0], signedCmap: names.diverging[0], colourScale: "linear", alpha: 0.65,
    smooth: false, grid: false, colour: false, arrows: false,
  };
}

/** @param {Look} look @param {boolean} signed */
export const cmapOf = (look, signed) => (signed ? look.signedCmap : look.cmap);

/** @param {Look} look @param {boolean} signed @param {number} top the weight of the last colour @returns {Paint} */
export function paintOf(look, signed, top) {
  const { colourScale, alpha, smooth, colour } = look;
  return { cmap: cmapOf(look, signed), colourScale, signed, top, alpha, smooth, colour };
}
