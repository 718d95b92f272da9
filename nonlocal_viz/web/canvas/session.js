// One canvas: what it shows now, and what follows when something is pointed at, chosen or answered.
// The parts know no session; it hands each of them what it needs and hears what they were told.

import { answerTo, cellAsked, markOf } from "./core/answer.js";
import { Desk } from "./core/desk.js";
import { middle } from "./core/grid.js";
import { linkQuery } from "./core/link.js";
import { cmapOf, plainLook } from "./core/look.js";
import { PinList } from "./core/pinlist.js";
import { modelOf, withModel } from "./core/source.js";
import { answersFor } from "./answers.js";
import { deedsOf } from "./keymap.js";
import { Company } from "./parts/company.js";
import { Controls } from "./parts/controls.js";
import { one, ownIds } from "./parts/elements.js";
import { Intake, refusal } from "./parts/intake.js";
import { listenToKeys } from "./parts/keys.js";
import { Scene } from "./parts/scene.js";

/** @typedef {import("./core/answer.js").Answer} Answer */
/** @typedef {import("./core/answer.js").Block} Block */
/** @typedef {import("./core/answer.js").Point} Point */
/** @typedef {import("./core/look.js").Look} Look */
/** @typedef {import("./protocol.js").Source} Source */
/** @typedef {import("./protocol.js").View} View */
/** @typedef {{ source: Source, picture: View, blocks: Map<string, Block>, block: Block }} Open what is looked at */

export class Session {
  /** @param {HTMLElement} root @param {import("./core/desk.js").Host} host */
  constructor(root, host) {
    const { config } = host.props, fail = (/** @type {string} */ words) => this.fail(words);
    this.root = root;
    this.host = host;
    this.config = config;
    this.pins = new PinList();
    /** @type {Open | null} */
    this.open = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** The query. @type {Point} */
    this.point = { x: 0, y: 0, t: 0 };
    /** The frame that is shown large. */
    this.frame = 0;
    this.draws = 0;
    /** The block asked for last. */
    this.wanted = "";
    /** Uploads and pictures asked for: what an earlier one brings is of no interest. */
    this.turn = 0;
    /** What the address asks of the first picture. @type {URLSearchParams | null} */
    this.asked = new URLSearchParams(location.search);
    /** The browser's number of a drawing that is due. */
    this.due = 0;
    this.error = one(root, ".nlv-error");
    this.company = new Company(root);
    ownIds(root, this.company.before);
    this.scene = new Scene(root, config.maps, {
      point: (x, y, t) => this.pointTo({ x, y, t }), focus: (t) => this.focusOn(t), key: (slot) => this.markKey(slot),
      lesson: () => this.draw(), go: (pin) => this.goTo(pin), remove: (pin) => { this.pins.remove(pin); this.drawPins(); },
    });
    this.look = plainLook(this.scene.colours.names);
    this.controls = new Controls(root, config.models, {
      model: (name) => this.chooseModel(name), block: (name) => this.chooseBlock(name), look: (changes) => this.setLook(changes),
      clip: (changes) => this.resample(changes), save: (suffix) => this.save(suffix), link: () => this.copyLink(),
      cancel: () => this.desk.cancel(),
    });
    this.intake = new Intake(root, this.scene.stage.picture, this.company, config.examples, {
      file: (file) => this.openFile(file), failed: fail,
      example: (example, title) => this.openSource({ example, ...this.model }, `Opening ${title}`),
    });
    this.desk = new Desk(host, answersFor(this));
    this.scene.stage.listen({
      point: (x, y) => { if (this.open) this.pointTo({ x, y, t: this.frame }); },
      hold: (x, y, click) => this.hold({ x, y, t: this.frame }, click),
    });
    listenToKeys(this.company, this.scene.stage.picture, () => this.open !== null, deedsOf(this));
    this.controls.showLook(this.look);
  }

  // What is drawn.

  refresh() {
    if (!this.due) this.due = requestAnimationFrame(() => { this.due = 0; this.draw(); });
  }

  draw() {
    if (!this.open) return;
    const { source, block } = this.open, { point } = this, { direction } = this.look;
    const answer = answerTo(block, point, direction);
    if (!answer) {
      this.wantRow(source, block);
      return;
    }
    this.answer = answer;
    this.scene.draw(answer, this.frame, this.look);
    this.draws++;
  }

  /** A block without factors: its row comes from the server. @param {Source} source @param {Block} block */
  wantRow(source, block) {
    const { direction } = this.look, index = cellAsked(block, this.point, direction);
    if (block.holds(direction) || index < 0) return;
    const grid = block.asked(direction), [x, y] = middle(grid.rect(index));
    this.desk.wantRow({ source, block: block.name, index, direction, x, y, frame: grid.unflat(index)[0] });
  }

  get shownPins() { return this.open ? this.pins.of(this.open.block, this.look.direction) : []; }

  drawPins() { if (this.open) this.scene.drawPins(this.shownPins, this.frame, this.look); }

  speak() { if (this.answer) this.scene.speak(this.answer); }

  drawGrid() { if (this.open) this.scene.stage.drawGrid(this.look.grid, this.open.block); }

  showFields() {
    this.controls.showLook(this.look);
    if (!this.open) return;
    const { block, picture, source } = this.open, { signed } = block.meta;
    this.controls.showPicture({
      cmaps: this.scene.colours.fitting(signed), cmap: cmapOf(this.look, signed), view: picture, block: block.name,
      model: modelOf(source, this.ownModel), frames: source.frames || 8, spacetime: source.spacetime !== false, held: block.holds(this.look.direction),
    });
  }

