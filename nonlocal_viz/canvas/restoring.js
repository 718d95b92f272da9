// Between a session and the address: what it says, and what it brings back.

import { linkQuery, missedWords, restored, sourceAsked } from "./core/link.js";
import { sameView } from "./core/source.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./protocol.js").View} View */

/** What is shown, as an address says it; null before there is anything. @param {Session} session */
export function queryOf({ open, pointed, frame, look, pins, layers }) {
  if (!open) return null;
  const query = linkQuery({
    source: open.source, block: open.block.name, point: pointed.resting, held: pointed.held, frame, signed: open.block.meta.signed, look, pins: pins.pins,
  });
  if (open.block.head !== null) query.set("head", String(open.block.head));
  if (layers.token !== null) query.set("token", layers.token);
  return query;
}

/** The same of the picture that is open, for a page that holds it and nothing else. @param {Session} session */
export function shownQuery(session) {
  const query = queryOf(session);
  for (const name of ["example", "upload", "model", "frames", "spacetime", "start", "stride"]) query?.delete(name);
  return query;
}

/** What an address asks for, of a picture that is open; what it cannot have is said.
 * @param {Session} session @param {URLSearchParams} asked @param {View} view */
export function restore(session, asked, view) {
  const offer = { scales: session.config.scales, ...session.scene.colours.names };
  const { point, held, frame, look, pins, missed } = restored(asked, view, offer), { resting } = session.pointed;
  const head = asked.get("head");
  session.layers.head = head && /^\d{1,4}$/.test(head) ? +head : null;
  session.layers.token = asked.get("token");
  // What the address has no place for begins where its page does.
  session.pointed.start({ ...resting, ...session.guest?.begin, ...point }, held);
  session.frame = frame ?? session.pointed.resting.t;
  Object.assign(session.look, look);
  // Pins are work: those of the address join those that are here.
  for (const { number, ...pin } of pins) session.pins.add(pin, { number });
  session.note(missedWords(missed));
}

/** Somebody went back, or forth. @param {Session} session @param {URLSearchParams} asked */
export function revisit(session, asked) {
  const { open } = session, source = sourceAsked(asked), block = asked.get("block");
  if (!open || !session.root.isConnected || session.guest?.returned(asked)) return;
  if (source && !sameView(source, open.source)) {
    session.openSource(source, "Going back", block || open.block.name, asked);
    return;
  }
  session.drop();
  session.returning = true;
  restore(session, asked, open.picture);
  if (block && block !== open.block.name && open.picture.blocks.includes(block)) session.choosing.chooseBlock(block);
  else session.shown();
}
