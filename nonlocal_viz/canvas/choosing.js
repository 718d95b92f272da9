// What people choose to look at: picture, model, block, frames. Choices add up: one that is made while another
// is on its way takes nothing of it back.

import { modelOf, sameView, withModel } from "./core/source.js";
import { refusal } from "./parts/intake.js";

/** @typedef {import("./protocol.js").Source} Source */
/** @typedef {{ source: Source, block: string | null, sending: boolean, file?: string }} Aim what is on its way; sending: its file, of that name, is not there
 * yet */

export class Choosing {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** @type {Aim | null} */
    this.aim = null;
  }

  /** What is shown once all that was chosen has come. @returns {Aim | null} */
  get next() {
    const { open } = this.session;
    return this.aim || (open && { source: open.source, block: open.block.name, sending: false });
  }

  /** It has come, or nobody waits for it any more. */
  over() { this.aim = null; }

  /** The model of what comes, as a source says it. */
  get model() { return this.next?.source.model ? { model: this.next.source.model } : {}; }

  /** The same picture, looked at by another model. @param {string} name */
  chooseModel(name) {
    const { next, session } = this, own = session.ownModel;
    if (!next || name === modelOf(next.source, own)) return;
    session.news = `Model ${name}.`;
    this.look({ ...next, source: withModel(next.source, name, own) }, `Looking with ${name}`);
  }

  /** The same clip, sampled or related in another way. @param {Partial<Source>} changes */
  resample(changes) {
    const { next } = this;
    if (next) this.look({ ...next, source: { ...next.source, ...changes } }, "Looking at the clip again");
  }

  /** @param {string} name */
  chooseBlock(name) {
    const { session, aim } = this, { open } = session;
    if (!open) return;
    session.wanted = name;
    session.news = `Block ${name}.`;
    if (aim && (aim.sending || !sameView(aim.source, open.source))) {
      this.look({ ...aim, block: name }, `Fetching ${name}`);
      return;
    }
    const kept = open.blocks.get(name);
    if (kept) {
      this.aim = null;
      open.block = kept;
      session.shown();
      return;
    }
    this.aim = { source: open.source, block: name, sending: false };
    session.busy(`Fetching ${name}`);
    session.desk.openBlock(open.source, name);
  }

  /** @param {Aim} aim @param {string} words */
  look(aim, words) {
    if (aim.sending) {
      // Asked for together with the file, when that is there.
      this.aim = aim;
      this.session.showFields();
    } else this.session.openSource(aim.source, words, aim.block);
  }

  /** @param {File} file */
  async openFile(file) {
    const { session } = this, refused = refusal(file, session.config.bounds);
    if (refused) { session.fail(refused); return; }
    session.busy(`Sending ${file.name}`);
    this.aim = { source: this.model, block: this.next?.block ?? null, sending: true, file: file.name };
    const turn = ++session.turn, sent = session.desk.sendFile(file);
    session.guest?.settled();
    const upload = await sent;
    if (upload === null || turn !== session.turn) return;
    const { source, block } = /** @type {Aim} */ (this.aim);
    session.openSource({ ...source, upload }, `Looking at ${file.name}`, block);
  }
}
