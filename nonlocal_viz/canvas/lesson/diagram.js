// The block as one drawing: a colour and a line style a tensor, the same as in words, formulas and bars. It is drawn as the
// block computes: with a softmax or a division, with theta and phi or without.

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {{ raw: boolean, pooled: boolean, sum: boolean, op: string }} Form raw: x is compared as it is, without theta and phi; pooled: the
 * keys are fewer; sum: a score is a number of the query plus one of the key; op: what makes weights of scores */

/** name, x, y, label; of a box its width. @type {[string, number, number, string, number][]} */
const BOXES = [
  ["x", 18, 78, "x", 40], ["theta", 104, 22, "\u03b8", 46], ["phi", 104, 78, "\u03c6", 46], ["g", 104, 134, "g", 46],
  ["score", 196, 50, "\u03b8\u03c6\u1d40", 58], ["A", 302, 50, "A", 46], ["y", 398, 92, "y = A g", 76], ["wz", 512, 92, "W\u2093", 50], ["bn", 590, 92,
    "BN", 46],
  ["z", 706, 92, "z", 40],
];
/** From box to box. @type {[string, string][]} */
const WAYS = [
  ["theta", "M58 90C80 90 80 36 104 36"], ["phi", "M58 92H104"], ["g", "M58 94C80 94 80 148 104 148"], ["score", "M150 36C174 36 172 60 196 60"],
  ["score", "M150 92C174 92 172 68 196 68"], ["A", "M254 64H302"], ["y", "M348 64C374 64 374 100 398 100"], ["y", "M150 148C300 148 340 112 398 110"],
  ["wz", "M474 106H512"], ["bn", "M562 106H590"], ["z", "M636 106H662"], ["z", "M682 106H706"], ["x", "M38 106V182H672V118"],
];

/** Letters that fit between the two boxes; more stand above them. */
const WIDE = 7;

/** How a block computes, as far as the drawing shows it. @param {import("../core/answer.js").Block | null} block @returns {Form} */
export function drawnAs(block) {
  const { pairwise, about, pooled = false } = block?.meta || {}, by = { softmax: "softmax", count: "\u00f7 M", sum: "\u00f7 \u2211" };
  const op = by[pairwise?.normalise || "softmax"];
  return { raw: about?.embedded === false, pooled, sum: pairwise?.score === "sum", op: pairwise?.rectify ? `ReLU, ${op}` : op };
}

/** The boxes and ways of a form. @param {Form} form */
function partsOf({ raw, pooled, sum }) {
  // Without theta and phi x itself is compared; pooled, its keys are a tensor of their own.
  const gone = raw ? (pooled ? ["theta"] : ["theta", "phi"]) : [], score = sum ? "a\u1d62 + b\u2c7c" : raw ? "x x\u1d40" : "\u03b8\u03c6\u1d40";
  const boxes = BOXES.filter(([name]) => !gone.includes(name)).map(([name, x, y, label, width]) => /** @type {[string, number, number, string, number]} */ (
    [name, x, y, name === "score" ? score : name === "phi" && raw ? "pool x" : label, width]));
  const ways = WAYS.filter(([name, d]) => !gone.includes(name) && !(name === "score" && raw && d.startsWith(pooled ? "M150 36" : "M150")));
  if (raw) ways.push(["score", pooled ? "M58 90C80 90 80 52 110 52H160C180 52 176 60 196 60" : "M58 90C100 90 150 64 196 64"]);
  return { boxes, ways };
}

/** @param {Lesson} lesson @param {string[]} stages tensors that the page is about @param {Form} form */
export function diagramHtml(lesson, stages, form) {
  const { boxes, ways } = partsOf(form);
  const named = (/** @type {string} */ name) => lesson.say(name === "score" && form.sum ? "tensor.score.sum" : name === "score" && form.raw ? "tensor.score.raw"
    : name === "phi" && form.raw ? "tensor.phi.raw" : `tensor.${name}`);
  const box = (/** @type {[string, number, number, string, number]} */ [name, x, y, label, width]) => `<g class="nlv-box${stages.includes(name) ? " now" : ""}" data-of="${name}"
    tabindex="0" role="img" aria-label="${named(name)}"><title>${named(name)}</title><rect x="${x}" y="${y}" width="${width}" height="28" rx="6"/>
    <text x="${x + width / 2}" y="${y + 19}">${name === "wz" ? 'W<tspan dy="3" font-size="10">z</tspan>' : label}</text><text class="nlv-shape" data-shape="${name}" x="${x + width / 2}" y="${name === "x" ? y - 7 : y + 42}"></text></g>`;
  return `<svg class="nlv-diagram" viewBox="0 6 764 196" role="group" aria-label="${lesson.say("diagram.label")}">
    <defs><marker id="nlv-head" viewBox="0 0 6 6" refX="5.2" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 .6L5.4 3L0 5.4z"/></marker></defs>
    ${ways.map(([name, d]) => `<path class="nlv-way" data-of="${name}" d="${d}" marker-end="url(#nlv-head)"/>`).join("")}
    <text class="nlv-op" data-op x="278" y="${form.op.length > WIDE ? 42 : 56}">${form.op}</text>
    <g class="nlv-box" data-of="z"><circle cx="672" cy="106" r="10"/><text x="672" y="111">+</text></g>
    <text class="nlv-op" x="365" y="196">${lesson.say("diagram.shortcut")}</text>
    ${boxes.map(box).join("")}</svg>`;
}

/** How large each tensor is; "?" for what is not given away. @param {import("../core/answer.js").Block} block @param {import("../pages.js").Plan} [plan]
 * @returns {Record<string, string>} */
export function shapesOf({ meta, queries, keys }, plan = {}) {
  const n = queries.count, m = plan.keys ?? keys.count, { about } = meta, d = about?.inner ?? meta.channels, c = about?.input ?? 0;
  /** @type {Record<string, string>} */
  const shapes = {
    x: `${n}\u00d7${c}`, theta: `${n}\u00d7${about?.embedded === false ? c : d}`, phi: `${m}\u00d7${about?.embedded === false ? c : d}`, g: `${m}\u00d7${d}`,
    score: `${n}\u00d7${m}`, A: `${n}\u00d7${m}`, y: `${n}\u00d7${d}`, wz: `${c}\u00d7${d}`, z: `${n}\u00d7${c}`,
  };
  for (const name of plan.hidden || []) shapes[name] = "?";
  return shapes;
}

/** @param {Element} svg @param {import("../core/answer.js").Block} block @param {import("../pages.js").Plan} plan */
export function showShapes(svg, block, plan) {
  const shapes = shapesOf(block, plan);
  for (const element of svg.querySelectorAll("[data-shape]")) element.textContent = shapes[/** @type {SVGElement} */ (element).dataset.shape || ""] || "";
}
