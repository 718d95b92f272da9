// A field of layers and heads as it was sent: small pictures, and what stands beside them. No DOM.

/** @typedef {import("../protocol.js").FieldAnswer} FieldAnswer */
/** @typedef {import("../protocol.js").FieldLayer} FieldLayer */

export class Field {
  /** @param {FieldAnswer} said @param {ArrayBuffer} buffer */
  constructor({ token, tokens, layers }, buffer) {
    this.token = token;
    this.tokens = tokens;
    this.layers = layers;
    this.bytes = new Uint8Array(buffer);
    this.heads = layers.reduce((most, layer) => Math.max(most, layer.heads), 0);
  }

  /** @param {string} block @returns {FieldLayer | undefined} */
  layer(block) { return this.layers.find((layer) => layer.block === block); }

  /** The bytes of one head. @param {FieldLayer} layer @param {number} head */
  tile({ offset, rows, columns }, head) {
    return this.bytes.subarray(offset + head * rows * columns, offset + (head + 1) * rows * columns);
  }

  /** Shares of a head's row, or of their mean, that lie on tokens which are no cells, the greatest first.
   * @param {FieldLayer} layer @param {number | null} head @returns {[string, number][]} */
  shares({ shares }, head) {
    return Object.entries(shares)
      .map(([kind, each]) => /** @type {[string, number]} */ ([kind, head === null ? each.reduce((sum, one) => sum + one, 0) / each.length : each[head]]))
      .filter(([, share]) => share > 0).sort(([, a], [, b]) => b - a);
  }
}

/** All layers and heads of a place are asked for one question at a time; of those that come up meanwhile only the last is asked. */
export class FieldLine {
  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    this.desk = desk;
    /** @type {object | null} */
    this.wanted = null;
  }

  /** @param {{ source: import("../protocol.js").Source, block: string, x: number, y: number, frame: number, token: string | null }} asked */
  want(asked) {
    this.wanted = asked;
    this.ask();
  }

  ask() { if (this.wanted && !this.desk.has("field") && !this.desk.waiting) this.desk.ask("field", {}); }

  /** What shows an answer. @param {FieldAnswer} said @param {ArrayBuffer | null} tiles */
  arrived(said, tiles) {
    const field = new Field(said, /** @type {ArrayBuffer} */ (tiles));
    return () => this.desk.on.field(field, "");
  }

  /** What is asked now; a question that is asked again is the one that is wanted by now. @param {object} before */
  take(before) {
    const question = this.wanted || before;
    this.wanted = null;
    return question;
  }
}

/** A name for people: what all blocks share at the end is left out. @param {string} block @param {string[]} blocks */
export function shortName(block, blocks) {
  if (blocks.length < 2) return block;
  const parts = blocks.map((name) => name.split("."));
  let same = 0;
  while (parts.every((part) => part.length > same + 1 && part.at(-1 - same) === parts[0].at(-1 - same))) same++;
  let first = 0;
  while (parts.every((part) => part.length - same > first + 1 && part[first] === parts[0][first])) first++;
  const own = block.split(".");
  return own.slice(first, own.length - same).join(".");
}

/** All tiles as one picture, a line a layer: hundreds of small ones that are drawn one by one take longer than a frame.
 * @param {Field} field @param {(layer: FieldLayer) => Uint32Array} tableOf 256 colours of a layer
 * @param {number} step pixels from tile to tile @param {number} size of a tile's longer side @param {Uint32Array} out step * heads by step * layers */
export function paintField(field, tableOf, step, size, out) {
  const across = step * field.heads;
  field.layers.forEach((layer, line) => {
    const { rows, columns, heads } = layer, table = tableOf(layer), longest = Math.max(rows, columns);
    const width = Math.max(1, Math.round((size * columns) / longest)), height = Math.max(1, Math.round((size * rows) / longest));
    const left = (size - width) >> 1, top = line * step + ((size - height) >> 1);
    // Which column of a tile each pixel shows is the same for all of them.
    const at = Uint16Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * columns) / width));
    for (let head = 0; head < heads; head++) {
      const tile = field.tile(layer, head);
      for (let y = 0; y < height; y++) {
        const from = Math.floor(((y + 0.5) * rows) / height) * columns, to = (top + y) * across + head * step + left;
        for (let x = 0; x < width; x++) out[to + x] = table[tile[from + at[x]]];
      }
    }
  });
}

/** Which tile lies at a pixel of a field drawn with tiles of one size. @param {number} x @param {number} y @param {number} size
 * @param {Field} field @returns {{ layer: FieldLayer, head: number } | null} */
export function tileAt(x, y, size, field) {
  const layer = field.layers[Math.floor(y / size)], head = Math.floor(x / size);
  return layer && head >= 0 && head < layer.heads ? { layer, head } : null;
}
