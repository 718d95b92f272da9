// A photo that did not come: what lies over it is then over nothing, so one sentence stands there alone.

import { one } from "./elements.js";

export class Lost {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.box = one(root, ".nlv-lost");
    /** @type {Map<HTMLImageElement, string>} */
    this.gone = new Map();
    one(this.box, "button").addEventListener("click", () => this.again());
    addEventListener("online", () => this.again());
  }

  /** Other photos are shown from now on. */
  forget() {
    this.gone.clear();
    this.show();
  }

  /** A photo, and where it comes from. @param {HTMLImageElement} image @param {string} url */
  watch(image, url) {
    image.onerror = () => { this.gone.set(image, url); this.show(); };
    image.onload = () => { if (this.gone.delete(image)) this.show(); };
    image.src = url;
  }

  /** Ask once more for what did not come. */
  again() { for (const [image, url] of this.gone) image.src = url; }

  show() {
    this.box.hidden = !this.gone.size;
    this.root.classList.toggle("nlv-nophoto", this.gone.size > 0);
  }
}