  /** Another picture or block. */
  shown() {
    this.root.dataset.state = "ready";
    this.showFields();
    this.drawGrid();
    this.draw();
    this.drawPins();
    this.speak();
  }

  /** @param {string} words */
  busy(words) {
    this.root.dataset.state = "busy";
    this.scene.readout.set("busy", words);
    this.fail("");
  }

  /** @param {string} words */
  fail(words) {
    this.error.textContent = words;
    this.error.hidden = !words;
    if (words) this.root.dataset.state = "ready";
  }

  // What people do.

  /** @param {Point} point */
  pointTo(point) {
    this.point = point;
    this.refresh();
  }

  /** The pointer is lifted: what is held is what was pointed at. @param {Point} point @param {boolean} click */
  hold(point, click) {
    if (!this.open) return;
    this.point = point;
    this.draw();
    if (click) this.pin();
    this.speak();
  }

  /** Show a frame large; the query stays where it is. @param {number} frame */
  focusOn(frame) {
    this.frame = frame;
    this.refresh();
    this.scene.markPins(this.shownPins, frame);
  }

  /** A crop is pointed at; a region of another frame brings that frame forward. @param {number} slot -1: none */
  markKey(slot) {
    const mark = this.answer && markOf(this.answer, slot);
    if (!mark) { this.scene.stage.markKey(null); return; }
    this.frame = mark.t;
    this.draw();
    this.scene.markPins(this.shownPins, this.frame);
    this.scene.stage.markKey(mark.rect);
  }

  /** @param {number} dh @param {number} dw cells */
  move(dh, dw) {
    if (!this.open) return;
    const { block } = this.open, grid = block.asked(this.look.direction), at = cellAsked(block, this.point, this.look.direction);
    if (at < 0) return;
    const to = grid.beside(at, dh, dw), [x, y] = middle(grid.rect(to)), [t] = grid.unflat(to);
    this.point = { x, y, t };
    this.frame = t;
    this.draw();
    this.speak();
  }

  pin() { if (this.answer && this.pins.add(this.answer)) this.drawPins(); }

  clearPins() {
    this.pins.clear();
    this.drawPins();
  }

  /** @param {Answer} pin */
  goTo({ x, y, t }) {
    this.scene.film.stop();
    this.frame = t;
    this.point = { x, y, t };
    this.draw();
    this.scene.markPins(this.shownPins, t);
    this.speak();
  }

  /** @param {Partial<Look>} changes */
  setLook({ cmap, ...changes }) {
    Object.assign(this.look, changes);
    if (cmap) this.look[this.open?.block.meta.signed ? "signedCmap" : "cmap"] = cmap;
    this.showFields();
    if (!this.open) return;
    this.drawGrid();
    this.draw();
    this.drawPins();
    if (changes.direction) this.speak();
  }

  /** @param {string} name */
  chooseBlock(name) {
    if (!this.open) return;
    this.wanted = name;
    const kept = this.open.blocks.get(name);
    if (kept) {
      this.open.block = kept;
      this.shown();
      return;
    }
    this.busy(`Fetching ${name}`);
    this.desk.openBlock(this.open.source, name);
  }

  get ownModel() { return this.config.models[0].name; }

  /** The model that looks, as a source says it. */
  get model() { return this.open?.source.model ? { model: this.open.source.model } : {}; }

  /** The same picture, looked at by another model. @param {string} name */
  chooseModel(name) {
    if (!this.open || name === modelOf(this.open.source, this.ownModel)) return;
    this.openSource(withModel(this.open.source, name, this.ownModel), `Looking with ${name}`);
  }

  /** The same clip, sampled or related in another way. @param {Partial<Source>} changes */
  resample(changes) {
    if (this.open) this.openSource({ ...this.open.source, ...changes }, "Looking at the clip again");
  }

  /** @param {Source} source @param {string} words */
  openSource(source, words) {
    this.turn++;
    this.busy(words);
    this.desk.openPicture(source, this.open && this.open.block.name);
  }

  /** @param {File} file */
  async openFile(file) {
    const refused = refusal(file, this.config.bounds);
    if (refused) { this.fail(refused); return; }
    this.busy(`Opening ${file.name}`);
    this.desk.forget();
    const turn = ++this.turn;
    try {
      const { path } = await this.host.upload(file);
      if (turn === this.turn) this.openSource({ path, ...this.model }, `Looking at ${file.name}`);
    } catch {
      if (turn === this.turn) this.fail("The picture could not be sent to the server; check the connection and try again.");
    }
  }

  /** @param {string} suffix */
  save(suffix) {
    const { open, answer, look } = this;
    if (!open || !answer || this.desk.waiting) return;
    this.desk.save({
      source: open.source, block: open.block.name, x: answer.px, y: answer.py, frame: this.point.t, suffix, colour: look.colour,
      direction: look.direction, cmap: cmapOf(look, open.block.meta.signed), alpha: look.alpha, scale: look.colourScale, smooth: look.smooth,
    });
  }

  async copyLink() {
    const { open, look, point } = this;
    if (!open || !open.source.example) { this.fail("A link can name example pictures only: yours stays on this machine."); return; }
    const link = new URL(location.href);
    link.search = String(linkQuery({
      example: open.source.example, model: open.source.model, block: open.block.name, x: point.x, y: point.y, frame: point.t,
      direction: look.direction, cmap: cmapOf(look, open.block.meta.signed), colourScale: look.colourScale,
    }));
    history.replaceState(null, "", link);
    try {
      await navigator.clipboard.writeText(link.href);
      this.controls.linked("Copied");
    } catch { this.controls.linked("Link is in the address bar"); }
  }
}
