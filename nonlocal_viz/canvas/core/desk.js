// Questions to the server and its answers. Every question has a number, which its answers bring back; an
// answer whose question is no longer open, because something else was asked since, is dropped. A question
// that brings no answer is asked again with patience (patience.js): none waits for ever, none is lost.

import { broughtBy } from "./brought.js";
import { fetched } from "./fetched.js";
import { FieldLine } from "./field.js";
import { SendingError } from "./line.js";
import { gaveUp, Patience } from "./patience.js";
import { readable, Sent } from "./sent.js";
import { handleOf } from "./source.js";
import { BRINGING, lateOf, waitedFor } from "./waited.js";

/** @typedef {import("../protocol.js").Answer} Said */
/** @typedef {import("../protocol.js").Source} Source */
/** @typedef {import("../protocol.js").Block} Meta */
/** @typedef {import("./answer.js").Direction} Direction */
/** @typedef {import("./patience.js").Kind} Kind */
/** @typedef {{ source: Source, block: string, index: number, direction: Direction, x: number, y: number, frame: number, head?: number,
 *   token?: string }} RowAsked */
/** @typedef {import("./line.js").Host} Host */
/** @typedef {{ view: (view: import("../protocol.js").View, factors: ArrayBuffer | null) => void, block: (meta: Meta, factors: ArrayBuffer | null) => void,
 *   row: (asked: RowAsked, weights: Float32Array) => void, file: (name: string, url: string) => void,
 *   field: (field: import("./field.js").Field | null, why: string) => void,
 *   waiting: (waiting: import("./waited.js").Waiting, late: import("./patience.js").Trouble | null) => void,
 *   failed: (message: string, kind: Kind) => void }} Listener */
/** @typedef {{ kind: Kind, question: any, patience: Patience, words: string, done: number | null, go: () => void, abort: AbortController,
 *   resent: boolean, stopped: () => void } & import("./brought.js").Aside} Open a question; go: one try of it; abort: ends what is fetched for it */

const BROKEN = "The answer of the server could not be read; try again.";
/** Milliseconds that the pointer has to rest before a row is asked of the server. */
const REST = 80;

export class Desk {
  /** @param {Host} host @param {Listener} on */
  constructor(host, on) {
    this.host = host; this.on = on; this.count = 0;
    /** Open questions by number. @type {Map<number, Open>} */
    this.open = new Map();
    /** @type {RowAsked | null} */
    this.rowWanted = null;
    /** @type {RowAsked | null} */
    this.rowAsked = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.rowTimer = undefined;
    this.fields = new FieldLine(this);
    /** Downloads are asked for one by one. @type {object[]} */
    this.saves = [];
    this.seq = 0; this.sent = new Sent();
  }

  /** Hear the answers, also the one that is here already; where none is, ask for the first picture. It alone is
   * number 0. @param {object} [asked] what the address asks for */
  listen(asked = {}) {
    this.host.watch("value", () => this.hear());
    this.put(0, "start", { query: asked }, !this.host.props.value);
    return this.hear();
  }

  /** Whether another picture is on its way. */
  get waiting() { return this.has("picture"); }
  /** @param {...Kind} kinds */
  has(...kinds) { return this.of(...kinds).length > 0; }
  /** Those that people see. @param {...Kind} kinds */
  of(...kinds) { return [...this.open].filter(([, open]) => kinds.includes(open.kind) && !open.aside); }

  /** Whether the picture is on its way, or a part of it. */
  get looking() { return this.has(...BRINGING); }

  /** @param {Kind} kind @param {object} question */
  ask(kind, question) {
    const number = ++this.count;
    this.put(number, kind, question);
    return number;
  }

