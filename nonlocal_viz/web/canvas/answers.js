// answers.js: what the server sends, and the start of the page. Runs last.

async function fetchBlock(meta) {
  if (!meta.factors) return new Block(meta, null);
  const response = await fetch(meta.factors.url);
  if (!response.ok) throw new Error(response.statusText);
  return new Block(meta, await response.arrayBuffer());
}

async function onView(value) {
  // Of several pictures asked for in a hurry, the last one asked for is shown.
  if (state.waiting && state.waiting !== JSON.stringify(value.source)) return;
  const { turn } = state;
  const block = await fetchBlock(value.first);
  if (turn !== state.turn) return;
  const same = state.source && sameFile(state.source, value.source);
  const other = same && modelOf(state.source) !== modelOf(value.source);
  const again = same && (other || value.frames.length > 1);
  const now = again && state.picture.times[state.t];
  const nearest = again && value.times.reduce((best, t, i, all) => (Math.abs(t - now) < Math.abs(all[best] - now) ? i : best), 0);
  const place = [state.x, state.y, nearest];
  // Another model answers the same questions: what was pinned is asked of it again.
  const pinned = other && block.held ? state.pins.map((p) => ask(block, p.x, p.y, p.t, p.direction)).filter(Boolean) : [];
  for (const p of pinned) {
    p.weights = p.weights.slice();
    p.stats = summarise(p.weights, p.grid, block.softmax && p.direction === "row", block.span);
  }
  state.waiting = null;
  state.wanted = block.block;
  state.answer = null;
  Object.assign(state, { source: value.source, picture: value, blocks: new Map([[block.block, block]]), block, pins: pinned });
  // The same clip, sampled in another way, keeps its query.
  [state.x, state.y, state.t] = again ? place : value.start;
  state.t = Math.min(state.t, value.frames.length - 1);
  if (state.asked) restore(state.asked);
  state.asked = null;
  state.frame = state.t;
  stage.open(value);
  film.open(value);
  for (const photo of stage.photos) photo.decode().then(() => { refresh(); drawPins(); }).catch(() => {});
  one(".nlv-thumbs").querySelectorAll("button").forEach((b) =>
    b.setAttribute("aria-pressed", String(Boolean(value.source) && b.dataset.example === value.source.example)));
  const [name, probability] = value.classes[0];
  readout.set("class", probability > 0.3 ? `The network takes the picture for: ${name} (${percent(probability)})`
    : `The network is not sure what the picture shows; its best guess is ${name} (${percent(probability)}).`);
  shown();
}

const sameFile = (a, b) => a.example === b.example && a.path === b.path;

function restore(asked) {
  const x = parseFloat(asked.get("x")), y = parseFloat(asked.get("y")), { width, height } = state.picture;
  if (x >= 0 && x < width && y >= 0 && y < height) [state.x, state.y] = [x, y];
  const t = parseInt(asked.get("frame"), 10);
  if (t >= 0 && t < state.picture.frames.length) state.t = t;
  if (["row", "column"].includes(asked.get("show"))) look.direction = asked.get("show");
  if (["linear", "gamma", "log"].includes(asked.get("scale"))) look.scale = asked.get("scale");
  if (colours.names.sequential.includes(asked.get("cmap"))) look.cmap = asked.get("cmap");
  if (colours.names.diverging.includes(asked.get("cmap"))) look.signedCmap = asked.get("cmap");
}

function shown() {
  root.dataset.state = "ready";
  one(".nlv-remote").hidden = state.block.held;
  showFields();
  stage.drawGrid(look.grid, state.block.queries, state.block.keys, state.block.pooled);
  draw();
  drawPins();
  say();
}

function chooseBlock(name) {
  state.wanted = name;
  const kept = state.blocks.get(name);
  if (kept) { state.block = kept; shown(); return; }
  busy("Fetching " + name);
  trigger("block", { source: state.source, block: name });
}

async function onBlock(value) {
  if (JSON.stringify(value.source) !== JSON.stringify(state.source)) return;
  const { blocks } = state;
  const block = await fetchBlock(value.first);
  if (blocks !== state.blocks) return; // another picture since
  blocks.set(block.block, block);
  if (state.wanted !== block.block || state.waiting) return;
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
    else if (value.kind === "file") { if (!stopped) onFile(value); saved(); }
    else if (value.kind === "row") await onRow(value);
    else if (value.kind === "progress") working(value.words);
    else { state.waiting = rowAsked = null; fail(value.message); showFields(); saved(); }
  } catch {
    state.waiting = rowAsked = null;
    fail("The answer of the server did not arrive whole; try again.");
    showFields();
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
    return a && { block: a.block.block, direction: a.direction, index: a.index, cell: [...a.at], x: a.x, y: a.y, t: a.t,
      weights: Array.from(a.weights), grid: [...a.grid.cells] };
  },
  get frame() { return state.frame; },
  get model() { return modelOf(state.source); },
  get pins() { return state.pins.length; },
  get draws() { return state.seen; },
};
