// A state of the page as the query of an address, and back.

/** @typedef {import("./look.js").Look} Look */
/** @typedef {{ example: string, model?: string, block: string, x: number, y: number, frame: number, direction: import("./answer.js").Direction,
 *   cmap: string, colourScale: import("./colours.js").ColourScale }} Shown */
/** @typedef {{ scales: import("./colours.js").ColourScale[], sequential: string[], diverging: string[] }} Offer what there is to choose from */

/** @param {Shown} shown */
export function linkQuery({ example, model, block, x, y, frame, direction, cmap, colourScale }) {
  return new URLSearchParams({
    example, block, ...(model ? { model } : {}), x: x.toFixed(1), y: y.toFixed(1), frame: String(frame),
    show: direction, cmap, scale: colourScale,
  });
}

/** What an address asks for, as far as it makes sense for a picture. @param {URLSearchParams} asked
 * @param {{ width: number, height: number, frames: number }} picture @param {Offer} offer
 * @returns {{ point: Partial<import("./answer.js").Point>, look: Partial<Look> }} */
export function restored(asked, picture, offer) {
  const x = parseFloat(asked.get("x") || ""), y = parseFloat(asked.get("y") || ""), t = parseInt(asked.get("frame") || "", 10);
  const inside = x >= 0 && x < picture.width && y >= 0 && y < picture.height;
  return {
    point: { ...(inside ? { x, y } : {}), ...(t >= 0 && t < picture.frames ? { t } : {}) },
    look: lookAsked(asked, offer),
  };
}

/** @param {URLSearchParams} asked @param {Offer} offer @returns {Partial<Look>} */
function lookAsked(asked, { scales, sequential, diverging }) {
  const cmap = asked.get("cmap") || "", show = asked.get("show");
  const colourScale = scales.find((one) => one === asked.get("scale"));
  return {
    ...(show === "row" || show === "column" ? { direction: show } : {}),
    ...(colourScale ? { colourScale } : {}),
    ...(sequential.includes(cmap) ? { cmap } : {}),
    ...(diverging.includes(cmap) ? { signedCmap: cmap } : {}),
  };
}
