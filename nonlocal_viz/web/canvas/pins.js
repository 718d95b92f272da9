// pins.js: rows that were kept to compare. Gives: pin, clearPins, drawPins.

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

// The pins of the block and direction that are shown.
const shownPins = () => state.pins.filter((p) => p.block === state.block && p.direction === look.direction);

function drawPins() {
  const shown = shownPins();
  markPins();
  const list = one(".nlv-pins");
  const held = [...list.querySelectorAll("button")].indexOf(document.activeElement);
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
    words.innerHTML = `<b>${i + 1}</b> row ${h}, column ${w}` + (p.grid.cells[0] > 1 ? `, frame ${p.t}` : "") +
      (p.stats.support === null ? "" : `, over ${Math.round(p.stats.support)} cells`);
    go.append(words);
    go.addEventListener("click", () => { film.stop(); state.frame = p.t; pointTo(p.x, p.y); draw(); markPins(); say(); });
    const away = document.createElement("button");
    away.type = "button";
    away.className = "nlv-away";
    away.textContent = "\u00d7";
    away.setAttribute("aria-label", `Remove pin ${i + 1}`);
    away.addEventListener("click", () => { state.pins = state.pins.filter((o) => o !== p); drawPins(); });
    card.append(go, away);
    list.append(card);
  });
  // Whoever worked with the keyboard keeps the place.
  const buttons = list.querySelectorAll("button");
  if (held >= 0) (buttons[Math.min(held, buttons.length - 1)] || stage.sheet).focus();
}

// The marks on the large picture alone, for another frame.
function markPins() {
  stage.drawPins(shownPins().map((p, i) => [p, i]).filter(([p]) => p.t === state.frame));
}

function pinPicture(p) {
  const canvas = document.createElement("canvas"), { width, height } = state.picture;
  canvas.width = 360;
  canvas.height = Math.max(1, Math.min(720, Math.round((360 * height) / width)));
  const context = canvas.getContext("2d"), f = canvas.width / width, g = canvas.height / height;
  context.filter = look.colour ? "none" : "grayscale(1)";
  const photo = stage.photos[p.t];
  if (loaded(photo)) context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  const cells = document.createElement("canvas"), [, h, w] = p.grid.cells, { x, y } = p.grid;
  colours.paint(cells, frameOf(p.weights, p.grid, p.t), h, w, paintLook(p.block, p.stats.top));
  context.globalAlpha = look.alpha;
  context.imageSmoothingEnabled = look.smooth;
  context.drawImage(cells, x[0] * f, y[0] * g, (x[w] - x[0]) * f, (y[h] - y[0]) * g);
  context.globalAlpha = 1;
  const box = [p.rect.left * f, p.rect.top * g, (p.rect.right - p.rect.left) * f, (p.rect.bottom - p.rect.top) * g];
  context.lineWidth = 5; context.strokeStyle = "rgba(0,0,0,.8)"; context.strokeRect(...box);
  context.lineWidth = 2; context.strokeStyle = "#fff"; context.strokeRect(...box);
  return canvas;
}
