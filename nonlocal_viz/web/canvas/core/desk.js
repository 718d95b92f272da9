// Questions to the server and its answers. Every question has a number, which its answer brings back; an
// answer whose question is no longer open, because something else was asked since, is dropped.

/** @typedef {import("../protocol.js").Answer} Said */
/** @typedef {import("../protocol.js").Source} Source */
/** @typedef {import("../protocol.js").View} View */
/** @typedef {import("../protocol.js").Block} Meta */
/** @typedef {import("./answer.js").Direction} Direction */
/** @typedef {{ source: Source, block: string, index: number, direction: Direction, x: number, y: number, frame: number }} RowAsked */
/** @typedef {{ props: { config: import("../protocol.js").Config, value: Said | null }, trigger: (event: string, data?: object) => void,
 *   watch: (name: string, listener: () => void) => void, upload: (file: File) => Promise<{ path: string }>, address?: boolean }} Host what gradio provides;
 * address: false where the window's address belongs to somebody else */
/** @typedef {{ view: (view: View, factors: ArrayBuffer | null) => void, block: (meta: Meta, factors: ArrayBuffer | null) => void,
 *   row: (asked: RowAsked, weights: Float32Array) => void, file: (name: string, url: string) => void,
 *   working: (words: string) => void, failed: (message: string) => void }} Listener */

const BROKEN = "The answer of the server did not arrive whole; try again.";
/** Milliseconds that the pointer has to rest before a row is asked of the server. */
const REST = 80;

export class Desk {
  /** @param {Host} host @param {Listener} on */
  constructor(host, on) {
    this.host = host;
    this.on = on;
    this.count = 0;
    /** Open questions by number; 0 is the first picture, which the page asks for by itself. @type {Map<number, "picture" | "block" | "row" | "save">} */
    this.open = new Map([[0, "picture"]]);
    /** @type {RowAsked | null} */
    this.rowWanted = null;
    /** @type {RowAsked | null} */
    this.rowAsked = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.rowTimer = undefined;
    /** Downloads are asked for one by one: of several answers within a frame the page sees only the last. @type {object[]} */
    this.saves = [];
    this.seq = 0;
  }

  /** Hear the answers, also the one that is here already. */
  listen() {
    this.host.watch("value", () => this.hear());
    return this.hear();
  }

  /** Whether another picture is on its way. */
  get waiting() { return this.count > 0 && this.has("picture"); }

  /** @param {string} kind */
  has(kind) { return [...this.open.values()].includes(/** @type {any} */ (kind)); }

  /** @param {"picture" | "block" | "row" | "save"} kind @param {object} question */
  ask(kind, question) {
    const number = ++this.count;
    this.open.set(number, kind);
    this.host.trigger(kind, { ...question, question: number });
    return number;
  }

  /** What was asked before is of no interest any more. */
  forget() {
    this.open.clear();
    this.rowWanted = null;
    this.saves = [];
    this.on.working("");
  }

  /** @param {Source} source @param {string | null} block */
  openPicture(source, block) {
    this.forget();
    this.ask("picture", { source, block });
  }

  /** @param {Source} source @param {string} block */
  openBlock(source, block) { this.ask("block", { source, block }); }

  /** A row of a block that is too big for the browser, asked for when the pointer rests. @param {RowAsked} asked */
  wantRow(asked) {
    this.rowWanted = asked;
    clearTimeout(this.rowTimer);
    this.rowTimer = setTimeout(() => this.askRow(), REST);
  }

  /** One question at a time; of those that come up meanwhile only the last is asked. */
  askRow() {
    if (!this.rowWanted || this.has("row") || this.waiting) return;
    const { index: _, ...question } = (this.rowAsked = this.rowWanted);
    this.rowWanted = null;
    this.ask("row", question);
  }

  /** @param {object} question */
  save(question) {
    this.saves.push(question);
    this.nextSave();
  }

  nextSave() {
    const next = this.has("save") ? undefined : this.saves.shift();
    if (next) this.ask("save", next);
  }

  /** No download any more, neither the one that is being written nor those that wait. */
  cancel() {
    this.host.trigger("cancel");
    this.saves = [];
    for (const [number, kind] of this.open) if (kind === "save") this.open.delete(number);
    this.on.working("");
  }

  /** What the page's value says now. */
  async hear() {
    const said = this.host.props.value;
    if (!said || said.seq === this.seq) return;
    this.seq = said.seq;
    const number = said.question ?? 0;
    if (!this.open.has(number)) return;
    if (said.kind === "progress") { this.on.working(said.words); return; }
    try {
      const show = await this.arrived(said);
      if (!this.end(number)) return;
      show();
    } catch {
      // Either a file did not come, or what came is not what was announced.
      this.end(number);
      this.on.failed(BROKEN);
    }
    this.nextSave();
    this.askRow();
  }

  /** Fetch what belongs to an answer; gives what shows it. @param {Exclude<Said, { kind: "progress" }>} said @returns {Promise<() => void>} */
  async arrived(said) {
    if (said.kind === "error") return () => this.on.failed(said.message);
    if (said.kind === "file") return () => this.on.file(said.name, said.file.url);
    if (said.kind === "row") {
      const asked = /** @type {RowAsked} */ (this.rowAsked), weights = await fetched(said.weights);
      return () => this.on.row(asked, new Float32Array(/** @type {ArrayBuffer} */ (weights)));
    }
    const factors = await fetched(said.first.factors);
    if (said.kind === "block") return () => this.on.block(said.first, factors);
    return () => { this.forget(); this.on.view(said, factors); };
  }

  /** Close a question. @param {number} question @returns {boolean} whether it was open still */
  end(question) {
    if (this.open.get(question) === "save") this.on.working("");
    return this.open.delete(question);
  }
}

/** @param {import("../protocol.js").File | null} file */
async function fetched(file) {
  if (!file) return null;
  const response = await fetch(file.url);
  if (!response.ok) throw new Error(response.statusText);
  return response.arrayBuffer();
}
