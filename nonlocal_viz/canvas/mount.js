// A canvas on an element that holds the page's markup; as many on a page as one likes.

import { modelOf } from "./core/source.js";
import { queryOf } from "./restoring.js";
import { Session } from "./session.js";

/** For tests and for people's own scripts: what is painted, read-only. @param {Session} session */
export function shownBy(session) {
  return {
    get ready() { return session.root.dataset.state === "ready" && session.draws > 0; },
    get answer() {
      const a = session.answer;
      return a && { block: a.block.name, direction: a.direction, index: a.index, cell: [...a.at], x: a.x, y: a.y, t: a.t,
        weights: Array.from(a.weights), grid: [...a.grid.cells],
        head: a.head ?? null, token: a.token ?? null };
    },
    get frame() { return session.frame; },
    get model() { return modelOf(session.open && session.open.source, session.ownModel); },
    get pins() { return session.pins.length; },
    get held() { return session.pointed.held ? { ...session.pointed.resting } : null; },
    get preview() { return session.pointed.preview !== null; },
    get pinned() {
      return session.pins.pins.map((pin) => ({ number: pin.number, x: pin.x, y: pin.y, t: session.pinning.frameOf(pin), block: pin.block,
        model: pin.model, direction: pin.direction }));
    },
    get address() {
      const query = queryOf(session);
      return query && session.address.of(query).href;
    },
    get draws() { return session.draws; },
    get lesson() { return session.guest && session.guest.shown; },
  };
}

/** @param {HTMLElement} element @param {import("./core/desk.js").Host} host @param {(session: Session) => void} [join] lets others in, before
 * anything is asked */
export function mount(element, host, join = () => {}) {
  const root = /** @type {HTMLElement} */ (element.querySelector(".nlv") || element);
  const session = new Session(root, host);
  join(session);
  Object.assign(root, { nonlocalViz: shownBy(session) });
  session.desk.listen(Object.fromEntries(session.asked || []));
}
