// Elements below a canvas's own root; nothing here or elsewhere looks further up.

/** @typedef {HTMLElement} Root */

/** The one element of a selector. @template {Element} [E=HTMLElement] @param {Element} root @param {string} selector @returns {E} */
export function one(root, selector) {
  const found = root.querySelector(selector);
  if (!found) throw new Error(`The page has no ${selector}.`);
  return /** @type {E} */ (found);
}

/** @template {Element} [E=HTMLElement] @param {Element} root @param {string} selector @returns {E[]} */
export const all = (root, selector) => [...root.querySelectorAll(selector)].map((element) => /** @type {any} */ (element));

/** A new element. @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {string} [className] @returns {HTMLElementTagNameMap[K]} */
export function make(tag, className = "") {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

/** @returns {HTMLButtonElement} @param {string} [className] */
export function makeButton(className = "") {
  const button = make("button", className);
  button.type = "button";
  return button;
}

/** Words, only where they differ: what did not change is not spoken again. @param {Element} element @param {string} words */
export function say(element, words) { if (element.textContent !== words) element.textContent = words; }

/** @param {HTMLCanvasElement} canvas */
export const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** Pixels of a picture -> css, in percent of it, so that no resize needs a recomputation. @param {import("../core/grid.js").Rect} rect
 * @param {{ width: number, height: number }} picture */
export function percentOf(rect, { width, height }) {
  return {
    left: `${(100 * rect.left) / width}%`, top: `${(100 * rect.top) / height}%`,
    width: `${(100 * (rect.right - rect.left)) / width}%`, height: `${(100 * (rect.bottom - rect.top)) / height}%`,
  };
}

/** A pointer event -> pixels of the picture that an element shows. @param {MouseEvent} event @param {Element} element
 * @param {{ width: number, height: number }} picture @returns {[number, number]} */
export function pixelOf(event, element, { width, height }) {
  const box = element.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
}

/** Ids are names in the whole document: those of a canvas that is not the first get a number.
 * @param {HTMLElement} root @param {number} before canvases that are there already */
export function ownIds(root, before) {
  if (!before) return;
  for (const element of all(root, "[id]")) {
    const name = `${element.id}-${before + 1}`;
    for (const user of all(root, `[aria-describedby="${element.id}"]`)) user.setAttribute("aria-describedby", name);
    element.id = name;
  }
}

/** @param {string} name @param {string} url */
export function download(name, url) {
  const link = make("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