  /** @param {number} number @param {Kind} kind @param {any} question @param {boolean} [now] @param {Partial<Open>} [more] */
  put(number, kind, question, now = true, more = {}) {
    const patience = new Patience(kind, {
      ask: () => { open.abort = new AbortController(); open.done = null; open.go(); },
      stop: () => { open.abort.abort(); if (kind !== "upload") this.host.trigger("cancel", { question: number }); },
      over: () => { if (this.end(number)) { open.stopped(); this.failed(gaveUp(kind), open); } },
      changed: () => this.report(),
    });
    /** @type {Open} */
    const open = {
      kind, question, patience, words: "", done: null, abort: new AbortController(), resent: false, stopped() {},
      go: () => this.send(number, open), ...more,
    };
    this.open.set(number, open);
    this.report();
    if (now) patience.begin();
  }

  /** @param {number} number @param {Open} open */
  send(number, open) {
    // A row that is asked again is the one that is wanted by now.
    if (open.kind === "row" && this.rowWanted) open.question = this.takeRow();
    if (open.kind === "field") open.question = this.fields.take(open.question);
    this.host.trigger(open.kind, { ...open.question, question: number });
  }

  /** What was asked before is of no interest any more. */
  forget() {
    this.rowWanted = this.fields.wanted = null; this.saves = [];
    for (const number of [...this.open.keys()]) this.stop(number);
    this.report();
  }

  /** Nobody waits for a question any more; the server is told. @param {number} number */
  stop(number) {
    const open = this.open.get(number);
    if (!this.end(number)) return;
    open?.patience.on.stop();
    open?.stopped();
  }

  /** No download any more, neither the one that is being written nor those that wait. */
  cancelSaves() {
    this.saves = [];
    for (const [number] of this.of("save")) this.stop(number);
  }

  /** What is shown stays. Who cancels what is in trouble means that, too. */
  cancelLook() {
    this.rowWanted = null;
    if (this.of("save").some(([, { patience }]) => patience.trouble)) this.cancelSaves();
    for (const [number] of this.of(...BRINGING, "row")) this.stop(number);
    this.nextSave();
  }

  /** Do not wait for the next try. */
  again() { for (const { patience } of this.open.values()) patience.again(); }

  /** @param {Source} source @param {string | null} block */
  openPicture(source, block) {
    this.forget();
    this.ask("picture", { source, block });
  }

  /** @param {Source} source @param {string} block */
  openBlock(source, block) { this.ask("block", { source, block }); }

  /** Send a file. @param {File} file @returns {Promise<string | null>} what the server calls it; null: nobody waits for it any more */
  sendFile(file) {
    this.forget();
    return new Promise((resolve) => {
      const number = ++this.count, words = `Sending ${file.name}`;
      this.put(number, "upload", {}, true, {
        words, stopped: () => resolve(null),
        go: () => this.transfer(number, file, (path) => {
          const upload = handleOf(path);
          this.sent.keep(upload, file);
          if (this.end(number)) resolve(upload);
        }),
      });
    });
  }

  /** One try to send a file for a question. @param {number} number @param {File} file @param {(path: string) => void} arrived */
  async transfer(number, file, arrived) {
    const open = this.open.get(number);
    if (!open) return;
    const { signal } = open.abort;
    const sent = (/** @type {number} */ share) => { open.patience.heard(); open.done = share; this.report(); };
    try {
      const { path } = await this.host.upload(file, { signal, sent });
      if (!signal.aborted) arrived(path);
    } catch (error) {
      if (signal.aborted) return;
      const words = error instanceof SendingError ? error.words : String(/** @type {Error} */ (error).message);
      const gone = words || (await readable(file)) ? words : `${file.name} can no longer be read; choose it again.`;
      if (!gone) open.patience.failed(error instanceof SendingError ? error.why : "lost");
      else if (this.end(number)) { open.stopped(); this.failed(gone, open); }
    }
  }

  /** A row of a block that is too big for the browser, asked for when the pointer rests. @param {RowAsked} asked */
  wantRow(asked) {
    this.rowWanted = asked;
    clearTimeout(this.rowTimer);
    this.rowTimer = setTimeout(() => this.askRow(), REST);
  }

  /** One question at a time; of those that come up meanwhile only the last is asked. */
  askRow() {
    if (this.rowWanted && !this.has("row") && !this.waiting) this.ask("row", {});
  }

  takeRow() {
    const { index: _, ...question } = (this.rowAsked = /** @type {RowAsked} */ (this.rowWanted)); this.rowWanted = null;
    return question;
  }

