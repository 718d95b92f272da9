// One canvas: what it shows now, and what follows when something is pointed at, chosen or answered.
// The parts know no session; it hands each of them what it needs and hears what they were told.

import { Address } from "./address.js";
import { answersFor } from "./answers.js";
import { tokenAnswer, answerTo, cellAsked, fileSize } from "./core/answer.js";
import { Desk } from "./core/desk.js";
import { middle } from "./core/grid.js";
import { Pointed, stateWords } from "./core/held.js";
import { changed, cmapOf, plainLook } from "./core/look.js";
import { megabytes } from "./core/numbers.js";
import { Past } from "./core/past.js";
import { PinList } from "./core/pinlist.js";
import { headSaid, modelOf } from "./core/source.js";
import { Choosing } from "./choosing.js";
import { deedsOf, keyList } from "./keymap.js";
import { Layers } from "./layers.js";
import { Linked } from "./linked.js";
import { Company } from "./parts/company.js";
import { Controls } from "./parts/controls.js";
import { ownIds } from "./parts/elements.js";
import { Intake } from "./parts/intake.js";
import { KeyList, listenToKeys } from "./parts/keys.js";
import { Notice } from "./parts/notice.js";
import { OpenModel } from "./parts/openmodel.js";
import { Scene } from "./parts/scene.js";
import { Screen } from "./parts/screen.js";
import { StateLine } from "./parts/stateline.js";
import { Waits } from "./parts/waiting.js";
import { Pinning } from "./pinning.js";
import { Pointing } from "./pointing.js";
import { queryOf, revisit, shownQuery } from "./restoring.js";
import { heardOfControls, heardOfScene, heardOfStage, heardOfWaits } from "./wiring.js";

/** @typedef {import("./core/answer.js").Answer} Answer */
/** @typedef {import("./core/answer.js").Block} Block */
/** @typedef {import("./core/held.js").Kept & { resting: import("./core/answer.js").Point }} Rest */
/** @typedef {{ pointed: Rest, pins: import("./core/pinlist.js").Snapshot, frame: number }} Kept what a deed may change, as it was before */
/** @typedef {import("./core/look.js").Look} Look */
/** @typedef {import("./protocol.js").Source} Source */
/** @typedef {import("./protocol.js").View} View */
/** @typedef {{ source: Source, picture: View, blocks: Map<string, Block>, block: Block }} Open what is looked at */

export class Session {
  /** @param {HTMLElement} root @param {import("./core/desk.js").Host} host */
  constructor(root, host) {
    const { config } = host.props;
    this.root = root; this.host = host; this.config = config;
    this.pointed = new Pointed(); this.pins = new PinList();
    /** Pins of the pictures that were open before, by file. @type {Map<string, PinList>} */
    this.shelf = new Map();
    /** @type {Past<Kept>} */
    this.past = new Past();
    /** @type {Open | null} */
    this.open = null;
    /** What is painted. @type {Answer | null} */
    this.answer = null;
    /** The frame that is shown large; for a moment another one, to show a key. */
    this.frame = 0;
    /** @type {number | null} */
    this.peek = null;
    this.draws = 0;
    /** The block asked for last. */
    this.wanted = "";
    /** Uploads and pictures asked for: what an earlier one brings is of no interest. */
    this.turn = 0;
    /** Whether what is shown next was shown before, and makes no entry of its own. */
    this.returning = false;
    /** What is to be spoken before the next answer. */
    this.news = "";
    /** Who leads: says what may be seen and what pointing means. @type {import("./guest.js").Guest | null} */
    this.guest = null;
    /** The browser's number of a drawing that is due. */
    this.due = 0;
    this.company = new Company(root);
    ownIds(root, this.company.before);
    this.address = new Address(this.company.before === 0 && host.address !== false, (asked) => revisit(this, asked));
    /** What the address asks of the picture that is to come. @type {URLSearchParams | null} */
    this.asked = host.asked === undefined ? this.address.first : new URLSearchParams(host.asked);
    this.choosing = new Choosing(this);
    this.pointing = new Pointing(this);
    this.linked = new Linked(this);
    this.pinning = new Pinning(this);
    this.scene = new Scene(root, config.maps, heardOfScene(this));
    this.layers = new Layers(this);
    this.look = plainLook(this.scene.colours.names);
    this.line = new StateLine(root, { pin: () => this.pinning.pin(), undo: () => this.pointing.undo(), letGo: () => this.pointing.letGo() });
    this.controls = new Controls(root, config.models, heardOfControls(this));
    this.openModel = new OpenModel(root, Boolean(config.opens), (name) => this.choosing.chooseModel(name));
    this.notice = new Notice(root, () => this.scene.stage.picture.focus());
    this.waits = new Waits(root, heardOfWaits(this));
    this.intake = new Intake(root, this.scene.stage.picture, this.company, config.examples, {
      file: (file) => this.choosing.openFile(file), failed: (words) => this.fail(words),
      example: (example, title) => this.openSource({ example, ...this.choosing.model }, `Opening ${title}`),
    });
    this.desk = new Desk(host, answersFor(this));
    this.scene.stage.listen(heardOfStage(this));
    this.screen = new Screen(root, this.scene.stage, () => this.note("The browser does not let this page fill the screen."));
    this.keys = new KeyList(root, keyList(this.alone));
    listenToKeys(this.company, this.scene.stage.picture, () => this.open !== null, deedsOf(this), () => this.keys.letters);
    // What is drawn in the ink of the page is drawn anew when that changes.
    matchMedia("(prefers-color-scheme: dark)").addEventListener?.("change", () => setTimeout(() => this.refresh(), 100));
    this.controls.showLook(this.look);
  }

