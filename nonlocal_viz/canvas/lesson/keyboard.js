// Keys of the lesson: pages, language, one level up. They come before those of the picture, while a page is open.

export class Keyboard {
  /** @param {import("./lesson.js").Lesson} lesson */
  constructor(lesson) {
    this.lesson = lesson;
    document.addEventListener("keydown", (event) => {
      if (!lesson.on || !lesson.session.company.ours(event) || event.altKey || event.ctrlKey || event.metaKey) return;
      if (!this.press(event)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    }, true);
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether it is ours */
  press({ key, target }) {
    const { lesson } = this, element = /** @type {Element} */ (target), letter = key.length === 1;
    if (element.closest("dialog") || element.matches("select, textarea, input:not([type=range], [type=checkbox])")) return false;
    if (letter && !lesson.session.keys.letters) return false;
    const deed = this.deeds[letter ? key.toLowerCase() : key];
    return deed ? deed(element) !== false : false;
  }

  /** @type {Record<string, (element: Element) => boolean | void>} */
  get deeds() {
    const { lesson } = this;
    return {
      PageDown: () => lesson.turning.to(lesson.number + 1), PageUp: () => { if (lesson.number > 1) lesson.turning.to(lesson.number - 1); },
      t: () => lesson.nextLanguage(), e: () => lesson.present(),
      Escape: () => lesson.aiming.up() || lesson.veiled,
      Enter: (element) => {
        if (!element.matches(".nlv-picture") || !lesson.aiming.at("marker")) return lesson.veiled && element.matches(".nlv-picture");
        if (lesson.place.marker) lesson.answer("ask", lesson.place.marker);
        return true;
      },
      // Under the veil nothing is pinned, saved or turned round.
      p: () => lesson.veiled, d: () => lesson.veiled, r: () => true, n: () => true, b: () => true,
    };
  }
}
