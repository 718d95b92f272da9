// film.js: the frames of a clip side by side, each with its part of the row. Gives: Film, frameOf.

// The weights of one frame, without a copy.
function frameOf(weights, grid, t) {
  const size = grid.cells[1] * grid.cells[2];
  return weights.subarray(t * size, (t + 1) * size);
}

class Film {
  // on.point(x, y, t): the pointer lies on a frame; on.focus(t): a frame is to be shown large.
  constructor(root, on) {
    this.root = root.querySelector(".nlv-film");
    this.strip = root.querySelector(".nlv-strip");
    this.lines = root.querySelector(".nlv-arrows");
    this.slider = this.root.querySelector('input[type="range"]');
    this.time = this.root.querySelector(".nlv-time");
    this.button = this.root.querySelector('[data-do="play"]');
    this.on = on;
    this.frames = [];
    this.timer = null;
    this.slider.addEventListener("input", () => { this.stop(); on.focus(+this.slider.value); });
    this.button.addEventListener("click", () => this.play());
  }

  open(picture) {
    this.stop();
    this.picture = picture;
    this.focus = -1;
    const clip = picture.frames.length > 1;
    this.root.hidden = !clip;
    document.querySelectorAll(".nlv-cliponly").forEach((e) => (e.hidden = !clip));
    this.frames.forEach(({ box }) => box.remove());
    this.slider.max = picture.frames.length - 1;
    this.frames = clip ? picture.frames.map((file, t) => this.frame(file, t)) : [];
    this.strip.style.setProperty("--frames", Math.min(8, picture.frames.length));
  }

  frame(file, t) {
    const box = document.createElement("button"), image = document.createElement("img");
    const canvas = document.createElement("canvas"), mark = document.createElement("i"), words = document.createElement("span");
    box.type = "button";
    box.className = "nlv-frame";
    const sheet = document.createElement("div");
    image.src = file.url;
    image.alt = "";
    image.draggable = false;
    sheet.append(image, canvas, mark);
    box.append(sheet, words);
    sheet.style.aspectRatio = `${this.picture.width} / ${this.picture.height}`;
    const point = (e) => {
      const r = sheet.getBoundingClientRect(), { width, height } = this.picture;
      const x = ((e.clientX - r.left) / r.width) * width, y = ((e.clientY - r.top) / r.height) * height;
      if (x >= 0 && y >= 0 && x < width && y < height) this.on.point(x, y, t);
    };
    box.addEventListener("pointermove", (e) => { if (e.pointerType === "mouse") point(e); });
    box.addEventListener("click", (e) => { this.stop(); if (e.detail) point(e); this.on.focus(t); });
    this.strip.insertBefore(box, this.lines);
    return { box, sheet, canvas, mark, words };
  }

  // answer: what is shown; look: as for the large picture, so one colour scale holds for all frames.
  paint(answer, look, focus) {
    if (!this.frames.length) return;
    const { weights, grid } = answer, [, h, w] = grid.cells, { width, height } = this.picture;
    const mass = this.frames.map((_, t) => frameOf(weights, grid, t).reduce((sum, v) => sum + Math.abs(v), 0));
    const total = mass.reduce((a, b) => a + b, 0);
    this.frames.forEach(({ box, canvas, mark, words }, t) => {
      colours.paint(canvas, frameOf(weights, grid, t), h, w, look);
      canvas.style.opacity = look.alpha;
      Object.assign(canvas.style, this.place({ left: grid.x[0], top: grid.y[0], right: grid.x[w], bottom: grid.y[h] }));
      const own = t === answer.at[0], share = total ? percent(mass[t] / total) : "0 %";
      mark.hidden = !own;
      if (own) Object.assign(mark.style, this.place(answer.rect));
      const text = `${this.picture.times[t].toFixed(2)} s \u00b7 ${share}`;
      if (words.textContent !== text) words.textContent = text;
      box.setAttribute("aria-label", `Frame ${t}, ${text} of the weight${own ? ", the query is here" : ""}`);
      box.setAttribute("aria-pressed", String(t === focus));
    });
    if (this.focus !== focus) this.reveal(this.frames[focus].box);
    this.focus = focus;
    this.slider.value = focus;
    this.time.textContent = `frame ${focus}, ${this.picture.times[focus].toFixed(2)} s`;
    this.arrows(answer);
  }

  // Scroll the strip alone, never the page.
  reveal(box) {
    const { strip } = this, left = box.offsetLeft;
    if (left < strip.scrollLeft || left + box.offsetWidth > strip.scrollLeft + strip.clientWidth) {
      strip.scrollLeft = left - (strip.clientWidth - box.offsetWidth) / 2;
    }
  }

  place(r) {
    const { width, height } = this.picture;
    return { left: (100 * r.left) / width + "%", top: (100 * r.top) / height + "%",
      width: (100 * (r.right - r.left)) / width + "%", height: (100 * (r.bottom - r.top)) / height + "%" };
  }

  // The strongest 20 cells, as in the paper's Figure 3.
  arrows({ weights, grid, rect: from, at, index, stats }) {
    this.lines.querySelectorAll("line").forEach((line) => line.remove());
    if (!look.arrows) return;
    this.lines.setAttribute("width", this.strip.scrollWidth);
    this.lines.setAttribute("height", this.strip.scrollHeight);
    const spot = (t, r) => {
      const { box, sheet } = this.frames[t];
      return [box.offsetLeft + sheet.offsetLeft + (((r.left + r.right) / 2) / this.picture.width) * sheet.offsetWidth,
        box.offsetTop + sheet.offsetTop + (((r.top + r.bottom) / 2) / this.picture.height) * sheet.offsetHeight];
    };
    const [x, y] = spot(at[0], from);
    strongestCells(weights, 20).reverse().forEach((k) => {
      if (k === index && grid.cells[0] === this.frames.length) return;
      const share = Math.abs(weights[k]) / stats.top, line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      const [u, v] = spot(place(grid, k)[0], rect(grid, k));
      for (const [name, value] of Object.entries({ x1: x, y1: y, x2: u, y2: v, "marker-end": "url(#nlv-tip)",
        "stroke-width": 0.8 + 1.6 * share, opacity: 0.3 + 0.7 * share })) line.setAttribute(name, value);
      this.lines.append(line);
    });
  }

  step(by) {
    const last = this.frames.length - 1;
    if (last < 1) return;
    const next = +this.slider.value + by;
    this.on.focus(next < 0 ? last : next > last ? 0 : next);
  }

  play() {
    if (this.timer) { this.stop(); return; }
    if (this.frames.length < 2) return;
    this.timer = setInterval(() => this.step(1), 250);
    this.button.textContent = "Pause";
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
  }
}

// Indices of the greatest sizes, strongest first: one pass, as `count` is small.
function strongestCells(weights, count) {
  const kept = [];
  for (let i = 0; i < weights.length; i++) {
    const size = Math.abs(weights[i]);
    if (kept.length === count && size <= Math.abs(weights[kept[count - 1]])) continue;
    let at = kept.length;
    while (at > 0 && Math.abs(weights[kept[at - 1]]) < size) at--;
    kept.splice(at, 0, i);
    if (kept.length > count) kept.pop();
  }
  return kept;
}
