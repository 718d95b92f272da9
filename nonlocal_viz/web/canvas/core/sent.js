// Files that were sent: where the server has them, and what to send again when it has lost them. For the page
// a file is called by the place that it first had, however often the server was begun anew since.

/** @typedef {import("../protocol.js").Source} Source */

/** How many are kept; a file of a disk costs the browser nothing, one of the clipboard its size. */
const FILES = 8;

export class Sent {
  constructor() {
    /** By the first place, the newest last. @type {Map<string, File>} */
    this.files = new Map();
    /** The first place -> that of now. @type {Map<string, string>} */
    this.places = new Map();
  }

  /** @param {string} path @param {File} file */
  keep(path, file) {
    this.files.delete(path);
    this.files.set(path, file);
    for (const oldest of [...this.files.keys()].slice(0, -FILES)) this.files.delete(oldest);
  }

  /** @param {Source | undefined} source */
  fileOf(source) { return source?.path ? this.files.get(source.path) : undefined; }

  /** A question as the server of now understands it. @template {{ source?: Source }} T @param {T} question @returns {T} */
  asOfNow(question) {
    const now = this.places.get(question.source?.path ?? "");
    return now ? { ...question, source: { ...question.source, path: now } } : question;
  }
}

/** Whether a file is still where it was chosen. @param {File} file */
export async function readable(file) {
  try { await file.slice(0, 1).arrayBuffer(); } catch { return false; }
  return true;
}
