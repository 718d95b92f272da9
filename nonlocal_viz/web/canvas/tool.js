// tool.js: the state of the page and every event that changes it.
// `element`, `props`, `trigger`, `watch` and `upload` are gradio's.

const root = element.querySelector(".nlv") || element;
const config = props.config;
const stage = new Stage(root);
const colours = new Colours(config.maps);
const lesson = new Lesson(root);
const readout = new Readout(root, markKey);
const one = (selector) => root.querySelector(selector);

const state = {
  source: null, picture: null, photo: stage.photo, blocks: new Map(), block: null, x: 0, y: 0, pins: [],
  answer: null, seen: 0, waiting: null, asked: new URLSearchParams(location.search),
};
const look = { direction: "row", cmap: config.maps ? colours.names.sequential[0] : "", signedCmap: colours.names.diverging[0],
  scale: "linear", alpha: 0.65, smooth: false, grid: false, colour: false };

// ---- asking: one cell, one row, everything that shows it ----------------------------------------

let frame = 0;
function refresh() { if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(); }); }

// Where the pixel (x, y) points, and the row or column of that cell. Null where there is none.
function ask(block, x, y, direction) {
  const asked = direction === "row" ? block.queries : block.keys;
  const index = cellAt(asked, x, y);
  if (index < 0) return null;
  const grid = direction === "row" ? block.keys : block.queries;
  const weights = direction === "row" ? block.row(index) : block.column(index);
  return { block, direction, index, at: place(asked, index), rect: rect(asked, index), weights, grid,
    own: cellAt(grid, x, y), x, y };
}

function draw() {
  const block = state.block;
  if (!block) return;
  const answer = ask(block, state.x, state.y, look.direction);
  if (!answer) return;
  answer.stats = summarise(answer.weights, answer.grid, block.softmax && look.direction === "row");
  state.answer = answer;
  stage.paint(colours, answer.weights, answer.grid, paintLook(block, answer.stats.top));
  stage.put(stage.queryMark, answer.rect);
  readout.show(state, answer);
  drawTicks(answer.stats.top, block.signed);
  if (lesson.open) explain();
  state.seen++;
}

function paintLook(block, top) {
  return { cmap: cmapOf(block), scale: look.scale, signed: block.signed, top, alpha: look.alpha,
    smooth: look.smooth, colour: look.colour };
}

const cmapOf = (block) => (block.signed ? look.signedCmap : look.cmap);

let barShown = "";
function drawTicks(top, signed) {
  const cmap = cmapOf(state.block);
  if (barShown !== cmap) { colours.bar(one(".nlv-bar canvas"), cmap); barShown = cmap; }
  const marks = one(".nlv-ticks");
  const labels = ticks(top, look.scale, signed);
  while (marks.children.length < labels.length) marks.append(document.createElement("span"));
  labels.forEach(([at, weight], i) => {
    marks.children[i].style.left = 100 * at + "%";
    marks.children[i].textContent = number(weight);
  });
  readout.set("barname", `weight, ${look.scale} scale`);
}

// The lesson works out the strongest pair.
function explain() {
  const { block, index, stats, direction, weights, grid } = state.answer;
  const other = stats.best, [, h, w] = place(grid, other);
  const [q, k] = direction === "row" ? [index, other] : [other, index];
  const [, a, b] = state.answer.at;
  lesson.show(block, q, k, weights[other], direction === "row"
    ? `The query is cell (${a}, ${b}); its strongest key is cell (${h}, ${w}).`
    : `The key is cell (${a}, ${b}); the query that looks at it most is cell (${h}, ${w}).`);
}

function say() {
  const { answer } = state;
  if (!answer) return;
  const [, h, w] = answer.at, [, kh, kw] = place(answer.grid, answer.stats.best);
  const verb = answer.direction === "row" ? "looks most at" : "is looked at most by";
  const words = `Cell row ${h}, column ${w} ${verb} row ${kh}, column ${kw}, weight ${number(answer.weights[answer.stats.best])}.`;
  readout.spoken.textContent = words;
  stage.sheet.setAttribute("aria-valuetext", words);
}

function markKey(slot) {
  const key = state.answer && state.answer.stats.strongest[slot];
  if (slot < 0 || key === undefined) stage.keyMark.hidden = true;
  else stage.put(stage.keyMark, rect(state.answer.grid, key));
}

function pointTo(x, y) { state.x = x; state.y = y; refresh(); }

