// All layers and heads of the place that is pointed at, and which of them is shown large.

import { indexOfToken } from "./core/answer.js";
import { headSaid } from "./core/source.js";
import { HEADS } from "./core/words-heads.js";
import { FieldPart } from "./parts/field.js";

/** @typedef {{ source: import("./protocol.js").Source, block: string, x: number, y: number, frame: number, token: string | null }} Asked */

/** Whether two questions have one answer: a token looks at the same whatever is pointed at. @param {Asked} a @param {Asked | null} b */
const sameField = (a, b) => b !== null && a.source === b.source && a.token === b.token
  && (a.token !== null || (a.x === b.x && a.y === b.y && a.frame === b.frame));

export class Layers {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** The head that was chosen; null: their mean. @type {number | null} */
    this.head = null;
    /** The token that the field is about; null: the place that is pointed at. @type {string | null} */
    this.token = null;
    /** What the field was asked of last. @type {Asked | null} */
    this.asked = null;
    this.part = new FieldPart(session.root, session.scene.colours, {
      choose: (block, head) => this.choose(block, head),
      token: (name) => { this.token = name; this.told(); },
      opened: () => { this.part.draw(); this.want(); },
    });
  }

  /** Of a block, the head that is shown. @param {import("./core/answer.js").Block} block */
  of(block) { return this.head !== null && this.head < block.meta.heads && block.meta.heads > 1 ? this.head : null; }

  /** The token that is looked from: not while a place is previewed, nor where the block has none. @param {import("./core/answer.js").Block} block */
  tokenOf(block) {
    const { token, session } = this;
    return token !== null && !session.pointed.preview && !session.isClip && indexOfToken(block, token) !== null ? token : null;
  }

  /** The same, as a question says it. @returns {{ token?: string }} */
  get tokenSaid() {
    const { open } = this.session, token = open && this.tokenOf(open.block);
    return token === null ? {} : { token };
  }

  /** No token is looked from any more. @returns {boolean} whether one was */
  letGo() {
    const was = this.token !== null;
    this.token = null;
    return was;
  }

  /** Another token, or a place again, is looked from. */
  told() {
    const { session } = this;
    session.draw();
    session.speak();
    session.said();
  }

  /** What a token looks at, of the server. @param {import("./core/answer.js").Block} block @param {string} token */
  wantRow(block, token) {
    const { session } = this, index = indexOfToken(block, token), { open } = session, { x, y, t } = session.pointed.shown;
    if (!open || index === null || block.held) return;
    session.desk.wantRow({ source: open.source, block: block.name, index, direction: "row", x, y, frame: t, token, ...headSaid(block.head) });
  }

  /** @param {string} block @param {number | null} head */
  choose(block, head) {
    const { session } = this, { open } = session;
    if (!open) return;
    this.head = head;
    if (block !== open.block.name) { session.choosing.chooseBlock(block); return; }
    session.showFields();
    session.draw();
    session.announce(HEADS.chosen(block, head));
    session.said();
  }

  /** Another block, head or colour is shown. */
  show() {
    const { open, look, isClip } = this.session;
    if (!open) return;
    open.block.head = this.of(open.block);
    this.part.choose(open.block, open.block.head, isClip || this.session.alone, open.picture.blocks.length, { plain: look.cmap, signed: look.signedCmap });
    this.want();
  }

  /** The field of what is shown now, where somebody looks at it. */
  want() {
    const { session } = this, { open } = session, token = session.pointed.preview ? null : this.token;
    if (!open || !this.part.isOpen || session.alone || session.isClip) return;
    const { x, y, t } = session.pointed.shown, { source } = open;
    const asked = { source, block: open.block.name, x: open.block.queries.x.clamp(x), y: open.block.queries.y.clamp(y), frame: t, token };
    if (sameField(asked, this.asked)) return;
    this.asked = asked;
    session.desk.fields.want(asked);
  }

  /** @param {import("./core/field.js").Field | null} field @param {string} why there is none */
  got(field, why) {
    if (!field) { this.asked = null; this.token = null; }
    this.part.show(field, field ? "" : HEADS.failed(why));
  }
}
