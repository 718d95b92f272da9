// Several canvases on one page: keys and pasted pictures go to the one that has the focus, else to the one
// that was used last. They talk by events of their document and know nothing else of one another.

const USED = "nlv-used";
const ARRIVED = "nlv-arrived";

export class Company {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    const others = { count: 0, used: false };
    document.dispatchEvent(new CustomEvent(ARRIVED, { detail: others }));
    /** How many canvases were here before. */
    this.before = others.count;
    this.used = !others.used;
    document.addEventListener(ARRIVED, (e) => {
      if (!root.isConnected || !(e instanceof CustomEvent)) return;
      e.detail.count++;
      e.detail.used ||= this.used;
    });
    document.addEventListener(USED, (e) => { this.used = e instanceof CustomEvent && e.detail === root; });
    for (const kind of ["pointerdown", "focusin", "pointerenter"]) {
      root.addEventListener(kind, () => document.dispatchEvent(new CustomEvent(USED, { detail: root })));
    }
  }

  /** Whether an event of the document is ours. @param {Event} event */
  ours({ target }) {
    if (!this.root.isConnected || !(target instanceof Node)) return false;
    return this.root.contains(target) || (target === document.body && this.used);
  }
}
