// Keys of the keyboard.

/** @typedef {Record<string, () => void>} Deeds */

/** Letters work everywhere on a canvas; arrows, space and Enter belong to its picture.
 * @param {KeyboardEvent} event @param {Element} picture @param {Deeds} deeds @returns {(() => void) | null} */
export function deedOf(event, picture, deeds) {
  const target = /** @type {Element} */ (event.target), key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("dialog")) return null;
  if (target.matches("select, textarea, input:not([type=checkbox], [type=range])")) return null;
  const free = (key.length === 1 && key !== " ") || key === "Escape";
  return Object.hasOwn(deeds, key) && (free || target === picture) ? deeds[key] : null;
}

/** @param {import("./company.js").Company} company @param {Element} picture @param {() => boolean} ready @param {Deeds} deeds */
export function listenToKeys(company, picture, ready, deeds) {
  document.addEventListener("keydown", (event) => {
    const deed = company.ours(event) && ready() ? deedOf(event, picture, deeds) : null;
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}
