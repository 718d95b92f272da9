// controls.js: pointer, touch, keys, fields, downloads, link. Gives: set, showFields, save, copyLink.

let pressed = null;
stage.sheet.addEventListener("pointermove", (e) => { if (state.block) pointTo(...stage.pixel(e)); });
stage.sheet.addEventListener("pointerdown", (e) => {
  pressed = [e.clientX, e.clientY];
  if (e.pointerType !== "mouse") stage.sheet.setPointerCapture(e.pointerId);
  if (state.block) pointTo(...stage.pixel(e));
});
stage.sheet.addEventListener("pointerup", (e) => {
  const still = pressed && Math.hypot(e.clientX - pressed[0], e.clientY - pressed[1]) < 6;
  pressed = null;
  if (!state.block) return;
  // Flush, so that what is pinned is what was pointed at.
  [state.x, state.y] = stage.pixel(e);
  state.t = state.frame;
  draw();
  if (still && e.button === 0) pin();
  say();
});

function move(dh, dw) {
  const grid = look.direction === "row" ? state.block.queries : state.block.keys;
  const [, height, width] = grid.cells, at = cellAt(grid, within(grid.x, state.x), within(grid.y, state.y), state.t);
  if (at < 0) return;
  const [t, h, w] = place(grid, at);
  const r = rect(grid, Math.min(Math.max(h + dh, 0), height - 1) * width + Math.min(Math.max(w + dw, 0), width - 1));
  [state.x, state.y, state.t] = [(r.left + r.right) / 2, (r.top + r.bottom) / 2, t];
  state.frame = t;
  draw();
  say();
}

const next = (list, now) => list[(list.indexOf(now) + 1) % list.length];
const KEYS = {
  ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
  Home: () => move(0, -1e6), End: () => move(0, 1e6), PageUp: () => move(-1e6, 0), PageDown: () => move(1e6, 0),
  Enter: () => pin(), Escape: () => clearPins(),
  n: () => chooseModel(next(config.models.map((m) => m.name), modelOf(state.source))),
  b: () => chooseBlock(next(state.picture.blocks, state.block.block)),
  r: () => set("direction", next(["row", "column"], look.direction)),
  c: () => set("cmap", next(colours.names[state.block.signed ? "diverging" : "sequential"], cmapOf(state.block))),
  s: () => set("scale", next(["linear", "gamma", "log"], look.scale)),
  m: () => set("smooth", !look.smooth), g: () => set("grid", !look.grid), p: () => set("colour", !look.colour),
  "[": () => set("alpha", Math.max(0, +(look.alpha - 0.05).toFixed(2))),
  "]": () => set("alpha", Math.min(1, +(look.alpha + 0.05).toFixed(2))),
  a: () => set("arrows", !look.arrows), ",": () => film.step(-1), ".": () => film.step(1), " ": () => film.play(),
  d: () => save("png"), l: () => copyLink(), "?": () => one(".nlv-keys").showModal(),
};
document.addEventListener("keydown", (e) => {
  if (!root.isConnected || !(root.contains(e.target) || e.target === document.body)) return;
  const onPicture = e.target === stage.sheet;
  const typing = e.target.matches("select, textarea, input:not([type=checkbox], [type=range])");
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("dialog")) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  // Letters work everywhere on the page; arrows and Enter belong to the picture.
  const free = key.length === 1 && key !== " ";
  if (!KEYS[key] || !state.block || typing || (!free && !onPicture && key !== "Escape")) return;
  e.preventDefault();
  KEYS[key]();
});

// The fields beside the picture.

const models = one(".nlv-model");
config.models.forEach(({ name, title }) => models.add(new Option(title, name)));
models.addEventListener("change", () => chooseModel(models.value));

const fields = {};
root.querySelectorAll("[data-set]").forEach((field) => {
  fields[field.dataset.set] = field;
  field.addEventListener(field.type === "range" ? "input" : "change", () => {
    const value = field.type === "checkbox" ? field.checked : field.type === "range" ? +field.value : field.value;
    field.dataset.set === "block" ? chooseBlock(value) : set(field.dataset.set, value);
  });
});

function set(name, value) {
  if (name === "cmap" && state.block && state.block.signed) look.signedCmap = value;
  else look[name] = value;
  showFields();
  if (state.block) {
    stage.drawGrid(look.grid, state.block.queries, state.block.keys, state.block.pooled);
    draw();
    drawPins();
    if (name === "direction") say();
  }
}

function options(select, values, chosen) {
  const wanted = values.join("|");
  if (select.dataset.values !== wanted) {
    select.innerHTML = "";
    values.forEach((v) => select.add(new Option(v, v)));
    select.dataset.values = wanted;
  }
  select.value = chosen;
}

function showFields() {
  for (const name of ["direction", "scale", "alpha"]) fields[name].value = look[name];
  for (const name of ["smooth", "grid", "colour", "arrows"]) fields[name].checked = look[name];
  if (!state.block) return;
  options(fields.cmap, colours.names[state.block.signed ? "diverging" : "sequential"], cmapOf(state.block));
  options(fields.block, state.picture.blocks, state.block.block);
  models.value = modelOf(state.source);
  one('[data-clip="frames"]').value = state.source.frames || 8;
  one('[data-clip="perFrame"]').value = state.source.perFrame ? "1" : "";
}

root.querySelectorAll("[data-clip]").forEach((field) => field.addEventListener("change", () => {
  resample(field.dataset.clip === "frames" ? { frames: +field.value } : { perFrame: Boolean(field.value) });
}));
root.querySelectorAll("[data-save]").forEach((b) => b.addEventListener("click", () => save(b.dataset.save)));
one('[data-do="keys"]').addEventListener("click", () => one(".nlv-keys").showModal());
one('[data-do="link"]').addEventListener("click", () => copyLink());
lesson.details.addEventListener("toggle", () => { if (lesson.open && state.answer) explain(); });

// How far a long download is; "" when it is done. What still arrives after a cancel is not shown.
let stopped = false;
function working(said) {
  const words = stopped ? "" : said;
  readout.set("working", words);
  one(".nlv-working").hidden = !words;
}
one('[data-do="cancel"]').addEventListener("click", () => { stopped = true; trigger("cancel"); forgetSaves(); });

function save(suffix) {
  if (!state.block || !state.answer || state.waiting) return;
  stopped = false;
  saves.push({ source: state.source, block: state.block.block, x: state.answer.px, y: state.answer.py, frame: state.t, suffix, colour: look.colour,
    direction: look.direction, cmap: cmapOf(state.block), alpha: look.alpha, scale: look.scale, smooth: look.smooth });
  nextSave();
}

// One download at a time: of several answers that arrive within a frame the page sees only the last.
const saves = [];
let saving = false;
function nextSave() { if (!saving && saves.length) { saving = true; trigger("save", saves.shift()); } }
function saved() { saving = false; working(""); nextSave(); }
function forgetSaves() { saves.length = 0; saving = false; working(""); }

async function copyLink() {
  if (!state.source || !state.source.example) { fail("A link can name example pictures only: yours stays on this machine."); return; }
  const link = new URL(location.href);
  link.search = new URLSearchParams({ example: state.source.example, block: state.block.block,
    ...(state.source.model ? { model: state.source.model } : {}), x: state.x.toFixed(1), y: state.y.toFixed(1), frame: state.t, show: look.direction, cmap: cmapOf(state.block), scale: look.scale });
  history.replaceState(null, "", link);
  const button = one('[data-do="link"]');
  try { await navigator.clipboard.writeText(link.href); button.textContent = "Copied"; }
  catch { button.textContent = "Link is in the address bar"; }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}
