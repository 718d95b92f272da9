// How large the picture is shown: 1 is as a whole. What does not fit is scrolled to, so that a pointer's place
// is read off the picture's own box as ever.

import { one } from "./elements.js";

/** A step of the keys and buttons. */
const STEP = 1.5;

export class Zoom {
  /** @param {HTMLElement} root @param {import("./stage.js").Stage} stage */
  constructor(root, stage) {
    this.stage = stage;
    this.pan = one(root, ".nlv-pan");
    this.words = one(root, ".nlv-zoomed");
    this.less = /** @type {HTMLButtonElement} */ (one(root, '[data-do="smaller"]'));
    this.level = 1;
    /** Whether a mouse would drag the picture, since the space bar is down. */
    this.space = false;
    /** Where the picture is held. @type {[number, number] | null} */
    this.held = null;
    this.less.addEventListener("click", () => this.by(-1));
    one(root, '[data-do="larger"]').addEventListener("click", () => this.by(1));
    one(root, '[data-do="whole"]').addEventListener("click", () => this.to(1));
    stage.picture.addEventListener("wheel", (e) => {
      if (!e.ctrlKey && !e.metaKey) return;
      e.preventDefault();
      this.to(this.level * Math.exp(-Math.max(-60, Math.min(60, e.deltaY)) / 100), [e.clientX, e.clientY]);
    }, { passive: false });
    document.addEventListener("keydown", (e) => {
      if (e.key !== " " || this.level <= 1 || stage.photos.length > 1 || !stage.picture.matches(":hover")) return;
      if (e.target === document.body || e.target === stage.picture) e.preventDefault();
      this.grip(true);
    });
    document.addEventListener("keyup", (e) => { if (e.key === " ") this.grip(false); });
  }

  /** @param {boolean} on */
  grip(on) {
    this.space = on;
    this.stage.picture.classList.toggle("grip", on);
  }

  /** So far that a pixel of the original is eight of the screen. */
  get most() { return Math.max(8, 8 / this.stage.scale); }

  /** @param {number} steps */
  by(steps) { this.to(this.level * STEP ** steps); }

  /** @param {number} level @param {[number, number]} [around] what stays where it is, in pixels of the window; else the middle */
  to(level, around) {
    const { pan, stage: { picture } } = this, room = pan.getBoundingClientRect(), before = picture.getBoundingClientRect();
    const [x, y] = around || [room.left + room.width / 2, room.top + room.height / 2];
    const across = (x - before.left) / before.width, down = (y - before.top) / before.height;
    this.level = Math.min(Math.max(level, 1), this.most);
    this.stage.fit();
    const now = picture.getBoundingClientRect();
    pan.scrollLeft += now.left + across * now.width - x;
    pan.scrollTop += now.top + down * now.height - y;
  }

  /** The picture got its size. */
  show() {
    this.words.textContent = this.level > 1 ? `${Math.round(100 * this.level)} %` : "Fit";
    this.less.disabled = this.level <= 1;
    this.stage.picture.classList.toggle("zoomed", this.level > 1);
  }

  /** The middle button, or any while the space bar is down, holds a picture that is larger than its room. @param {PointerEvent} event */
  grab(event) {
    if (this.level <= 1 || event.pointerType === "touch" || !(event.button === 1 || (this.space && event.button === 0))) return false;
    event.preventDefault();
    this.held = [event.clientX, event.clientY];
    this.stage.picture.setPointerCapture(event.pointerId);
    return true;
  }

  /** @param {MouseEvent} event @returns {boolean} whether the picture is being dragged */
  drag(event) {
    if (!this.held) return false;
    this.pan.scrollLeft -= event.clientX - this.held[0];
    this.pan.scrollTop -= event.clientY - this.held[1];
    this.held = [event.clientX, event.clientY];
    return true;
  }

  /** @returns {boolean} whether it was */
  release() {
    const was = this.held !== null;
    this.held = null;
    return was;
  }
}
