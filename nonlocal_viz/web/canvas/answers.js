// What follows when the server has answered.

import { answerTo, Block } from "./core/answer.js";
import { restored } from "./core/link.js";
import { modelOf, nearestFrame, sameFile } from "./core/source.js";
import { download } from "./parts/elements.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./protocol.js").View} View */

/** @param {Session} session @returns {import("./core/desk.js").Listener} */
export function answersFor(session) {
  return {
    view: (view, factors) => openView(session, view, new Block(view.first, factors)),
    block: (meta, factors) => addBlock(session, new Block(meta, factors)),
    row: ({ block, index, direction }, weights) => {
      const asked = session.open?.blocks.get(block);
      if (asked) asked.got = { index, direction, weights };
      session.refresh();
    },
    file: (name, url) => {
      session.fail("");
      download(name, url);
    },
    waiting: (waiting) => session.waits.show(waiting),
    failed: (words) => {
      session.fail(words);
      session.showFields();
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
  session.showFields();
}

/** @param {Session} session @param {View} view @param {Block} block its first */
function openView(session, view, block) {
  const before = session.open, same = before && sameFile(before.source, view.source);
  const other = same && modelOf(before.source, session.ownModel) !== modelOf(view.source, session.ownModel);
  // The same clip sampled in another way, and the same picture for another model, keep their query.
  const again = same && (other || view.frames.length > 1);
  const t = again ? nearestFrame(view.times, before.picture.times[session.point.t]) : Math.min(view.start[2], view.frames.length - 1);
  session.point = again ? { ...session.point, t } : { x: view.start[0], y: view.start[1], t };
  // Another model answers the same questions: what was pinned is asked of it again.
  if (other && block.held) session.pins.askAgain((pin) => answerTo(block, pin, pin.direction));
  else session.pins.clear();
  session.open = { source: view.source, picture: view, blocks: new Map([[block.name, block]]), block };
  session.answer = null;
  session.wanted = block.name;
  restore(session, view);
  session.frame = session.point.t;
  session.scene.open(view);
  session.scene.stage.whenLoaded(() => { session.refresh(); session.drawPins(); });
  session.intake.mark(view.source.example);
  session.shown();
}

/** What the address asks for, of the first picture alone. @param {Session} session @param {View} view */
function restore(session, { width, height, frames }) {
  if (!session.asked) return;
  const offer = { scales: session.config.scales, ...session.scene.colours.names };
  const { point, look } = restored(session.asked, { width, height, frames: frames.length }, offer);
  session.point = { ...session.point, ...point };
  Object.assign(session.look, look);
  session.asked = null;
}

/** @param {Session} session @param {Block} block */
function addBlock(session, block) {
  if (!session.open) return;
  session.open.blocks.set(block.name, block);
  if (session.wanted !== block.name) return;
  session.open.block = block;
  session.shown();
}
