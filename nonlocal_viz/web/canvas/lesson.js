// lesson.js: "What am I looking at?", with the numbers of the row that is on the picture. Gives: Lesson.

const NAMES = {
  gaussian: "Gaussian", embedded_gaussian: "embedded Gaussian",
  dot_product: "dot product", concatenation: "concatenation",
};

class Lesson {
  constructor(root) {
    this.details = root.querySelector(".nlv-lesson");
    this.body = root.querySelector(".nlv-lessonbody");
    this.block = null;
  }

  get open() { return this.details.open; }

  frame(block) {
    const raw = block.instantiation === "gaussian", pair = block.instantiation === "concatenation";
    const d = raw ? block.inputChannels : block.inner, t = (name) => `<b data-live="${name}">-</b>`;
    const score = pair
      ? `a + b = ${t("a")} + ${t("b")} = ${t("sum")}, and ReLU makes it ${t("score")}`
      : `&theta; &middot; &phi; = sum over ${d} channels = ${t("sum")}` + (block.scale !== 1 ? ` &times; ${number(block.scale)} = ${t("score")}` : "");
    const weight = block.softmax
      ? `exp(${t("score2")} &minus; ${t("lse")}) = ${t("weight")}`
      : `${t("score2")} / M = ${t("score3")} / ${block.span} = ${t("weight")}`;
    this.body.innerHTML = `
      <div>
        <h3>Self-attention over positions</h3>
        <p>The block cuts the picture into ${block.n} cells (${block.queries.cells.filter((c, i) => i || c > 1).join(" &times; ")}).
        Every cell asks every ${block.pooled ? `of ${block.span} pooled keys` : "cell"}: how much do you matter to me?
        The colours are the answers that one cell gets, one row of an N &times; M map.</p>
        <table><tr><th>paper</th><th>Transformer</th><th>here</th></tr>
        <tr><td>&theta;</td><td>query Q</td><td>${raw ? "x itself" : "1&times;1 convolution"}, ${block.n} &times; ${d}</td></tr>
        <tr><td>&phi;</td><td>key K</td><td>${raw ? "x itself" : "1&times;1 convolution"}${block.pooled ? ", pooled" : ""}, ${block.m} &times; ${d}</td></tr>
        <tr><td>g</td><td>value V</td><td>1&times;1 convolution, ${block.m} &times; ${block.inner}</td></tr>
        <tr><td>W<sub>z</sub></td><td>output projection</td><td>1&times;1 convolution back to ${block.inputChannels}, then added to x</td></tr></table>
        <h3>Attention over channels? No.</h3>
        <p>The sum in a score runs over channels, as Q K<sup>T</sup> sums over d<sub>k</sub>. It makes one number for each
        pair of positions; what ${block.softmax ? "competes in the softmax" : "is weighed"} are the ${block.span} positions.</p>
        <h3>What differs from a Transformer's head</h3>
        <ul><li>${block.useScale ? "scores are divided by the root of d, as there" : "no division by the root of d"}; one head</li>
        <li>no positional encoding: a cell knows another by its features alone</li>
        <li>batch norm after W<sub>z</sub> starts at gamma 0, so the block begins as the identity, and a residual goes around it</li>
        <li>${block.pooled ? "keys and values are max-pooled here, so a key covers several cells" : "keys may be max-pooled (here they are not)"}</li></ul>
      </div>
      <div>
        <h3>One number of this row, worked out</h3>
        <p data-live="pair">-</p>
        ${pair ? "" : `<canvas class="nlv-products" width="900" height="192" role="img" aria-label="product of each channel"></canvas>
        <p class="nlv-soft">&theta;<sub>c</sub> &middot; &phi;<sub>c</sub> for each of the ${d} channels; their sum is the score.</p>`}
        <p class="nlv-formula">score = ${score}</p>
        <p class="nlv-formula">weight = ${weight}</p>
        <p>${block.softmax ? "The second number in exp is log &sum; exp of all scores of this row: the softmax."
          : `The ${NAMES[block.instantiation]} form has no softmax: it divides by the number of keys${block.signed ? ", and weights can be negative" : ""}.`}
        The painted colour is this weight.</p>
      </div>`;
    this.block = block;
    this.live = {};
    this.body.querySelectorAll("[data-live]").forEach((e) => (this.live[e.dataset.live] = e));
    this.canvas = this.body.querySelector(".nlv-products");
  }

  set(name, value) { if (this.live[name]) this.live[name].textContent = value; }

  // q, k: flat indices of the pair; weight: the painted number.
  show(block, q, k, weight, words) {
    if (!block.held) {
      this.block = null;
      this.body.textContent = "The factors of this block are too big for the browser, so its sums cannot be shown here; choose fewer frames.";
      return;
    }
    if (this.block !== block) this.frame(block);
    const score = block.score(q, k);
    this.set("pair", words);
    if (block.instantiation === "concatenation") {
      this.set("a", number(block.query[q]));
      this.set("b", number(block.key[k]));
      this.set("sum", number(block.query[q] + block.key[k]));
    } else {
      const products = block.products(q, k);
      this.set("sum", (score / block.scale).toFixed(3));
      this.draw(products);
    }
    for (const name of ["score", "score2", "score3"]) this.set(name, score.toFixed(3));
    if (block.softmax) this.set("lse", block.normaliser[q].toFixed(3));
    this.set("weight", number(weight));
  }

  draw(products) {
    const context = this.canvas.getContext("2d"), { width, height } = this.canvas;
    // Zero lies where the largest and the smallest product leave it, so that the bars fill the height.
    const high = Math.max(0, ...products), low = Math.min(0, ...products), range = high - low || 1;
    const step = width / products.length, zero = (high / range) * (height - 2) + 1;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.canvas).color;
    context.globalAlpha = 0.3;
    context.fillRect(0, zero - 0.5, width, 1);
    products.forEach((p, c) => {
      context.globalAlpha = p < 0 ? 0.4 : 0.9;
      const size = (Math.abs(p) / range) * (height - 2);
      context.fillRect(c * step, p < 0 ? zero : zero - size, Math.max(1, step - 1), size);
    });
    context.globalAlpha = 1;
  }
}