  // What is drawn.

  refresh() {
    if (!this.due) this.due = requestAnimationFrame(() => { this.due = 0; this.draw(); });
  }

  draw() {
    if (!this.open) return;
    this.open.block.head = this.layers.of(this.open.block);
    const { block } = this.open, { shown } = this.pointed, { direction } = this.look, token = this.layers.tokenOf(block);
    this.showState();
    if (this.guest?.veiled) {
      this.drawVeiled(block, shown);
      return;
    }
    const answer = token === null ? answerTo(block, shown, direction) : tokenAnswer(block, token, shown);
    this.layers.want();
    if (!answer) {
      if (token === null) this.wantRow(block, shown, direction);
      else this.layers.wantRow(block, token);
      return;
    }
    this.answer = answer;
    const { resting, held, preview } = this.pointed, kept = preview && held ? block.asked(direction).rect(cellAsked(block, resting, direction)) : null;
    this.scene.draw(answer, this.peek ?? this.frame, this.look, { preview: preview !== null, held, kept, keptFrame: resting.t });
    this.draws++;
    this.pinning.wantRow();
    this.guest?.drawn(answer);
  }

  /** The photo and what is asked about, and nothing of the answer: neither a pixel nor a number of it. @param {Block} block
   * @param {import("./core/answer.js").Point} point */
  drawVeiled(block, point) {
    const index = cellAsked(block, point, "row");
    this.answer = null;
    this.scene.drawVeiled(index < 0 ? null : block.queries.rect(index), point.t, this.frame);
    this.draws++;
    this.guest?.drawn(null);
  }

  /** Weights that are not here come from the server. @param {Block} block @param {import("./core/answer.js").Point} point
   * @param {import("./core/answer.js").Direction} direction @param {number | null} [head] */
  wantRow(block, point, direction, head = block.head) {
    const index = cellAsked(block, point, direction);
    if (!this.open || block.holds(direction) || index < 0) return;
    const grid = block.asked(direction), [x, y] = middle(grid.rect(index));
    const { source } = this.open, { name } = block;
    this.desk.wantRow({ source, block: name, index, direction, x, y, frame: grid.unflat(index)[0], ...headSaid(head) });
  }

  /** Whether there is no server. */
  get alone() { return this.root.dataset.alone !== undefined; }

  get isClip() { return this.open !== null && this.open.picture.times.length > 1; }

  /** What a deed may change. @returns {Kept} */
  get kept() { return { pointed: this.pointed.kept, pins: this.pins.snapshot, frame: this.frame }; }

  /** @param {string} words the deed that is about to be done @param {boolean} [run] */
  remember(words, run) { this.past.remember(words, this.kept, run); }

  /** The line at the picture. */
  showState() {
    const { pointed, open } = this, token = open && this.layers.tokenOf(open.block);
    this.line.show(stateWords(pointed, this.isClip, this.scene.stage.touched, token), pointed.held || token !== null, this.past.words);
  }

  /** What the address says of the state, in a moment, or as an entry of its own. @param {boolean} [entry] */
  said(entry = false) {
    this.showState();
    const query = entry ? queryOf(this) : null;
    if (query) this.address.push(query);
    else this.address.say(() => queryOf(this));
  }

