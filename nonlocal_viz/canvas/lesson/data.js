// What a page needs besides the factors: asked of the server once for a picture and block, a page ahead of its use.

import { Block } from "../core/answer.js";
import { bring } from "../core/brought.js";
import { decoded } from "../core/halves.js";
import { modelOf, sameFile } from "../core/source.js";

/** @typedef {import("../protocol.js").Source} Source */
/** @typedef {import("../protocol.js").View} View */
/** @typedef {{ view: View, factors: ArrayBuffer | null }} Fetched */
/** @typedef {{ said: any, files: Record<string, ArrayBuffer> }} Brought */

/** So many answers are kept: the newest. */
const KEPT_ANSWERS = 24;

export class Data {
  /** @param {import("../session.js").Session} session @param {() => void} arrived */
  constructor(session, arrived) {
    this.session = session;
    this.arrived = arrived;
    /** By question; null while it is on its way, false where it failed. @type {Map<string, any>} */
    this.known = new Map();
  }

  /** What two questions have to share to be one. @param {Source} source @param {string} block @param {object} question */
  key({ example, upload, model, frames, spacetime }, block, question) {
    const own = Object.entries(question).flat(2).join(" ");
    return [example, upload, model || "", frames || "", spacetime !== false, block, own].join("|");
  }

  /** @param {string} key @param {any} value */
  keep(key, value) {
    this.known.delete(key);
    this.known.set(key, value);
    for (const oldest of [...this.known.keys()].slice(0, -KEPT_ANSWERS)) this.known.delete(oldest);
  }

  /** An answer if it is here; else it is asked for. @param {Source} source @param {string} block @param {Record<string, any>} question
   * @returns {any} null while it is on its way, false where there is none */
  get(source, block, question) {
    const key = this.key(source, block, question), known = this.known.get(key);
    if (known !== undefined) return known;
    this.keep(key, null);
    bring(this.session.desk, "lesson", { source, block, x: 0, y: 0, frame: 0, ...question }).then((brought) => {
      if (brought) {
        this.keep(key, opened(brought));
        this.arrived();
      } else this.known.delete(key);
    }, () => { this.keep(key, false); this.arrived(); });
    return null;
  }

  /** A picture that a page will open. @param {Source} source @param {string} block */
  ahead(source, block) {
    const key = this.key(source, block, { ahead: true }), { open } = this.session;
    if (this.known.has(key) || (open && sameFile(open.source, source) && modelOf(open.source, "") === modelOf(source, ""))) return;
    this.keep(key, null);
    bring(this.session.desk, "picture", { source, block }).then((brought) => {
      if (!brought) { this.known.delete(key); return; }
      for (const { url } of brought.said.frames) new Image().src = url;
      this.keep(key, { view: brought.said, factors: brought.files.factors || null });
    }, () => this.known.delete(key));
  }

  /** Whether nothing is on its way. */
  get idle() { return [...this.known.values()].every((value) => value !== null); }

  /** The same, if it has come. @param {Source} source @param {string} block @returns {Fetched | null} */
  picture(source, block) { return this.known.get(this.key(source, block, { ahead: true })) || null; }
}

/** Files as numbers. @param {Brought} brought @returns {any} */
function opened({ said, files }) {
  /** @type {Record<string, any>} */
  const found = { ...said, files };
  for (const [name, given] of Object.entries(said.tensors || {})) found[name] = tensor(given.type, files[name]);
  if (said.weights) found.weights = tensor(said.weights.type, files.weights);
  if (said.cousin) found.cousin = new Block(said.cousin, files.cousin || null);
  return found;
}

/** @param {string} type @param {ArrayBuffer} buffer */
const tensor = (type, buffer) => (type === "float16" ? decoded(new Uint16Array(buffer)) : new Float32Array(buffer));
