// Files that were sent, to be sent again when the server has lost them. A file is called by its content, so that
// it has the same name on every server.

/** @typedef {import("../protocol.js").Source} Source */

/** How many are kept; a file of a disk costs the browser nothing, one of the clipboard its size. */
const FILES = 8;

export class Sent {
  constructor() {
    /** By the name that the server knows it by, the newest last. @type {Map<string, File>} */
    this.files = new Map();
  }

  /** @param {string} upload @param {File} file */
  keep(upload, file) {
    this.files.delete(upload);
    this.files.set(upload, file);
    for (const oldest of [...this.files.keys()].slice(0, -FILES)) this.files.delete(oldest);
  }

  /** @param {Source | undefined} source */
  fileOf(source) { return source?.upload ? this.files.get(source.upload) : undefined; }
}

/** Whether a file is still where it was chosen. @param {File} file */
export async function readable(file) {
  try { await file.slice(0, 1).arrayBuffer(); } catch { return false; }
  return true;
}