  /** To those who hear the page. @param {string} words */
  announce(words) { this.scene.readout.spoken.textContent = words; }

  /** What is shown, for them, behind what was done. */
  speak() {
    if (this.answer) this.scene.speak(this.answer, this.news);
    else this.announce(this.news);
    this.news = "";
  }

  /** One sentence that is no failure. @param {string} words */
  note(words) { this.line.note(words); }

  drawGrid() { if (this.open) this.scene.stage.drawGrid(this.look.grid, this.open.block); }

  showFields() {
    this.controls.showLook(this.look);
    if (!this.open) return;
    this.layers.show();
    const { block, picture } = this.open, { signed } = block.meta, { source, block: named } = /** @type {import("./choosing.js").Aim} */ (this.choosing.next);
    this.controls.showPicture({
      cmaps: this.scene.colours.fitting(signed), cmap: cmapOf(this.look, signed), view: picture, block: named ?? block.name,
      model: modelOf(source, this.ownModel), frames: source.frames || 8, spacetime: source.spacetime !== false,
      held: block.holds(this.look.direction), size: megabytes(fileSize(picture, this.opened)),
    });
  }

  /** Another picture or block. */
  shown() {
    this.root.dataset.state = "ready";
    this.showFields();
    this.drawGrid();
    this.pinning.fill();
    this.draw();
    this.pinning.draw();
    this.speak();
    this.said(!this.returning);
    this.returning = false;
  }

  /** @param {string} words */
  busy(words) {
    this.root.dataset.state = "busy";
    this.waits.begin(words);
    this.fail("");
  }

  /** @param {string} words */
  fail(words) {
    this.notice.show(words);
    if (words && !this.desk.looking) this.root.dataset.state = "ready";
  }

  // What people do.

  /** @param {Partial<Look>} changes */
  setLook({ cmap, ...changes }) {
    Object.assign(this.look, changed(this.look, changes));
    if (cmap) this.look[this.open?.block.meta.signed ? "signedCmap" : "cmap"] = cmap;
    this.showFields();
    if (!this.open) return;
    this.drawGrid();
    this.draw();
    this.pinning.changed();
    if (changes.direction) this.speak();
  }

  get ownModel() { return this.config.models[0].name; }

  /** @param {Source} source @param {string} words @param {string | null} [block] if the model has it
   * @param {URLSearchParams | null} [asked] what an address asks of it that somebody went back to */
  openSource(source, words, block = this.choosing.next && this.choosing.next.block, asked = null) {
    this.turn++;
    this.choosing.aim = { source, block, sending: false };
    this.asked = asked;
    this.returning = asked !== null;
    this.busy(words);
    this.desk.openPicture(source, block);
  }

  /** What is on its way is not wanted any more: what is open stays. */
  drop() {
    this.turn++;
    this.desk.forget();
    this.choosing.over();
    this.asked = null;
    if (this.open) this.wanted = this.open.block.name;
    this.root.dataset.state = "ready";
  }

  /** The blocks that somebody looked at, the one that is shown first. */
  get opened() { return this.open ? [this.open.block, ...[...this.open.blocks.values()].filter((block) => block !== this.open?.block)] : []; }

  /** @param {string} suffix */
  save(suffix) {
    const { open, look } = this, { subject } = this.pointed;
    if (!open || !this.answer || this.desk.waiting) return;
    // The pixel that is answered for: pooling may have no key at the very place.
    const { x, y } = open.block.asked(look.direction);
    this.desk.save({
      source: open.source, block: open.block.name, x: x.clamp(subject.x), y: y.clamp(subject.y), frame: subject.t, suffix, colour: look.colour,
      direction: look.direction, cmap: cmapOf(look, open.block.meta.signed), alpha: look.alpha, scale: look.colourScale, smooth: look.smooth, veil: look.veil,
      ...headSaid(open.block.head), ...this.layers.tokenSaid,
      caption: this.controls.caption.checked, blocks: this.opened.map((one) => one.name), query: String(shownQuery(this) || ""),
    });
  }

  /** The link is the address. */
  async copyLink() {
    const query = queryOf(this);
    if (!query) return;
    this.address.say(() => query);
    this.address.flush();
    try {
      await navigator.clipboard.writeText(this.address.of(query).href);
      this.controls.linked("Copied");
      this.announce("The link is copied.");
    } catch { this.controls.linked("Link is in the address bar"); }
  }
}
