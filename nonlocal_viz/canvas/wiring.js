// What each part hears from people -> what the session does.

import { stopLooking } from "./answers.js";

/** @typedef {import("./session.js").Session} Session */

/** @param {Session} session @returns {import("./parts/scene.js").Listener} */
export function heardOfScene(session) {
  const { pointing, pinning } = session;
  return {
    point: (x, y, t) => pointing.preview({ x, y, t }), leave: () => pointing.leave(), hold: (x, y, t) => pointing.holdOn({ x, y, t }),
    focus: (t) => pointing.focus(t), key: (slot) => pointing.markKey(slot), lesson: () => session.draw(),
    go: (pin) => pinning.go(pin), remove: (pin) => pinning.remove(pin), move: (pin, by) => pinning.move(pin, by),
    again: (pin) => pinning.again([pin]), againAll: () => pinning.again(pinning.foreign), clear: () => pinning.clear(),
  };
}

/** @param {Session} session @returns {import("./parts/pointer.js").Listener} */
export function heardOfStage(session) {
  const { pointing, pinning } = session;
  return {
    point: (x, y) => pointing.preview({ x, y, t: session.frame }), leave: () => pointing.leave(),
    hold: (x, y) => pointing.hold({ x, y, t: session.frame }), pin: (x, y) => pinning.pin({ x, y, t: session.frame }),
  };
}

/** @param {Session} session @returns {import("./parts/controls.js").Listener} */
export function heardOfControls(session) {
  return {
    model: (name) => session.choosing.chooseModel(name), block: (name) => session.choosing.chooseBlock(name), look: (changes) => session.setLook(changes),
    clip: (changes) => session.choosing.resample(changes), save: (suffix) => session.save(suffix), link: () => session.copyLink(),
  };
}

/** @param {Session} session @returns {import("./parts/waiting.js").Listener} */
export function heardOfWaits(session) {
  return { again: () => session.desk.again(), stop: () => stopLooking(session), stopSaves: () => session.desk.cancelSaves() };
}
