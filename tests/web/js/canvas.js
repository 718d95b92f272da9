// A whole canvas on a page of fakes.

import { shownBy } from "../../../nonlocal_viz/canvas/mount.js";
import { Session } from "../../../nonlocal_viz/canvas/session.js";
import { browser, Element } from "./fakes.js";
import { bytes, golden, named } from "./golden.js";

export const FIELDS = { direction: "select", cmap: "select", block: "select", scale: "select", alpha: "range", smooth: "checkbox", grid: "checkbox",
  colour: "checkbox", arrows: "checkbox", veil: "checkbox" };
export const config = {
  maps: golden.maps, scales: ["linear", "gamma", "log"], bounds: { picture: 1000, clip: 5000 },
  models: [{ name: "own", title: "Own", expect: "by object" }, { name: "other", title: "Other", expect: "" }],
  examples: [{ name: "a", title: "A", alt: "an a", thumb: "data:", clip: false }],
};
export const one = named("product, softmax, 1 heads, 1 frames");
export const clip = named("product, softmax, 1 heads, 3 frames");

/** A canvas on a page of fakes, with a picture of 50 x 30 pixels in 5 x 3 cells. */
export function canvas({ search = "", of = one, start = [12, 8, 0], page = browser(search), factors = true, source = { example: "a" },
  assumptions = [] } = {}) {
  const root = new Element("root"), asked = [], hungUp = [], picture = root.querySelector(".nlv-picture");
  picture.box = { left: 100, top: 50, width: 500, height: 300 };
  root.lists["[data-set]"] = Object.entries(FIELDS).map(([name, type]) => Object.assign(new Element(name), { type, dataset: { set: name } }));
  root.lists["[data-save]"] = ["png", "csv"].map((suffix) => Object.assign(new Element("button"), { dataset: { save: suffix } }));
  root.lists["[data-text]"] = ["busy", "headline", "law", "pixel", "cell", "selfname", "self", "spread", "terms", "curve"]
    .map((name) => Object.assign(new Element("span"), { dataset: { text: name } }));
  const trigger = (event, data) => { (event === "cancel" ? hungUp : asked).push([event, data]); };
  const host = { props: { config, value: null }, trigger, watch: () => {}, upload: async (file) => ({ path: `/uploads/ab12/${file.name}` }) };
  const session = new Session(root, host), tool = shownBy(session);
  const field = (name) => root.lists["[data-set]"].find((e) => e.dataset.set === name);
  const text = (name) => root.lists["[data-text]"].find((e) => e.dataset.text === name).textContent;
  const open = (what, from, first = {}, times = null) => {
    const frames = Array.from({ length: what.meta.queries.cells[0] }, (_, t) => ({ url: `/${t}` }));
    const view = { source: from, width: 50, height: 30, frames,
      title: "A", times: times || frames.map((_, t) => t / 2), blocks: ["layer2.1", "layer3.0"], start, alt: "words",
      fineness: [[40, 72], [20, 36]], best: "layer3.0", about: { name: "own", title: "Own", assumptions }, first: { ...what.meta, ...first } };
    session.desk.on.view(view, factors ? bytes(what.bytes) : null);
  };
  open(of, source);
  return { page, root, picture, session, tool, asked, hungUp, field, text, open };
}
/** Point at a pixel of the original. */
export const pointer = (x, y, more = {}) => ({ clientX: 100 + 10 * x, clientY: 50 + 10 * y, pointerType: "mouse", button: 0, ...more });
