// Build it yourself: a dozen lines that compute the page's own map, with two gaps.

import { drawMap } from "../bars.js";
import { liveHtml, tiny } from "../figures.js";

/** @typedef {import("../../pages.js").At} At */

/** @param {At} at @param {HTMLElement} box */
function drawCode({ lesson, got, row, keys, queries, q, memo }, box) {
  const resting = lesson.at(), run = got.run, [one, two] = ["ours", "theirs"].map((name) => /** @type {HTMLCanvasElement | null} */ (box.querySelector(`[data-map="${name}"]`)));
  if (one) drawMap(one, lesson, resting ? resting.row : row, keys, { query: queries.rect(resting ? resting.q : q) });
  if (!two || !run?.weights || !memo.ran) return;
  drawMap(two, lesson, run.weights, keys, { query: queries.rect(resting ? resting.q : q) });
  lesson.put("codeMap", tiny(run.map_difference));
  lesson.put("codeTop", run.map_greatest);
  lesson.put("codeZ", tiny(run.z_difference));
  lesson.put("codeZTop", run.z_greatest);
}

/** The lines as they are run, with choices where the gaps are. @param {At} at */
function linesHtml({ lesson, got, memo }) {
  const { lines } = got;
  if (!lines) return lines === false ? "" : lesson.say("asking.counting");
  const escaped = (/** @type {string} */ text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  let text = escaped(lines.text);
  for (const [gap, choices] of Object.entries(/** @type {Record<string, string[]>} */ (lines.gaps))) {
    const chosen = memo[gap] ?? -1, options = choices.map((_, i) => (i + 1) % choices.length).map((i) => `<option value="${i}"${i === chosen ? " selected" : ""}>${escaped(choices[i])}</option>`).join("");
    text = text.replace(escaped(choices[0]), () => `<select data-slide="${gap}" aria-label="${lesson.say(`code.gap.${gap}`)}"><option value="-1"${chosen < 0 ? " selected" : ""}>${lesson.say("asking.choose")}</option>${options}</select>`);
  }
  return `<pre tabindex="0"><code>${text.trimEnd()}</code></pre>`;
}

/** What the lines computed, and what a wrong choice is. @param {At} at */
function ranHtml({ lesson, got: { run }, memo }) {
  if (!run) return `<p class="nlv-result" role="status">${lesson.say(run === false ? "code.refused" : "code.running")}</p>`;
  const right = memo.product === 0 && memo.softmax === 0;
  const off = { map: liveHtml("codeMap"), top: liveHtml("codeTop"), z: liveHtml("codeZ"), ztop: liveHtml("codeZTop") };
  const product = ["", "code.product.turned", "code.product.raw"][memo.product], softmax = ["", "code.softmax.columns", "code.softmax.whole"][memo.softmax];
  return `<p class="nlv-result" role="status"><span class="${right ? "pass" : "fail"}"><b>${lesson.say(right ? "code.right" : "code.other")}</b></span> ${lesson.say("code.apart", off)}</p>
    ${[product, softmax].filter(Boolean).map((key) => `<p class="nlv-text">${lesson.say(key)}</p>`).join("")}`;
}

/** @type {import("../../pages.js").Page} */
export const codePage = {
  name: "code", veil: false, pointer: "query", stages: ["x", "theta", "phi", "g", "score", "A", "y", "wz", "bn", "z"], formulas: [],
  start: { example: "astronaut", block: "layer2.1", x: 160, y: 400 },
  needs: (_block, { x, y, t }, { product, softmax, ran }) => ({
    lines: { want: "code", x, y, frame: t, product: 0, softmax: 0 }, ...(ran ? { run: { want: "code", x, y, frame: t, product, softmax } } : {}),
  }),
  key: ({ got: { lines } }, name) => {
    if (name !== "intro" || !lines) return name === "intro" && lines === false ? "code.intro.refused" : undefined;
    return lines.weights ? undefined : "code.intro.copied";
  },
  before: ({ queries, block: { meta } }) => ({ n: queries.count, c: meta.about?.input || 0 }),
  facts: () => ({}),
  body: (at) => {
    const { lesson, memo, got } = at, map = (/** @type {string} */ name) => `<figure><canvas data-map="${name}" role="img" aria-label="${lesson.say(`code.${name}`)}"></canvas><figcaption>${lesson.say(`code.${name}`)}</figcaption></figure>`;
    const chosen = memo.product >= 0 && memo.softmax >= 0;
    return `<div class="nlv-try">${got.lines === false ? "" : `<div class="nlv-code">${linesHtml(at)}</div>`}${got.lines?.weights
      ? `<p class="nlv-tools"><button type="button" class="nlv-button nlv-strong" data-act="run"${chosen ? "" : " disabled"}>${lesson.say("code.run")}</button></p>` : ""}${memo.ran ? ranHtml(at) : ""}
      <div class="nlv-small2">${map("ours")}${memo.ran ? map("theirs") : ""}</div></div>`;
  },
  draw: drawCode,
  act: ({ lesson, memo }, name) => {
    if (name !== "run") return;
    memo.ran = true;
    lesson.render();
    lesson.session.draw();
  },
  slide: ({ lesson, memo }, name, value) => {
    if (name !== "product" && name !== "softmax") return;
    memo[name] = value;
    memo.ran = false;
    lesson.render();
  },
};