// ---- pointer, touch, keys -------------------------------------------------------------------------

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
  draw();
  if (still && e.button === 0) pin();
  say();
});

function move(dh, dw) {
  const grid = look.direction === "row" ? state.block.queries : state.block.keys;
  const [, height, width] = grid.cells, at = cellAt(grid, state.x, state.y);
  if (at < 0) return;
  const [, h, w] = place(grid, at);
  const r = rect(grid, Math.min(Math.max(h + dh, 0), height - 1) * width + Math.min(Math.max(w + dw, 0), width - 1));
  state.x = (r.left + r.right) / 2;
  state.y = (r.top + r.bottom) / 2;
  draw();
  say();
}

const next = (list, now) => list[(list.indexOf(now) + 1) % list.length];
const KEYS = {
  ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0), ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1),
  Home: () => move(0, -1e6), End: () => move(0, 1e6), PageUp: () => move(-1e6, 0), PageDown: () => move(1e6, 0),
  Enter: () => pin(), Escape: () => clearPins(),
  b: () => chooseBlock(next(state.picture.blocks, state.block.block)),
  r: () => set("direction", next(["row", "column"], look.direction)),
  c: () => set("cmap", next(colours.names[state.block.signed ? "diverging" : "sequential"], cmapOf(state.block))),
  s: () => set("scale", next(["linear", "gamma", "log"], look.scale)),
  m: () => set("smooth", !look.smooth), g: () => set("grid", !look.grid), p: () => set("colour", !look.colour),
  "[": () => set("alpha", Math.max(0, +(look.alpha - 0.05).toFixed(2))),
  "]": () => set("alpha", Math.min(1, +(look.alpha + 0.05).toFixed(2))),
  d: () => save("png"), l: () => copyLink(), "?": () => one(".nlv-keys").showModal(),
};
root.addEventListener("keydown", (e) => {
  const onPicture = e.target === stage.sheet;
  const typing = e.target.matches("select, textarea, input:not([type=checkbox], [type=range])");
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("dialog")) return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  // Letters work everywhere on the page; arrows and Enter belong to the picture.
  if (!KEYS[key] || !state.block || typing || (key.length > 1 && !onPicture && key !== "Escape")) return;
  e.preventDefault();
  KEYS[key]();
});

// ---- pins -------------------------------------------------------------------------------------------

function pin() {
  const { answer } = state;
  if (!answer) return;
  const same = (p) => p.index === answer.index && p.block === answer.block && p.direction === answer.direction;
  if (state.pins.some(same)) return;
  if (state.pins.length >= 8) state.pins.shift();
  state.pins.push({ ...answer, weights: answer.weights.slice() });
  drawPins();
}

function clearPins() { state.pins = []; drawPins(); }

function drawPins() {
  const shown = state.pins.filter((p) => p.block === state.block && p.direction === look.direction);
  stage.drawPins(shown);
  const list = one(".nlv-pins");
  list.innerHTML = "";
  shown.forEach((p, i) => {
    const card = document.createElement("div");
    card.className = "nlv-pin";
    const go = document.createElement("button");
    go.type = "button";
    go.className = "nlv-go";
    const [, h, w] = p.at;
    go.append(pinPicture(p));
    const words = document.createElement("p");
    words.innerHTML = `<b>${i + 1}</b> row ${h}, column ${w}` +
      (p.stats.support === null ? "" : `, over ${Math.round(p.stats.support)} cells`);
    go.append(words);
    go.addEventListener("click", () => { pointTo(p.x, p.y); });
    const away = document.createElement("button");
    away.type = "button";
    away.className = "nlv-away";
    away.textContent = "\u00d7";
    away.setAttribute("aria-label", `Remove pin ${i + 1}`);
    away.addEventListener("click", () => { state.pins = state.pins.filter((o) => o !== p); drawPins(); });
    card.append(go, away);
    list.append(card);
  });
}

