// For a projector: the whole screen, and larger type.

import { one } from "./elements.js";

export class Screen {
  /** @param {HTMLElement} root @param {import("./stage.js").Stage} stage @param {() => void} refused the browser does not let us */
  constructor(root, stage, refused) {
    this.root = root;
    this.stage = stage;
    this.refused = refused;
    this.type = one(root, '[data-do="type"]');
    this.full = one(root, '[data-do="full"]');
    this.type.addEventListener("click", () => this.turnType());
    this.full.addEventListener("click", () => this.turnFull());
    root.addEventListener("fullscreenchange", () => {
      this.full.setAttribute("aria-pressed", String(this.isFull));
      root.classList.toggle("nlv-full", this.isFull);
      stage.fit();
    });
  }

  get isFull() { return document.fullscreenElement === this.root; }

  /** @returns {boolean} whether type is large now */
  turnType() {
    const large = this.root.classList.toggle("nlv-large");
    this.type.setAttribute("aria-pressed", String(large));
    this.stage.fit();
    return large;
  }

  async turnFull() {
    try {
      if (this.isFull) await document.exitFullscreen();
      else await this.root.requestFullscreen();
    } catch { this.refused(); }
  }
}
