// What follows when the server has answered.

import { Block } from "./core/answer.js";
import { PinList } from "./core/pinlist.js";
import { headSaid, modelOf, nearestFrame, sameFile } from "./core/source.js";
import { download } from "./parts/elements.js";
import { restore } from "./restoring.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./protocol.js").View} View */

/** @param {Session} session @returns {import("./core/desk.js").Listener} */
export function answersFor(session) {
  return {
    view: (view, factors) => openView(session, view, new Block(view.first, factors)),
    block: (meta, factors) => addBlock(session, new Block(meta, factors)),
    field: (field, why) => session.layers.got(field, why),
    row: ({ block, index, direction, head = null }, weights) => {
      const asked = session.open?.blocks.get(block);
      if (asked) asked.got = { index, direction, weights, ...headSaid(head) };
      session.pinning.fill();
      session.refresh();
    },
    file: (name, url) => {
      session.fail("");
      download(name, url);
    },
    waiting: (waiting, late) => {
      session.waits.show(waiting);
      session.guest?.late(late, waiting.trouble !== null);
    },
    failed: (words) => {
      session.fail(words);
      asBefore(session);
    },
  };
}

/** Nobody waits any more: what was shown before is shown still. @param {Session} session */
export function stopLooking(session) {
  session.turn++;
  session.desk.cancelLook();
  session.root.dataset.state = "ready";
  if (session.open) session.wanted = session.open.block.name;
  else session.fail("No picture is open yet; choose one below.");
  asBefore(session);
}

/** What was asked for did not come: fields and address say what is shown still. @param {Session} session */
function asBefore(session) {
  session.choosing.over();
  session.showFields();
  session.returning = false;
  session.news = "";
  session.said();
  session.guest?.settled();
}

/** @param {Session} session @param {View} view @param {Block} block its first */
function openView(session, view, block) {
  const before = session.open, same = before && sameFile(before.source, view.source);
  const other = same && modelOf(before.source, session.ownModel) !== modelOf(view.source, session.ownModel);
  if (before && !same) anotherPicture(session, before, view);
  // The same clip sampled in another way, and the same picture for another model, keep their query.
  if (same && (other || view.frames.length > 1)) retime(session, before.picture.times, view.times);
  else {
    session.pointed.start({ x: view.start[0], y: view.start[1], t: Math.min(view.start[2], view.frames.length - 1) });
    session.frame = session.pointed.resting.t;
  }
  session.choosing.over();
  session.controls.offerModel(modelOf(view.source, session.ownModel), view.about.title);
  session.open = { source: view.source, picture: view, blocks: new Map([[block.name, block]]), block };
  session.answer = session.peek = null;
  session.wanted = block.name;
  session.note("");
  if (session.asked) {
    restore(session, session.asked, view);
    session.asked = null;
    session.returning = true;
  }
  session.scene.open(view);
  session.scene.stage.whenLoaded(() => { session.refresh(); session.pinning.draw(); });
  session.intake.mark(view.source.example, view.title);
  session.shown();
}

/** Pins stay with their picture, and are there again when it is. @param {Session} session @param {import("./session.js").Open} before @param {View} view */
function anotherPicture(session, before, view) {
  const file = ({ example, upload } = before.source) => `${example || ""} ${upload || ""}`;
  session.shelf.set(file(), session.pins);
  session.pins = session.shelf.get(file(view.source)) || new PinList();
  session.past.forget();
  session.news ||= `Opened ${view.title}.`;
}

/** The same moments among other frames. @param {Session} session @param {number[]} before @param {number[]} now seconds of the frames */
function retime(session, before, now) {
  const at = (/** @type {number} */ t) => nearestFrame(now, before[t]);
  session.pointed.retime(at);
  session.frame = at(session.frame);
  session.past.each(({ pointed: { resting, held }, pins, frame }) => ({
    pointed: { resting: { ...resting, t: at(resting.t) }, held }, pins, frame: at(frame),
  }));
}

/** @param {Session} session @param {Block} block */
function addBlock(session, block) {
  if (!session.open) return;
  session.open.blocks.set(block.name, block);
  if (session.wanted !== block.name || session.open.block === block) {
    // It came for the sake of pins.
    session.pinning.fill();
    session.pinning.draw();
    return;
  }
  session.choosing.over();
  session.open.block = block;
  session.shown();
}
