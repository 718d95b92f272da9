// tool.js: the state of the page, and what is drawn of it: one cell, one row, everything that shows it.
// Gives: state, look, ask, draw, refresh, say, pointTo.
// `element`, `props`, `trigger`, `watch` and `upload` are gradio's.

const root = element.querySelector(".nlv") || element;
const config = props.config;
const stage = new Stage(root);
const colours = new Colours(config.maps);
const lesson = new Lesson(root);
const readout = new Readout(root, markKey);
const film = new Film(root, { point: pointTo, focus: focusOn });
const one = (selector) => root.querySelector(selector);

const state = {
  source: null, picture: null, photo: stage.photo, blocks: new Map(), block: null, pins: [],
  x: 0, y: 0, t: 0, // the query: pixel and frame
  frame: 0, // the frame that is shown large
  turn: 0, // counts the pictures asked for: what belongs to an earlier turn is not shown
  wanted: null, // the block asked for last
  answer: null, seen: 0, waiting: null, asked: new URLSearchParams(location.search),
};
const look = { direction: "row", cmap: config.maps ? colours.names.sequential[0] : "", signedCmap: colours.names.diverging[0],
  scale: "linear", alpha: 0.65, smooth: false, grid: false, colour: false, arrows: false };

let frame = 0;
function refresh() { if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(); }); }

// Where the pixel (x, y) of frame t points, and the row or column of that cell. Null where there is none.
function ask(block, x, y, t, direction) {
  const asked = direction === "row" ? block.queries : block.keys;
  // A pixel of an odd last row or column, which pooling drops, counts to the nearest key.
  const index = cellAt(asked, within(asked.x, x), within(asked.y, y), t);
  if (index < 0) return null;
  const grid = direction === "row" ? block.keys : block.queries;
  const weights = !block.held ? fetched(block, index, direction)
    : direction === "row" ? block.row(index) : block.column(index);
  if (!weights) return null;
  return { block, direction, index, at: place(asked, index), rect: rect(asked, index), weights, grid,
    own: cellAt(grid, x, y, t), x, y, t,
    px: within(asked.x, x), py: within(asked.y, y) };
}

function draw() {
  const block = state.block;
  if (!block) return;
  const answer = ask(block, state.x, state.y, state.t, look.direction);
  if (!answer) return;
  answer.stats = summarise(answer.weights, answer.grid, block.softmax && look.direction === "row", block.span);
  state.answer = answer;
  const paint = paintLook(block, answer.stats.top);
  stage.show(state.frame);
  stage.paint(colours, frameOf(answer.weights, answer.grid, state.frame), answer.grid, paint);
  stage.put(stage.queryMark, answer.rect);
  stage.queryMark.hidden = state.frame !== state.t;
  film.paint(answer, paint, state.frame);
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
  const [t] = answer.at, [kt] = place(answer.grid, answer.stats.best), clip = answer.grid.cells[0] > 1;
  const words = `Cell row ${h}, column ${w}${clip ? ` of frame ${t}` : ""} ${verb} row ${kh}, column ${kw}${clip ? ` of frame ${kt}` : ""}, weight ${number(answer.weights[answer.stats.best])}.`;
  readout.spoken.textContent = words;
  stage.sheet.setAttribute("aria-valuetext", words);
}

function markKey(slot) {
  const key = state.answer && state.answer.stats.strongest[slot];
  if (slot < 0 || key === undefined) stage.keyMark.hidden = true;
  else {
    // A key of another frame brings that frame forward.
    state.frame = place(state.answer.grid, key)[0];
    draw();
    markPins();
    stage.put(stage.keyMark, rect(state.answer.grid, key));
  }
}

function pointTo(x, y, t = state.frame) { state.x = x; state.y = y; state.t = t; refresh(); }

// Show a frame large; the query stays where it is.
function focusOn(frame) { state.frame = frame; refresh(); markPins(); }
