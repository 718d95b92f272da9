// colours.js: weights -> colours. Gives: Colours, shade, ticks, number.
// shade() is nonlocal_viz/render/scales.py in JavaScript.

const DECADES = 3;

function shade(share, scale) {
  if (scale === "gamma") return Math.sqrt(share);
  if (scale === "log") return Math.max(0, 1 + Math.log10(Math.max(share, 10 ** -DECADES)) / DECADES);
  return share;
}

function unshade(place, scale) {
  if (scale === "gamma") return place * place;
  if (scale === "log") return place > 0 ? 10 ** (DECADES * (place - 1)) : 0;
  return place;
}

function greatest(row) {
  let top = 0;
  for (let i = 0; i < row.length; i++) { const v = Math.abs(row[i]); if (v > top) top = v; }
  return top;
}

class Colours {
  constructor(maps) {
    this.tables = {};
    for (const kind of Object.values(maps)) {
      for (const [name, hex] of Object.entries(kind)) {
        const table = new Uint32Array(256), bytes = new Uint8Array(table.buffer);
        for (let i = 0; i < 256; i++) {
          for (let c = 0; c < 3; c++) bytes[4 * i + c] = parseInt(hex.substr(6 * i + 2 * c, 2), 16);
          bytes[4 * i + 3] = 255;
        }
        this.tables[name] = table;
      }
    }
    this.names = { sequential: Object.keys(maps.sequential), diverging: Object.keys(maps.diverging) };
  }

  // Paint one frame of weights into a canvas of one pixel a cell.
  paint(canvas, weights, height, width, { cmap, scale, signed, top }) {
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer), table = this.tables[cmap];
    for (let i = 0; i < pixels.length; i++) {
      const share = top > 0 ? Math.min(Math.abs(weights[i]) / top, 1) : 0;
      let level = shade(share, scale);
      if (signed) level = (weights[i] < 0 ? 1 - level : 1 + level) / 2;
      pixels[i] = table[Math.round((level || 0) * 255)];
    }
    context.putImageData(image, 0, 0);
  }

  bar(canvas, cmap) {
    const context = canvas.getContext("2d"), image = context.createImageData(256, 1);
    new Uint32Array(image.data.buffer).set(this.tables[cmap]);
    context.putImageData(image, 0, 0);
  }
}

// [position 0..1, weight] of five marks.
function ticks(top, scale, signed) {
  return [0, 0.25, 0.5, 0.75, 1].map((position) => {
    const at = signed ? 2 * position - 1 : position;
    return [position, Math.sign(at) * top * unshade(Math.abs(at), scale)];
  });
}

function number(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 0.001 && size < 10000) return String(+value.toPrecision(3));
  return value.toExponential(1).replace("e", "e");
}

const percent = (share) => (share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toPrecision(2)) + " %";
