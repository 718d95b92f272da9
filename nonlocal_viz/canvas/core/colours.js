// Weights -> colours; nonlocal_viz/render/scales.py in JavaScript.

/** @typedef {import("../protocol.js").Config["scales"][number]} ColourScale */
/** @typedef {{ cmap: string, colourScale: ColourScale, signed: boolean, top: number, alpha: number, veil: boolean }} Tint how weights
 * become colours: `top` has the last one; alpha is how solid they are, under a veil that of the last one */

const DECADES = 3;
/** Of a veil: solidity = brightness ** GROWTH, and the colours before FIRST are left out. */
const GROWTH = 0.6;
const FIRST = 0.35;

/** A share of the greatest weight -> brightness. @param {number} share @param {ColourScale} colourScale */
export function shade(share, colourScale) {
  if (colourScale === "gamma") return Math.sqrt(share);
  if (colourScale === "log") return Math.max(0, 1 + Math.log10(Math.max(share, 10 ** -DECADES)) / DECADES);
  return share;
}

/** Brightness -> a share of the greatest weight. @param {number} level @param {ColourScale} colourScale */
export function unshade(level, colourScale) {
  if (colourScale === "gamma") return level * level;
  if (colourScale === "log") return level > 0 ? 10 ** (DECADES * (level - 1)) : 0;
  return level;
}

/** How solid a colour is. @param {number} level brightness, 0..1 @param {boolean} veil */
export const solidity = (level, veil) => (veil ? level ** GROWTH : 1);

/** Which of the 256 colours of a map. @param {number} level brightness, 0..1 @param {boolean} negative @param {boolean} signed @param {boolean} veil */
export function colourIndex(level, negative, signed, veil) {
  const place = veil ? FIRST + (1 - FIRST) * level : level;
  return Math.round(255 * (signed ? (negative ? 1 - place : 1 + place) / 2 : place));
}

/** Five marks of the bar: [position 0..1, weight]. @param {number} top @param {ColourScale} colourScale
 * @param {boolean} signed @returns {[number, number][]} */
export function ticks(top, colourScale, signed) {
  return [0, 0.25, 0.5, 0.75, 1].map((position) => {
    const at = signed ? 2 * position - 1 : position;
    return [position, Math.sign(at) * top * unshade(Math.abs(at), colourScale)];
  });
}

/** Colour tables by name. */
export class Colours {
  /** @param {import("../protocol.js").ColourMaps} maps 256 colours each, as hexadecimal RGB */
  constructor(maps) {
    /** @type {Record<string, Uint32Array>} */
    this.tables = {};
    for (const [name, hex] of Object.entries({ ...maps.sequential, ...maps.diverging })) this.tables[name] = table(hex);
    this.names = { sequential: Object.keys(maps.sequential), diverging: Object.keys(maps.diverging) };
  }

  /** The maps that fit such weights. @param {boolean} signed */
  fitting(signed) { return signed ? this.names.diverging : this.names.sequential; }

  /** Weights -> pixels (RGBA in the machine's order), one a cell. @param {Uint32Array} pixels @param {Float32Array} weights @param {Tint} tint */
  fill(pixels, weights, { cmap, colourScale, signed, top, alpha, veil }) {
    const colours = this.tables[cmap], bytes = new Uint8Array(pixels.buffer, pixels.byteOffset);
    for (let i = 0; i < pixels.length; i++) {
      const level = shade(top > 0 ? Math.min(Math.abs(weights[i]) / top, 1) : 0, colourScale) || 0;
      pixels[i] = colours[colourIndex(level, weights[i] < 0, signed, veil)];
      bytes[4 * i + 3] = Math.round(255 * alpha * solidity(level, veil));
    }
  }

  /** The bar: every colour from the least to the greatest weight. @param {Uint32Array} pixels @param {Tint} tint */
  fillBar(pixels, tint) {
    const last = pixels.length - 1;
    const weights = Float32Array.from(pixels, (_, i) => (tint.signed ? (2 * i) / last - 1 : i / last));
    this.fill(pixels, weights, { ...tint, colourScale: "linear", top: 1 });
  }
}

/** @param {string} hex */
function table(hex) {
  const colours = new Uint32Array(256), bytes = new Uint8Array(colours.buffer);
  for (let i = 0; i < 256; i++) {
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = parseInt(hex.slice(6 * i + 2 * c, 6 * i + 2 * c + 2), 16);
    bytes[4 * i + 3] = 255;
  }
  return colours;
}