  /** @param {object} question */
  save(question) { this.saves.push(question); this.nextSave(); }

  nextSave() {
    const next = this.has("save") ? undefined : this.saves.shift();
    if (next) this.ask("save", next);
  }

  /** What the page's value says now. */
  async hear() {
    const said = this.host.props.value;
    if (!said || said.seq === this.seq) return;
    this.seq = said.seq;
    const number = said.question ?? 0, open = this.open.get(number);
    if (!open) return;
    if (said.kind === "trouble") { open.patience.failed(said.why); return; }
    if (said.kind === "error" && this.recovers(said, number, open)) return;
    open.patience.heard();
    if (said.kind === "alive") return;
    if (said.kind === "progress") { this.working(open, said.words, said.done); return; }
    await this.show(said, number, open);
  }

  /** @param {Open} open @param {string} words @param {number | null} done */
  working(open, words, done) {
    open.words = words;
    open.done = done;
    this.report();
  }

  /** Whether a failure is one that a later try mends. @param {import("../protocol.js").ErrorAnswer} said
   * @param {number} number @param {Open} open */
  recovers(said, number, open) {
    const file = this.sent.fileOf(open.question.source);
    if (said.why === "busy") open.patience.failed("full");
    else if (said.why === "gone" && file && !open.resent) {
      // The server was begun anew and has lost what it was given; the browser has it still.
      open.words = `Sending ${file.name} again`;
      this.transfer(number, file, () => {
        open.resent = true;
        open.words = "";
        open.go();
      });
    } else return false;
    return true;
  }

  /** @param {Exclude<Said, { kind: "progress" }>} said @param {number} number @param {Open} open */
  async show(said, number, open) {
    const { signal } = open.abort;
    /** @type {() => void} */
    let act;
    try { act = await this.arrived(said, open); } catch {
      if (!signal.aborted) open.patience.failed("lost");
      return;
    }
    if (signal.aborted || !this.end(number)) return;
    try { act(); } catch (error) {
      console.error(error);
      this.failed(BROKEN, open);
    }
    this.nextSave();
    this.askRow();
    this.fields.ask();
  }

  /** Fetch what belongs to an answer; gives what shows it. @param {Exclude<Said, { kind: "progress" }>} said @param {Open} open
   * @returns {Promise<() => void>} */
  async arrived(said, open) {
    const bring = (/** @type {import("../protocol.js").File | null} */ file) => file && fetched(file.url, open.abort.signal, (share) => {
      open.patience.heard();
      if (open.kind !== "row" && open.kind !== "field") this.working(open, open.words, share);
    });
    if (open.brought) return broughtBy(said, open, bring);
    if (said.kind === "error") return () => this.failed(said.message, open);
    if (said.kind === "field") return this.fields.arrived(said, await bring(said.tiles));
    if (said.kind === "file") {
      const content = /** @type {ArrayBuffer} */ (await bring(said.file));
      return () => this.on.file(said.name, URL.createObjectURL(new Blob([content])));
    }
    if (said.kind === "row") {
      const asked = /** @type {RowAsked} */ (this.rowAsked), weights = await bring(said.weights);
      return () => this.on.row(asked, new Float32Array(/** @type {ArrayBuffer} */ (weights)));
    }
    const factors = await bring(said.first.factors);
    if (said.kind === "block") return () => this.on.block(said.first, factors);
    return () => { this.forget(); this.on.view(said, factors); };
  }

  /** @param {string} message @param {Open} open */
  failed(message, open) {
    if (open.kind === "field") this.on.field(null, message);
    else this.on.failed(message, open.kind);
    if (open.kind === "save") this.nextSave();
  }

  /** Close a question. @param {number} number @returns {boolean} whether it was open still */
  end(number) {
    this.open.get(number)?.patience.end();
    const was = this.open.delete(number);
    this.report();
    return was;
  }

  report() { this.on.waiting(waitedFor([...this.open.values()].filter(({ aside }) => !aside)), lateOf([...this.open.values()])); }
}
