// stage.js: the picture and what lies over it. Gives: Stage.
// Everything is placed in percent of the picture, so that no resize needs a recomputation.

class Stage {
  constructor(root) {
    this.sheet = root.querySelector(".nlv-sheet");
    this.room = root.querySelector(".nlv-room");
    this.photo = root.querySelector(".nlv-photo");
    this.photos = [this.photo];
    this.canvas = root.querySelector(".nlv-row");
    this.lines = root.querySelector(".nlv-lines");
    this.queryMark = root.querySelector(".nlv-query");
    this.keyMark = root.querySelector(".nlv-key");
    this.pinMarks = root.querySelector(".nlv-pinmarks");
    this.cells = document.createElement("canvas");
    new ResizeObserver(() => this.fit()).observe(this.room);
  }

  open(picture) {
    this.width = picture.width;
    this.height = picture.height;
    // One image a frame, all loaded at once: scrubbing only shows another.
    this.photos.slice(1).forEach((image) => image.remove());
    this.photos = picture.frames.map((file, t) => {
      const image = t ? this.photo.cloneNode() : this.photo;
      image.src = file.url;
      image.alt = t ? "" : picture.alt;
      if (t) this.canvas.before(image);
      return image;
    });
    this.show(0);
    this.lines.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.sheet.classList.toggle("tiny", Math.max(this.width, this.height) <= 64);
    this.fit();
  }

  show(frame) { this.photos.forEach((image, t) => image.classList.toggle("away", t !== frame)); }

  // As large as the room's width and the window's height let it; the room is as high as the picture.
  fit() {
    if (!this.width) return;
    const narrow = matchMedia("(max-width: 900px)").matches;
    const high = Math.max(200, innerHeight * (narrow ? 0.62 : 0.68));
    const factor = Math.min(this.room.clientWidth / this.width, high / this.height);
    // A sliver stays wide enough to be pointed at.
    this.sheet.style.width = Math.max(2, this.width * factor) + "px";
    this.sheet.style.height = this.room.style.height = Math.max(2, this.height * factor) + "px";
  }

  // A pointer event -> pixels of the original, clamped into it.
  pixel(event) {
    const box = this.sheet.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width;
    const y = ((event.clientY - box.top) / box.height) * this.height;
    const inside = (v, size) => Math.min(Math.max(v, 0), size - Math.min(1e-3, size / 2));
    return [inside(x, this.width), inside(y, this.height)];
  }

  put(mark, r) {
    mark.style.left = (100 * r.left) / this.width + "%";
    mark.style.top = (100 * r.top) / this.height + "%";
    mark.style.width = (100 * (r.right - r.left)) / this.width + "%";
    mark.style.height = (100 * (r.bottom - r.top)) / this.height + "%";
    mark.hidden = false;
  }

  paint(colours, weights, grid, look) {
    const [, h, w] = grid.cells, { x, y } = grid;
    if (uniform(x) && uniform(y)) {
      colours.paint(this.canvas, weights, h, w, look);
    } else {
      // Uneven cells: stretch column by column, then row by row, to the picture's own proportions.
      colours.paint(this.cells, weights, h, w, look);
      spread(this.canvas, this.cells, x, y, Math.min(1, 1200 / Math.max(this.width, this.height)));
    }
    this.put(this.canvas, { left: x[0], top: y[0], right: x[w], bottom: y[h] });
    this.canvas.style.opacity = look.alpha;
    this.sheet.classList.toggle("smooth", look.smooth);
    this.sheet.classList.toggle("in-colour", look.colour);
  }

  // Query cells thin, key cells strong: with pooled keys the two differ.
  drawGrid(on, queries, keys, pooled) {
    const path = ({ x, y }) => x.map((v) => `M${v} ${y[0]}V${y[y.length - 1]}`)
      .concat(y.map((v) => `M${x[0]} ${v}H${x[x.length - 1]}`)).join("");
    this.lines.innerHTML = on
      ? `<path d="${path(queries)}" stroke="rgba(255,255,255,.28)" stroke-width="1"/>` +
        (pooled ? `<path d="${path(keys)}" stroke="rgba(255,255,255,.65)" stroke-width="1.5"/>` : "")
      : "";
  }

  drawPins(pins) {
    this.pinMarks.innerHTML = "";
    pins.forEach(([pin, i]) => {
      const mark = document.createElement("div");
      mark.className = "nlv-pinmark";
      mark.innerHTML = `<b>${i + 1}</b>`;
      this.put(mark, pin.rect);
      this.pinMarks.append(mark);
    });
  }
}

const loaded = (image) => Boolean(image && image.complete && image.naturalWidth);

function uniform(edges) {
  const pitch = (edges[edges.length - 1] - edges[0]) / (edges.length - 1);
  return edges.every((e, i) => Math.abs(e - edges[0] - i * pitch) < 0.01 * pitch + 1e-3);
}

function spread(target, cells, x, y, factor) {
  const width = Math.max(1, Math.round((x[x.length - 1] - x[0]) * factor));
  const height = Math.max(1, Math.round((y[y.length - 1] - y[0]) * factor));
  const wide = document.createElement("canvas");
  wide.width = width;
  wide.height = cells.height;
  const across = wide.getContext("2d");
  across.imageSmoothingEnabled = false;
  for (let c = 0; c < cells.width; c++) {
    across.drawImage(cells, c, 0, 1, cells.height, (x[c] - x[0]) * factor, 0, (x[c + 1] - x[c]) * factor, cells.height);
  }
  target.width = width;
  target.height = height;
  const down = target.getContext("2d");
  down.imageSmoothingEnabled = false;
  for (let r = 0; r < cells.height; r++) {
    down.drawImage(wide, 0, r, width, 1, 0, (y[r] - y[0]) * factor, width, (y[r + 1] - y[r]) * factor);
  }
}
