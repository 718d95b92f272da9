// Weights and marks on canvases.

import { contextOf, make } from "./elements.js";

/** @typedef {import("../core/grid.js").Grid} Grid */
/** @typedef {import("../core/colours.js").Colours} Colours */

/** One frame of weights, a pixel a cell. @param {HTMLCanvasElement} canvas @param {Colours} colours @param {Float32Array} weights
 * @param {Grid} grid @param {import("../core/colours.js").Tint} tint */
export function paintCells(canvas, colours, weights, grid, tint) {
  const [, height, width] = grid.cells;
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const context = contextOf(canvas), image = context.createImageData(width, height);
  colours.fill(new Uint32Array(image.data.buffer), weights, tint);
  context.putImageData(image, 0, 0);
}

/** A canvas of cells, stretched to the sizes that they have in the picture: column by column, then row by row.
 * @param {HTMLCanvasElement} target @param {HTMLCanvasElement} cells @param {Grid} grid @param {number} factor pixels of the target a pixel */
export function paintUneven(target, cells, { x: { edges: x, first: left, last: right }, y: { edges: y, first: top, last: bottom } }, factor) {
  const width = Math.max(1, Math.round((right - left) * factor)), height = Math.max(1, Math.round((bottom - top) * factor));
  const wide = make("canvas");
  wide.width = width;
  wide.height = cells.height;
  const across = contextOf(wide);
  across.imageSmoothingEnabled = false;
  for (let c = 0; c < cells.width; c++) {
    across.drawImage(cells, c, 0, 1, cells.height, (x[c] - left) * factor, 0, (x[c + 1] - x[c]) * factor, cells.height);
  }
  target.width = width;
  target.height = height;
  const down = contextOf(target);
  down.imageSmoothingEnabled = false;
  for (let r = 0; r < cells.height; r++) {
    down.drawImage(wide, 0, r, width, 1, 0, (y[r] - top) * factor, width, (y[r + 1] - y[r]) * factor);
  }
}

/** A frame that is seen on any ground. @param {CanvasRenderingContext2D} context @param {number[]} box x, y, width, height @param {number} ink */
export function outline(context, [x, y, width, height], ink) {
  context.lineWidth = 5;
  context.strokeStyle = `rgba(0,0,0,${ink})`;
  context.strokeRect(x, y, width, height);
  context.lineWidth = 2;
  context.strokeStyle = "#fff";
  context.strokeRect(x, y, width, height);
}

/** @param {HTMLImageElement | undefined} image @returns {image is HTMLImageElement} */
export const loaded = (image) => Boolean(image && image.complete && image.naturalWidth);
