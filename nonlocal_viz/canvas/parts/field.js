// The field of layers and heads: the heads of the shown layer large enough to compare, and all of them small.

import { paintField, shortName, tileAt } from "../core/field.js";
import { HEADS } from "../core/words-heads.js";
import { contextOf, make, makeButton, one, say } from "./elements.js";

/** @typedef {import("../core/field.js").Field} Field */
/** @typedef {import("../protocol.js").FieldLayer} FieldLayer */
/** @typedef {{ choose: (block: string, head: number | null) => void, token: (name: string | null) => void, opened: () => void }} Listener */

/** Pixels of a small tile, its gap, and of one of the shown layer's. */
const SMALL = 30;
const GAP = 3;
const LARGE = 88;

export class FieldPart {
  /** @param {HTMLElement} root @param {import("../core/colours.js").Colours} colours @param {Listener} on */
  constructor(root, colours, on) {
    this.colours = colours;
    this.on = on;
    this.details = /** @type {HTMLDetailsElement} */ (one(root, ".nlv-heads"));
    this.lead = one(root, ".nlv-headslead");
    this.tokens = one(root, ".nlv-tokens");
    this.own = one(root, ".nlv-multiples");
    this.shares = one(root, ".nlv-shares");
    this.ownLead = one(root, ".nlv-ownlead");
    this.proven = one(root, ".nlv-proven");
    this.names = one(root, ".nlv-fieldnames");
    this.canvas = /** @type {HTMLCanvasElement} */ (one(root, ".nlv-fieldcanvas"));
    this.heads = /** @type {HTMLSelectElement} */ (one(root, '[data-head]'));
    this.headField = one(root, ".nlv-headfield");
    /** @type {Field | null} */
    this.field = null;
    this.block = "";
    /** @type {number | null} */
    this.head = null;
    this.cmaps = { plain: "", signed: "" };
    /** What outlines are drawn in; "" before it is known. */
    this.ink = "";
    say(one(root, ".nlv-heads > summary"), HEADS.summary);
    say(one(root, ".nlv-headname"), HEADS.headField);
    say(one(this.proven, "summary"), HEADS.fold);
    this.canvas.setAttribute("role", "img");
    // A phone shows the picture first.
    this.details.open = !matchMedia("(max-width: 900px)").matches;
    this.details.addEventListener("toggle", () => { if (this.details.open) on.opened(); });
    this.heads.addEventListener("change", () => on.choose(this.block, this.heads.value === "" ? null : +this.heads.value));
    this.canvas.addEventListener("click", (event) => {
      const at = this.under(event);
      if (at) on.choose(at.layer.block, at.head);
    });
    this.canvas.addEventListener("mousemove", (event) => {
      const at = this.under(event);
      this.canvas.title = at ? HEADS.tile(at.layer.block, at.head) : "";
    });
  }

  get isOpen() { return this.details.open && !this.details.hidden; }

