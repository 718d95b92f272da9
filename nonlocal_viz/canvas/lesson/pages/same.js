// The same thing as a Transformer's head: the numbers copied over, the same map.

import { inHeads, scoresOf, softmax, supportOf } from "../../core/sums.js";
import { drawMap } from "../bars.js";
import { decimal, liveHtml, tiny } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */

const SAME_HEADS = 8;

/** Whether its scores can be scaled and cut into heads here. @param {At} at */
const plainSame = ({ affinity }) => affinity.heads === 1 && affinity.pairwise.score === "product" && affinity.pairwise.normalise === "softmax";

/** What a switch makes of the row. @param {At} at @returns {Float32Array | null} */
function changedSame({ memo, affinity, q }) {
  if (memo.way === "scaled") return softmax(scoresOf(affinity, q), Math.sqrt(affinity.channels));
  if (memo.way !== "heads") return null;
  const heads = inHeads(affinity, q, SAME_HEADS), mean = new Float32Array(affinity.keyTokens);
  for (const head of heads) head.forEach((w, k) => { mean[k] += w / SAME_HEADS; });
  return mean;
}

/** @param {At} at @param {HTMLElement} box */
function drawSame(at, box) {
  const { lesson, got, row, keys, queries, q, affinity } = at, resting = lesson.at(), canvas = (/** @type {string} */ name) => /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-map="${name}"]`));
  const ours = canvas("ours"), theirs = canvas("theirs"), same = got.same;
  if (resting && ours) drawMap(ours, lesson, resting.row, keys, { query: queries.rect(resting.q), frame: resting.point.t });
  if (resting && theirs && same?.weights) drawMap(theirs, lesson, same.weights, keys, { query: queries.rect(resting.q), frame: resting.point.t });
  if (!plainSame(at)) return;
  lesson.put("supportOurs", Math.round(supportOf(row)));
  lesson.put("supportScaled", Math.round(supportOf(softmax(scoresOf(affinity, q), Math.sqrt(affinity.channels)))));
  const heads = inHeads(affinity, q, SAME_HEADS).map(supportOf);
  lesson.put("supportLeast", Math.round(Math.min(...heads)));
  lesson.put("supportMost", Math.round(Math.max(...heads)));
}

/** @param {At} at */
function bodySame(at) {
  const { lesson, revealed, got, memo } = at, { same } = got;
  if (!revealed) return "";
  if (same === false) return "";
  const map = (/** @type {string} */ name) => `<figure><canvas data-map="${name}" role="img" aria-label="${lesson.say(`same.${name}`)}"></canvas><figcaption>${lesson.say(`same.${name}`)}</figcaption></figure>`;
  const press = (/** @type {string} */ way) => `<button type="button" class="nlv-button" data-act="way" data-choice="${way}" aria-pressed="${(memo.way || "as") === way}">${lesson.say(`same.way.${way}`)}</button>`;
  const rows = [["theta", "\u03b8", "query Q"], ["phi", "\u03c6", "key K"], ["g", "g", "value V"], ["wz", "W<sub>z</sub>, BN", lesson.say("same.projection")]];
  return `<div class="nlv-try"><div class="nlv-small2">${map("ours")}${map("theirs")}</div>
    <div class="nlv-wide" tabindex="0" role="region" aria-label="${lesson.say("same.title")}"><table><tr><th>${lesson.say("same.names")}</th><th>Transformer</th><th>torch.nn.MultiheadAttention</th></tr>${rows.map(([of, ours, theirs]) =>
    `<tr><td><span class="nlv-of" data-of="${of}">${ours}</span></td><td>${theirs}</td><td><code>${{ theta: "in_proj_weight[:C]", phi: "in_proj_weight[C:2C]", g: "in_proj_weight[2C:]", wz: "out_proj" }[of]}</code></td></tr>`).join("")}</table></div>
    ${plainSame(at) ? `<h3>${lesson.say("same.differs")}</h3><p class="nlv-tools">${["as", "scaled", "heads"].map(press).join("")}</p>
    <p class="nlv-live">${lesson.say("same.live", { ours: liveHtml("supportOurs"), scaled: liveHtml("supportScaled"), least: liveHtml("supportLeast"), most: liveHtml("supportMost") })}</p>` : ""}
    <details class="nlv-often"${memo.python ? " open" : ""}><summary data-act="python">${lesson.say("same.python")}</summary><div class="nlv-code"><pre tabindex="0"><code>${SAME_SNIPPET}</code></pre></div></details></div>`;
}

/** As people may paste it; a test runs it. */
const SAME_SNIPPET = [
  'import torch',
  'import nonlocal_viz as nv',
  '',
  'model = nv.load_model("embedded_gaussian")',
  'block = model.block("layer2.1")',
  'view = nv.Lens(model).open(nv.examples()["astronaut"])',
  'heads = nv.as_attention(block)  # one head, the own numbers of the block',
  'inside = view.anatomy("layer2.1")',
  'with torch.no_grad():',
  '    added, weights = heads(inside.x, inside.x, inside.x)',
  'print((weights - inside.affinity.dense()).abs().max())',
  'print((inside.x + added - inside.z).abs().max())',
].join("\n");

/** @type {import("../../pages.js").Page} */
export const samePage = {
  name: "same", veil: false, pointer: "query", stages: ["theta", "phi", "g", "wz"], formulas: ["attention"], softmax: true,
  start: { example: "astronaut", block: "layer2.1", x: 160, y: 400 },
  needs: (_block, { x, y, t }) => ({ same: { want: "same", x, y, frame: t } }),
  before: () => ({}),
  facts: ({ got, keys, affinity, block: { meta: { about } } }) => ({
    keys: keys.count, d: affinity.channels, ...(about?.embedded && about.inner <= about.input ? { c: about.input, rest: about.input - about.inner,
      root: decimal(Math.sqrt(about.input), 2), factor: decimal(affinity.scales[0] * Math.sqrt(about.input), 2) } : {}),
    ...(got.same ? { mapDiff: tiny(got.same.map_difference), zDiff: tiny(got.same.z_difference), zMax: got.same.z_greatest, compared: got.same.queries } : {}),
  }),
  after: ({ got }) => (got.same === false ? "same.refused" : "same.after"),
  key: ({ got }, name) => (name === "more" && got.same === false ? "same.more.plain" : undefined),
  ask: ({ lesson, got }) => (got.same === false ? null : { kind: "which", right: 2, options: ["large", "little", "none"].map((name) => ({ words: lesson.say(`same.ask.${name}`) })) }),
  check: ({ lesson }) => ({ kind: "match", left: ["\u03b8", "\u03c6", "g", "W<sub>z</sub>"], right: ["Q (query)", "K (key)", "V (value)",
    lesson.say("same.projection")] }),
  body: bodySame, draw: drawSame,
  paint: (at) => {
    const weights = at.memo.way && at.memo.way !== "as" && plainSame(at) ? changedSame(at) : null;
    const what = at.memo.way === "heads" ? "painted.heads" : "painted.weight";
    return weights && { what, weights, grid: at.keys, signed: false, top: weights.reduce((most, w) => Math.max(most, w), 0) };
  },
  act: ({ lesson, memo }, name, element) => {
    // Writing the page anew leaves it as people left it.
    if (name === "python") memo.python = !memo.python;
    if (name !== "way") return;
    memo.way = element.dataset.choice;
    lesson.render();
    lesson.session.draw();
  },
};
