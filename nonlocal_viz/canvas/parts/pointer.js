// Mouse, pen and finger on the picture. A mouse previews where it lies and holds where it clicks; with Shift it
// pins. A finger that goes up or down scrolls the page, one that goes sideways previews and holds where it is
// lifted; a tap holds, a long press pins.

/** @typedef {{ point: (x: number, y: number) => void, leave: () => void, hold: (x: number, y: number) => void,
 *   pin: (x: number, y: number) => void }} Listener */
/** @typedef {{ x: number, y: number, moved: boolean, done: boolean, timer: ReturnType<typeof setTimeout> | undefined }} Press */

/** Milliseconds of a long press, and screen pixels within which a finger is still. */
const LONG = 500;
const STILL = 8;

/** @param {import("./stage.js").Stage} stage @param {Listener} on */
export function listenToPointer(stage, on) {
  const { picture } = stage;
  /** @type {Press | null} */
  let press = null;
  const end = () => {
    const was = press;
    if (was) clearTimeout(was.timer);
    press = null;
    return was;
  };
  picture.addEventListener("pointerdown", (e) => {
    stage.touched = e.pointerType === "touch";
    if (stage.zoom.grab(e)) return;
    end();
    // A second finger: the browser zooms.
    if (e.isPrimary === false) return;
    /** @type {Press} */
    const own = { x: e.clientX, y: e.clientY, moved: false, done: false, timer: undefined };
    press = own;
    if (stage.touched) own.timer = setTimeout(() => { own.done = true; on.pin(...stage.pixel(e)); }, LONG);
    else on.point(...stage.pixel(e));
  });
  picture.addEventListener("pointermove", (e) => {
    if (stage.zoom.drag(e)) return;
    const touch = e.pointerType === "touch";
    stage.touched = touch;
    if (press && Math.hypot(e.clientX - press.x, e.clientY - press.y) >= STILL) {
      press.moved = true;
      clearTimeout(press.timer);
    }
    if (!touch || (press && press.moved && !press.done)) on.point(...stage.pixel(e));
  });
  picture.addEventListener("pointerup", (e) => {
    if (stage.zoom.release()) return;
    const was = end();
    if (!was || was.done || e.button !== 0) return;
    if (e.pointerType !== "touch" && was.moved) return;
    (e.shiftKey ? on.pin : on.hold)(...stage.pixel(e));
  });
  // The browser took the finger, to scroll or to zoom.
  picture.addEventListener("pointercancel", () => { stage.zoom.release(); end(); on.leave(); });
  picture.addEventListener("pointerleave", () => on.leave());
  picture.addEventListener("contextmenu", (e) => { if (stage.touched) e.preventDefault(); });
}