  /** @param {MouseEvent} event */
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    return this.field && tileAt(event.clientX - box.left, event.clientY - box.top, SMALL + GAP, this.field);
  }

  /** What is shown large. @param {import("../core/answer.js").Block} block @param {number | null} head @param {boolean} clip
   * @param {number} layers how many blocks there are @param {{ plain: string, signed: string }} cmaps */
  choose(block, head, clip, layers, cmaps) {
    const { heads, about } = block.meta;
    // The package's own blocks have one head each, and are few: a list does.
    this.details.hidden = clip || (heads < 2 && (about !== null || layers < 2));
    this.headField.hidden = heads < 2;
    if (this.block !== block.name || this.heads.length !== heads + 1) {
      this.heads.replaceChildren(new Option(HEADS.mean, ""), ...Array.from({ length: heads }, (_, h) => new Option(HEADS.head(h), String(h))));
    }
    this.block = block.name;
    this.head = head;
    this.cmaps = cmaps;
    this.ink = "";
    this.heads.value = head === null ? "" : String(head);
    this.draw();
  }

  /** @param {Field | null} field @param {string} [words] why there is none */
  show(field, words = "") {
    if (field || words) this.field = field;
    if (words) say(this.lead, words);
    this.draw();
  }

  draw() {
    const { field } = this;
    if (!field || !this.isOpen) return;
    say(this.lead, field.token === null ? HEADS.lead : HEADS.leadToken(field.token));
    this.drawTokens(field);
    const layer = field.layer(this.block);
    this.drawOwn(field, layer);
    this.drawAll(field);
    this.drawWords(field, layer);
  }

  /** What stands beside the heads. @param {Field} field @param {FieldLayer | undefined} layer */
  drawWords(field, layer) {
    const parts = layer ? field.shares(layer, this.head) : [], proof = layer ? Object.entries(layer.proof) : [];
    const said = [...(proof.length ? [HEADS.proven(proof)] : []), ...(layer ? layer.notes : [])];
    say(this.ownLead, layer ? HEADS.ofLayer(layer.block, layer.heads) : HEADS.notHere(this.block));
    say(this.shares, !layer || layer.signed ? "" : parts.length ? HEADS.shares(parts) : HEADS.noShares);
    this.proven.hidden = !said.length;
    one(this.proven, "ul").replaceChildren(...said.map((words) => Object.assign(make("li"), { textContent: words })));
  }

  /** @param {Field} field */
  drawTokens(field) {
    this.tokens.hidden = field.tokens.length === 0;
    const names = [null, ...field.tokens];
    const kept = /** @type {HTMLButtonElement[]} */ ([...this.tokens.children]);
    if (kept.map((button) => button.dataset.name).join() !== names.map((name) => name ?? "").join()) {
      this.tokens.replaceChildren(...names.map((name) => {
        const button = makeButton("nlv-button");
        button.dataset.name = name ?? "";
        button.textContent = name === null ? HEADS.place : HEADS.token(name);
        button.addEventListener("click", () => this.on.token(name));
        return button;
      }));
    }
    for (const button of /** @type {HTMLButtonElement[]} */ ([...this.tokens.children])) {
      button.setAttribute("aria-pressed", String(button.dataset.name === (field.token ?? "")));
    }
  }

  /** The heads of the shown layer, large. @param {Field} field @param {FieldLayer | undefined} layer */
  drawOwn(field, layer) {
    const count = layer ? layer.heads : 0;
    this.own.hidden = count < 2;
    if (!layer || count < 2) return;
    if (this.own.children.length !== count) {
      this.own.replaceChildren(...Array.from({ length: count }, (_, head) => {
        const button = makeButton("nlv-multiple");
        button.append(make("canvas"), make("span"));
        button.addEventListener("click", () => this.on.choose(this.block, this.head === head ? null : head));
        return button;
      }));
    }
    [...this.own.children].forEach((button, head) => {
      const canvas = /** @type {HTMLCanvasElement} */ (button.firstChild), scale = LARGE / Math.max(layer.rows, layer.columns);
      canvas.style.width = `${layer.columns * scale}px`;
      canvas.style.height = `${layer.rows * scale}px`;
      this.paint(canvas, field, layer, head);
      say(/** @type {Element} */ (button.lastChild), HEADS.head(head));
      button.setAttribute("aria-pressed", String(head === this.head));
    });
  }

  /** @param {HTMLCanvasElement} canvas @param {Field} field @param {FieldLayer} layer @param {number} head */
  paint(canvas, field, layer, head) {
    keepSize(canvas, layer.columns, layer.rows);
    const context = contextOf(canvas), image = context.createImageData(layer.columns, layer.rows), tile = field.tile(layer, head);
    const table = this.colours.tables[layer.signed ? this.cmaps.signed : this.cmaps.plain];
    const pixels = new Uint32Array(image.data.buffer);
    for (let at = 0; at < tile.length; at++) pixels[at] = table[tile[at]];
    context.putImageData(image, 0, 0);
  }

  /** All layers, a line each. @param {Field} field */
  drawAll(field) {
    const { canvas } = this, ratio = globalThis.devicePixelRatio || 1, step = Math.round((SMALL + GAP) * ratio);
    const width = field.heads * step, height = field.layers.length * step, css = SMALL + GAP;
    keepSize(canvas, width, height);
    canvas.style.width = `${field.heads * css}px`;
    canvas.style.height = `${field.layers.length * css}px`;
    const context = contextOf(canvas), image = context.createImageData(width, height);
    const tableOf = (/** @type {FieldLayer} */ layer) => this.colours.tables[layer.signed ? this.cmaps.signed : this.cmaps.plain];
    paintField(field, tableOf, step, Math.round(SMALL * ratio), new Uint32Array(image.data.buffer));
    context.putImageData(image, 0, 0);
    const line = field.layers.findIndex((layer) => layer.block === this.block), chosen = field.layers[line];
    if (chosen) {
      context.strokeStyle = this.ink ||= getComputedStyle(canvas).color;
      context.lineWidth = (this.head === null ? 1 : 2) * ratio;
      for (let head = 0; head < chosen.heads; head++) {
        if (this.head === null || head === this.head) context.strokeRect(head * step - 0.5, line * step - 0.5, SMALL * ratio + 1, SMALL * ratio + 1);
      }
    }
    const blocks = field.layers.map((layer) => layer.block);
    if (this.names.dataset.of !== blocks.join()) {
      this.names.dataset.of = blocks.join();
      this.names.replaceChildren(...blocks.map((block) => {
        const button = makeButton("nlv-fieldname");
        button.textContent = shortName(block, blocks);
        button.title = block;
        button.addEventListener("click", () => this.on.choose(block, null));
        return button;
      }));
    }
    [...this.names.children].forEach((button, at) => button.setAttribute("aria-current", String(blocks[at] === this.block)));
  }
}

/** A canvas of a size: one that has it keeps its memory. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function keepSize(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}
