// What can be undone: for every deed what was kept before it, and the deed in words.

/** @template State */
export class Past {
  constructor() {
    /** @type {{ words: string, state: State }[]} */
    this.deeds = [];
  }

  /** The last deed, "" where there is none. */
  get words() { return this.deeds.length ? this.deeds[this.deeds.length - 1].words : ""; }

  /** @param {string} words what is about to be done @param {State} state before it @param {boolean} [run] whether several of them in a row are one */
  remember(words, state, run = false) {
    if (!(run && words === this.words)) this.deeds.push({ words, state });
  }

  /** The last deed, which is no longer remembered. */
  back() { return this.deeds.pop() || null; }

  forget() { this.deeds = []; }

  /** What is remembered, in other terms. @param {(state: State) => State} change */
  each(change) { this.deeds = this.deeds.map(({ words, state }) => ({ words, state: change(state) })); }
}
