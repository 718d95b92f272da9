// The tool round the lesson in the language of the lesson: its texts are written in English by whoever shows them, and
// said anew before anybody sees them. The lesson's own parts have their words from the start.

import { Phrases } from "../core/phrases.js";

const NAMED = ["aria-label", "aria-roledescription", "title", "placeholder", "alt"];
/** What speaks for itself: the lesson, and what people or the server named. */
const OWN = ".nlv-column, .nlv-tabs, .nlv-plan, .nlv-crumbs, .nlv-language, .nlv-handout, .nlv-lessonmarks, style, script";

export class Rewording {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Phrases | null} */
    this.phrases = null;
    /** Of each text and attribute: what it was in English, and what was made of it. @type {WeakMap<Node, Record<string, [string, string]>>} */
    this.made = new WeakMap();
    this.watch = new MutationObserver((changes) => {
      for (const { type, target, attributeName, addedNodes } of changes) {
        if (type === "attributes") this.attribute(/** @type {Element} */ (target), attributeName || "");
        else for (const node of addedNodes) this.all(node);
      }
    });
  }

  /** @param {import("../core/tongue.js").Tongue} tongue */
  speak({ tongues, now }) {
    this.watch.disconnect();
    this.back();
    this.phrases = now === "en" ? null : new Phrases(tongues.en, tongues[now]);
    if (!this.phrases) return;
    this.all(this.root);
    this.watch.observe(this.root, { subtree: true, childList: true, attributes: true, attributeFilter: NAMED });
  }

  /** Everything below. @param {Node} node */
  all(node) {
    if (node.nodeType === Node.TEXT_NODE) { this.text(/** @type {Text} */ (node)); return; }
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    const element = /** @type {Element} */ (node);
    if (element.closest(OWN)) return;
    for (const name of NAMED) if (element.hasAttribute(name)) this.attribute(element, name);
    for (const child of element.childNodes) this.all(child);
  }

  /** @param {Text} node */
  text(node) {
    if (node.parentElement?.closest(OWN)) return;
    const said = this.anew(node, "", node.data);
    if (said !== null) node.data = said;
  }

  /** @param {Element} element @param {string} name */
  attribute(element, name) {
    const now = element.getAttribute(name);
    if (now === null || element.closest(OWN)) return;
    const said = this.anew(element, name, now);
    if (said !== null) element.setAttribute(name, said);
  }

  /** What a text is to be; null: as it is. @param {Node} node @param {string} name @param {string} now */
  anew(node, name, now) {
    const made = this.made.get(node) || {};
    if (made[name]?.[1] === now) return null;
    const said = this.phrases ? this.phrases.say(now) : now;
    if (said === now) return null;
    this.made.set(node, { ...made, [name]: [now, said] });
    return said;
  }

  /** All in English again. */
  back() {
    const walk = document.createTreeWalker(this.root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      for (const [name, [english, said]] of Object.entries(this.made.get(node) || {})) {
        if (name === "" && /** @type {Text} */ (node).data === said) /** @type {Text} */ (node).data = english;
        else if (name && /** @type {Element} */ (node).getAttribute(name) === said) /** @type {Element} */ (node).setAttribute(name, english);
      }
      this.made.delete(node);
    }
  }
}