function pinPicture(p) {
  const canvas = document.createElement("canvas"), { width, height } = state.picture;
  canvas.width = 360;
  canvas.height = Math.max(1, Math.min(720, Math.round((360 * height) / width)));
  const context = canvas.getContext("2d"), f = canvas.width / width, g = canvas.height / height;
  context.filter = look.colour ? "none" : "grayscale(1)";
  if (state.photo.complete) context.drawImage(state.photo, 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  const cells = document.createElement("canvas"), [, h, w] = p.grid.cells, { x, y } = p.grid;
  colours.paint(cells, p.weights, h, w, paintLook(p.block, p.stats.top));
  context.globalAlpha = look.alpha;
  context.imageSmoothingEnabled = look.smooth;
  context.drawImage(cells, x[0] * f, y[0] * g, (x[w] - x[0]) * f, (y[h] - y[0]) * g);
  context.globalAlpha = 1;
  const box = [p.rect.left * f, p.rect.top * g, (p.rect.right - p.rect.left) * f, (p.rect.bottom - p.rect.top) * g];
  context.lineWidth = 5; context.strokeStyle = "rgba(0,0,0,.8)"; context.strokeRect(...box);
  context.lineWidth = 2; context.strokeStyle = "#fff"; context.strokeRect(...box);
  return canvas;
}

// ---- controls -----------------------------------------------------------------------------------------

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
  for (const name of ["smooth", "grid", "colour"]) fields[name].checked = look[name];
  if (!state.block) return;
  options(fields.cmap, colours.names[state.block.signed ? "diverging" : "sequential"], cmapOf(state.block));
  options(fields.block, state.picture.blocks, state.block.block);
}

root.querySelectorAll("[data-save]").forEach((b) => b.addEventListener("click", () => save(b.dataset.save)));
one('[data-do="keys"]').addEventListener("click", () => one(".nlv-keys").showModal());
one('[data-do="link"]').addEventListener("click", () => copyLink());
lesson.details.addEventListener("toggle", () => { if (lesson.open && state.answer) explain(); });

function save(suffix) {
  if (!state.block) return;
  trigger("save", { source: state.source, block: state.block.block, x: state.x, y: state.y, suffix,
    direction: look.direction, cmap: cmapOf(state.block), alpha: look.alpha, scale: look.scale, smooth: look.smooth });
}

async function copyLink() {
  if (!state.source || !state.source.example) { fail("A link can name example pictures only: yours stays on this machine."); return; }
  const link = new URL(location.href);
  link.search = new URLSearchParams({ example: state.source.example, block: state.block.block,
    x: state.x.toFixed(1), y: state.y.toFixed(1), show: look.direction, cmap: cmapOf(state.block), scale: look.scale });
  history.replaceState(null, "", link);
  const button = one('[data-do="link"]');
  try { await navigator.clipboard.writeText(link.href); button.textContent = "Copied"; }
  catch { button.textContent = "Link is in the address bar"; }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}

// ---- pictures in ----------------------------------------------------------------------------------------

function busy(words) { root.dataset.state = "busy"; readout.set("busy", words); fail(""); }

function fail(words) {
  const box = one(".nlv-error");
  box.textContent = words;
  box.hidden = !words;
  if (words) root.dataset.state = "ready";
}

function openSource(source, words) {
  busy(words);
  state.waiting = JSON.stringify(source);
  trigger("picture", { source, block: state.block && state.block.block });
}

async function openFile(file) {
  if (!file) return;
  if (file.size > config.fileBytes) { fail(`${file.name} is larger than ${config.fileMegabytes} MB; save the picture smaller.`); return; }
  if (file.size === 0) { fail(`${file.name} is empty (0 bytes).`); return; }
  busy("Opening " + file.name);
  try {
    const { path } = await upload(file);
    openSource({ path }, "Looking at " + file.name);
  } catch {
    fail("The picture could not be sent to the server; check the connection and try again.");
  }
}

const picker = one('input[type="file"]');
picker.addEventListener("change", () => { openFile(picker.files[0]); picker.value = ""; });
document.addEventListener("paste", (e) => {
  if (!root.isConnected) return;
  const file = [...(e.clipboardData ? e.clipboardData.files : [])][0];
  if (file) { e.preventDefault(); openFile(file); }
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  root.addEventListener(kind, (e) => {
    e.preventDefault();
    stage.sheet.classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && e.dataTransfer.files.length) openFile(e.dataTransfer.files[0]);
  });
}

