// A page without a server: what a network made of a picture lies in the page itself.

/** @typedef {import("../protocol.js").Shelf} Held */

const NO_SERVER = "This page works alone, without the tool that made it; ask it there.";

export class Shelf {
  /** @param {Held} held */
  constructor({ config, view, others, weights, query }) {
    /** @type {{ config: import("../protocol.js").Config, value: any }} */
    this.props = { config, value: null };
    this.view = view;
    this.blocks = Object.fromEntries([view.first, ...others].map((block) => [block.block, block]));
    this.weights = weights;
    /** One answer and none besides: there is nothing to point at. */
    this.fixed = weights !== null;
    /** The window's address belongs to whoever shows the page. */
    this.address = false;
    this.asked = query;
    /** @type {(() => void)[]} */
    this.listeners = [];
    this.count = 0;
  }

  /** @param {string} _name @param {() => void} listener */
  watch(_name, listener) { this.listeners.push(listener); }

  /** @param {string} event @param {any} question */
  trigger(event, question) {
    if (event === "cancel") return;
    const answer = this.answerTo(event, question);
    // As a server would: later.
    queueMicrotask(() => {
      this.props.value = { ...answer, question: question.question, seq: ++this.count };
      this.listeners.forEach((listener) => listener());
    });
  }

  /** @param {string} event @param {any} question */
  answerTo(event, { block, ...question }) {
    const { source, first } = this.view, held = this.blocks[block];
    if (event === "start" || event === "picture") return { ...this.view, first: held || first };
    if (event === "block" && held) return { kind: "block", source, first: held };
    if (event === "row" && this.weights) return { kind: "row", source, block, direction: question.direction, cell: [], weights: this.weights };
    return { kind: "error", message: event === "block" ? `This page holds ${Object.keys(this.blocks).join(" and ")} alone.` : NO_SERVER };
  }

  /** @param {File} _file @returns {Promise<{ path: string }>} */
  upload(_file) { return Promise.reject(new Error(NO_SERVER)); }
}
