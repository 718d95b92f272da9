// Canvases of one document that share a pointer: the same share of each picture, the same frame. They are set
// side by side to be compared, and are marked with data-linked; others do not hear them.

/** @typedef {import("./core/answer.js").Point} Point */
/** @typedef {{ from: HTMLElement, resting: Point, held: boolean, preview: Point | null }} Said points as shares of a picture's size */

const POINTED = "nlv-pointed";

export class Linked {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    this.on = session.root.dataset.linked !== undefined;
    if (this.on) document.addEventListener(POINTED, (e) => { if (e instanceof CustomEvent) this.hear(e.detail); });
  }

  /** What is pointed at here, to the others. */
  tell() {
    const { root, open, pointed } = this.session;
    if (!this.on || !open) return;
    const { width, height } = open.picture, share = (/** @type {Point} */ { x, y, t }) => ({ x: x / width, y: y / height, t });
    const { resting, held, preview } = pointed;
    document.dispatchEvent(new CustomEvent(POINTED, { detail: { from: root, resting: share(resting), held, preview: preview && share(preview) } }));
  }

  /** @param {Said} said */
  hear({ from, resting, held, preview }) {
    const { root, open, pointed } = this.session;
    if (from === root || !open) return;
    const { width, height, frames } = open.picture;
    const place = (/** @type {Point} */ { x, y, t }) => ({ x: x * width, y: y * height, t: Math.min(t, frames.length - 1) });
    pointed.start(place(resting), held);
    this.session.frame = pointed.resting.t;
    if (preview) pointed.point(place(preview));
    this.session.refresh();
  }
}