const camera = one(".nlv-camera"), video = camera.querySelector("video");
one('[data-do="camera"]').addEventListener("click", async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 1280 } });
    await video.play();
    camera.showModal();
  } catch { fail("No camera can be used here: there is none, or the browser was not allowed to use it."); }
});
camera.addEventListener("close", () => { if (video.srcObject) video.srcObject.getTracks().forEach((t) => t.stop()); video.srcObject = null; });
one('[data-do="snap"]').addEventListener("click", () => {
  const shot = document.createElement("canvas");
  shot.width = video.videoWidth;
  shot.height = video.videoHeight;
  shot.getContext("2d").drawImage(video, 0, 0);
  camera.close();
  shot.toBlob((blob) => openFile(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92);
});

config.examples.forEach((example) => {
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.dataset.example = example.name;
  button.title = example.title;
  image.src = example.thumb;
  image.alt = example.alt;
  button.append(image);
  button.addEventListener("click", () => openSource({ example: example.name }, "Opening " + example.title));
  one(".nlv-thumbs").append(button);
});

// ---- answers of the server --------------------------------------------------------------------------------

async function fetchBlock(meta) {
  const response = await fetch(meta.factors.url);
  if (!response.ok) throw new Error(response.statusText);
  return new Block(meta, await response.arrayBuffer());
}

async function onView(value) {
  // Of several pictures asked for in a hurry, the last one asked for is shown.
  if (state.waiting && state.waiting !== JSON.stringify(value.source)) return;
  state.waiting = null;
  const block = await fetchBlock(value.first);
  Object.assign(state, { source: value.source, picture: value, blocks: new Map([[block.block, block]]), block, pins: [] });
  [state.x, state.y] = value.start;
  if (state.asked) restore(state.asked);
  state.asked = null;
  stage.open(value);
  stage.photo.decode().then(() => { draw(); drawPins(); }).catch(() => {});
  one(".nlv-thumbs").querySelectorAll("button").forEach((b) =>
    b.setAttribute("aria-pressed", String(Boolean(value.source) && b.dataset.example === value.source.example)));
  const [name, probability] = value.classes[0];
  readout.set("class", probability > 0.1 ? `The network takes the picture for: ${name} (${percent(probability)})`
    : `The network is not sure what the picture shows; its best guess is ${name} (${percent(probability)}).`);
  shown();
}

function restore(asked) {
  const x = parseFloat(asked.get("x")), y = parseFloat(asked.get("y")), { width, height } = state.picture;
  if (x >= 0 && x < width && y >= 0 && y < height) [state.x, state.y] = [x, y];
  if (["row", "column"].includes(asked.get("show"))) look.direction = asked.get("show");
  if (["linear", "gamma", "log"].includes(asked.get("scale"))) look.scale = asked.get("scale");
  if (colours.names.sequential.includes(asked.get("cmap"))) look.cmap = asked.get("cmap");
  if (colours.names.diverging.includes(asked.get("cmap"))) look.signedCmap = asked.get("cmap");
}

function shown() {
  root.dataset.state = "ready";
  showFields();
  stage.drawGrid(look.grid, state.block.queries, state.block.keys, state.block.pooled);
  draw();
  drawPins();
  say();
}

function chooseBlock(name) {
  const kept = state.blocks.get(name);
  if (kept) { state.block = kept; shown(); return; }
  busy("Fetching " + name);
  trigger("block", { source: state.source, block: name });
}

async function onBlock(value) {
  if (JSON.stringify(value.source) !== JSON.stringify(state.source)) return;
  const block = await fetchBlock(value.first);
  state.blocks.set(block.block, block);
  state.block = block;
  shown();
}

function onFile(value) {
  const link = document.createElement("a");
  link.href = value.file.url;
  link.download = value.name;
  document.body.append(link);
  link.click();
  link.remove();
}

let lastSeq = 0;
async function onValue() {
  const value = props.value;
  if (!value || value.seq === lastSeq) return;
  lastSeq = value.seq;
  try {
    if (value.kind === "view") await onView(value);
    else if (value.kind === "block") await onBlock(value);
    else if (value.kind === "file") onFile(value);
    else { state.waiting = null; fail(value.message); showFields(); }
  } catch {
    fail("The answer of the server did not arrive whole; try again.");
  }
}

// A phone shows the picture first and the controls when they are asked for.
if (matchMedia("(max-width: 900px)").matches) one(".nlv-controls").open = false;
showFields();
watch("value", onValue);
onValue();

// For tests and for people's own scripts: what is painted, read-only.
root.nonlocalViz = {
  get ready() { return root.dataset.state === "ready" && state.seen > 0; },
  get answer() {
    const a = state.answer;
    return a && { block: a.block.block, direction: a.direction, index: a.index, cell: [...a.at], x: a.x, y: a.y,
      weights: Array.from(a.weights), grid: [...a.grid.cells] };
  },
  get pins() { return state.pins.length; },
  get draws() { return state.seen; },
};
