// readout.js: the column of words and numbers beside the picture. Gives: summarise, Readout.

// A row in numbers; strongest: up to five places, the first the strongest cell, the others apart from it.
// span: how many cells the row spreads over (those of one frame, where frames do not look at one another).
function summarise(weights, grid, distribution, span) {
  let entropy = 0, best = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] > 0) entropy -= weights[i] * Math.log(weights[i]);
    if (Math.abs(weights[i]) > Math.abs(weights[best])) best = i;
  }
  const [, height, width] = grid.cells, strongest = [];
  // Local maxima only: the neighbours of the strongest cell say nothing new.
  for (let i = 0; i < weights.length; i++) {
    const [t, h, w] = place(grid, i), size = Math.abs(weights[i]);
    let peak = true;
    for (let dh = -2; peak && dh <= 2; dh++) for (let dw = -2; dw <= 2; dw++) {
      const r = h + dh, c = w + dw;
      if (r < 0 || c < 0 || r >= height || c >= width || (!dh && !dw)) continue;
      const j = (t * height + r) * width + c, other = Math.abs(weights[j]);
      if (other > size || (other === size && j < i)) { peak = false; break; }
    }
    if (peak) strongest.push(i);
  }
  strongest.sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
  return {
    best, top: greatest(weights), strongest: strongest.slice(0, 5),
    entropy: distribution ? entropy : null,
    share: distribution ? (span > 1 ? entropy / Math.log(span) : 0) : null,
    support: distribution ? Math.exp(entropy) : null,
  };
}

class Readout {
  constructor(root, onKey) {
    this.text = {};
    root.querySelectorAll("[data-text]").forEach((e) => (this.text[e.dataset.text] = e));
    this.spoken = root.querySelector(".nlv-spoken");
    this.curve = root.querySelector(".nlv-curve canvas");
    this.slots = [];
    const list = root.querySelector(".nlv-top");
    for (let i = 0; i < 5; i++) {
      const item = document.createElement("li"), canvas = document.createElement("canvas");
      canvas.width = canvas.height = 112;
      const label = document.createElement("span");
      label.innerHTML = "&nbsp;";
      item.append(canvas, label);
      item.addEventListener("pointerenter", () => onKey(i));
      item.addEventListener("pointerleave", () => onKey(-1));
      list.append(item);
      this.slots.push({ canvas, label });
    }
  }

  set(name, value) {
    const element = this.text[name];
    if (element && element.textContent !== value) element.textContent = value;
  }

  show(state, answer) {
    const { weights, grid, stats, block, at, own, direction } = answer;
    const row = direction === "row", [t, h, w] = at;
    this.set("headline", row ? "This cell looks most at" : "This cell is looked at most by");
    this.set("pixel", `${Math.floor(state.x)}, ${Math.floor(state.y)}`);
    this.set("cell", `row ${h}, column ${w}` + (grid.cells[0] > 1 ? `, frame ${t}` : ""));
    this.set("self", own >= 0 ? number(weights[own]) : "no such key");
    if (stats.entropy !== null) {
      this.set("entropyname", "Entropy of the row");
      this.set("entropy", `${stats.entropy.toFixed(2)} nats, ${percent(stats.share)} of log M`);
      this.set("spread", `As if spread evenly over ${Math.round(stats.support)} of ${block.span} cells.`);
    } else {
      this.set("entropyname", "Largest weight");
      this.set("entropy", number(stats.top));
      this.set("spread", row
        ? `${block.instantiation.replace("_", " ")} weights are divided by M = ${block.span}, so this row is no share of 1.`
        : `Each of these ${weights.length} cells gives this one a share of its own row, so a column need not sum to 1.`);
    }
    for (let i = 0; i < 5; i++) this.slot(state, this.slots[i], weights, grid, stats.strongest[i]);
    this.drawCurve(block.spacetime ? weights : frameOf(weights, grid, t), direction);
  }

  slot(state, { canvas, label }, weights, grid, index) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const photo = index === undefined ? null : stage.photos[place(grid, index)[0]];
    if (!loaded(photo)) { label.innerHTML = "&nbsp;"; return; }
    // Three cells around the key, in colour, with the key itself framed.
    const r = rect(grid, index), size = 3 * Math.max(r.right - r.left, r.bottom - r.top);
    const x = (r.left + r.right - size) / 2, y = (r.top + r.bottom - size) / 2;
    const f = photo.naturalWidth / state.picture.width;
    context.drawImage(photo, x * f, y * f, size * f, size * f, 0, 0, canvas.width, canvas.height);
    const k = canvas.width / size, box = [(r.left - x) * k, (r.top - y) * k, (r.right - r.left) * k, (r.bottom - r.top) * k];
    context.lineWidth = 5; context.strokeStyle = "rgba(0,0,0,.7)"; context.strokeRect(...box);
    context.lineWidth = 2; context.strokeStyle = "#fff"; context.strokeRect(...box);
    label.textContent = number(weights[index]);
  }

  // Cells from strongest to weakest against the share of the weight they hold together.
  drawCurve(weights, direction) {
    const context = this.curve.getContext("2d"), { width, height } = this.curve;
    const sizes = Float32Array.from(weights, Math.abs).sort().reverse();
    let total = 0;
    for (const v of sizes) total += v;
    const style = getComputedStyle(this.curve);
    context.clearRect(0, 0, width, height);
    context.strokeStyle = style.color;
    context.globalAlpha = 0.25;
    context.lineWidth = 2;
    context.beginPath(); context.moveTo(1, height - 1); context.lineTo(width - 1, 1); context.stroke();
    context.globalAlpha = 1;
    context.lineWidth = 3;
    context.beginPath(); context.moveTo(1, height - 2);
    let sum = 0, half = 0;
    sizes.forEach((v, i) => {
      sum += v;
      if (!half && sum >= total / 2) half = i + 1;
      context.lineTo(1 + ((i + 1) / sizes.length) * (width - 2), height - 2 - (total ? sum / total : 0) * (height - 4));
    });
    context.stroke();
    this.set("curve", total > 0
      ? `Half of ${direction === "row" ? "the weight" : "the column"} lies in ${half} of ${sizes.length} cells (straight line: evenly spread)`
      : "All weights are 0");
  }
}
