// As much of a browser as the canvas touches: elements that write down what is done to them.

// A canvas waits for its answers for minutes; a test that has seen enough does not.
const { setTimeout: patient } = globalThis;
globalThis.setTimeout = (...given) => patient(...given).unref();

/** What was drawn on a canvas, in order; properties that are set are kept, too. */
class Context {
  constructor(canvas) { this.canvas = canvas; this.calls = []; }
}
for (const name of ["clearRect", "fillRect", "strokeRect", "beginPath", "moveTo", "lineTo", "stroke", "scale"]) {
  Context.prototype[name] = function draw(...given) { this.calls.push([name, ...given]); };
}
Context.prototype.drawImage = function drawImage(...given) {
  this.calls.push(["drawImage", ...given, { alpha: this.globalAlpha, filter: this.filter, smooth: this.imageSmoothingEnabled }]);
};
Context.prototype.createImageData = (width, height) => ({ data: new Uint8ClampedArray(4 * width * height), width, height });
Context.prototype.putImageData = function putImageData(image) { this.image = image; };

class ClassList extends Set {
  toggle(name, on = !this.has(name)) { if (on) this.add(name); else this.delete(name); return on; }
  contains(name) { return this.has(name); }
}

export class Element {
  constructor(tag = "div") {
    Object.assign(this, { tag, style: { setProperty() {} }, classList: new ClassList(), dataset: {}, attributes: {}, children: [],
      listeners: {}, found: {}, lists: {}, hidden: false, textContent: "", innerHTML: "", value: "", type: "", checked: false, id: "",
      width: 300, height: 150, clientWidth: 1000, naturalWidth: 200, complete: true, open: true, isConnected: true, options: [],
      offsetLeft: 0, offsetTop: 0, offsetWidth: 100, offsetHeight: 100, scrollLeft: 0, scrollWidth: 500, scrollHeight: 50,
      box: { left: 0, top: 0, width: 100, height: 100 }, focused: 0, opened: 0 });
  }
  querySelector(selector) { return (this.found[selector] ||= Object.assign(new Element(selector), { parent: this })); }
  querySelectorAll(selector) {
    return this.lists[selector] || this.all().filter((e) => e.tag === selector);
  }
  all() { return this.children.flatMap((child) => (child instanceof Element ? [child, ...child.all()] : [])); }
  append(...children) { for (const child of children) { this.children.push(child); if (child instanceof Element) child.parent = this; } }
  replaceChildren(...children) { this.children = []; this.append(...children); }
  insertBefore(child) { this.append(child); }
  before(child) { this.parent?.append(child); }
  remove() { this.removed = true; if (this.parent) this.parent.children = this.parent.children.filter((c) => c !== this); }
  cloneNode() { return new Element(this.tag); }
  get firstChild() { return this.children[0]; }
  get lastChild() { return this.children.at(-1); }
  add(option) { this.options.push(option); }
  addEventListener(kind, listener) { (this.listeners[kind] ||= []).push(listener); }
  fire(kind, event = {}) { return (this.listeners[kind] || []).map((listener) => listener({ target: this, preventDefault() {}, ...event })); }
  setAttribute(name, value) { this.attributes[name] = value; }
  removeAttribute(name) { delete this.attributes[name]; }
  getAttribute(name) { return this.attributes[name] ?? null; }
  getContext() { return (this.context ||= new Context(this)); }
  getBoundingClientRect() { return this.box; }
  contains(other) { for (let e = other; e; e = e.parent) if (e === this) return true; return false; }
  matches() { return false; }
  closest() { return null; }
  setPointerCapture(id) { this.captured = id; }
  focus() { this.focused++; }
  showModal() { this.opened++; }
  click() { this.fire("click"); }
  decode() { return Promise.resolve(); }
}

/** Put the globals of a browser there; gives what tests hold on to. */
export function browser(search = "") {
  const page = { frames: [], copied: [], states: [], entries: [], kept: {}, listeners: {}, narrow: false, body: new Element("body"), made: [] };
  const named = {
    Node: Element, HTMLInputElement: Element, MediaStream: class {}, ResizeObserver: class { observe() {} },
    Option: class { constructor(text, value) { Object.assign(this, { text, value }); } },
    document: {
      body: page.body, activeElement: null,
      createElement: (tag) => { const e = new Element(tag); page.made.push(e); return e; }, createElementNS: (_, tag) => new Element(tag),
      addEventListener: (kind, listener) => { (page.listeners[kind] ||= []).push(listener); },
      dispatchEvent: (event) => { for (const listener of page.listeners[event.type] || []) listener(event); },
    },
    location: { search, href: `http://here/${search}` }, history: {
      state: null, replaceState: (_, __, url) => { page.states.push(String(url)); page.at(url); },
      pushState: (_, __, url) => { page.entries.push(globalThis.location.href); page.at(url); },
    },
    addEventListener: (kind, listener) => { (page.listeners[kind] ||= []).push(listener); },
    localStorage: { getItem: (name) => page.kept[name] ?? null, setItem: (name, value) => { page.kept[name] = value; } },
    navigator: { clipboard: { writeText: async (text) => { page.copied.push(text); } } },
    matchMedia: () => ({ matches: page.narrow }), innerHeight: 1000, getComputedStyle: () => ({ color: "ink" }),
    requestAnimationFrame: (then) => page.frames.push(then),
    addEventListener: (kind, listener) => { (page.listeners[kind] ||= []).push(listener); },
  };
  for (const [name, value] of Object.entries(named)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  page.at = (url) => Object.assign(globalThis.location, { href: String(url), search: new URL(url).search });
  /** Back, as the browser does it. */
  page.back = () => { page.at(page.entries.pop()); for (const listener of page.listeners.popstate || []) listener({}); };
  page.flush = () => { for (const then of page.frames.splice(0)) then(); };
  page.key = (target, key, more = {}) => { for (const listener of page.listeners.keydown || []) listener({ key, target, preventDefault() {}, ...more }); };
  return page;
}
