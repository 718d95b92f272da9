// The formulas in MathML. Parentheses do not stretch, and each tensor has its mark.

/** @param {string} name @param {string} inner */
const of = (name, inner) => `<mrow data-of="${name}">${inner}</mrow>`;
/** @param {string} base @param {string} index */
const sub = (base, index) => `<msub><mi>${base}</mi><mrow>${index}</mrow></msub>`;
const I = "<mi>i</mi>";
const J = "<mi>j</mi>";
const IJ = "<mi>i</mi><mi>j</mi>";
const OPEN = '<mo stretchy="false">(</mo>';
const CLOSE = '<mo stretchy="false">)</mo>';
const EQUALS = "<mo>=</mo>";
/** @param {string} over @param {string} inner */
const sum = (over, inner) => `<munder><mo movablelimits="false">\u2211</mo><mi>${over}</mi></munder>${inner}`;
/** @param {string} inner */
const exp = (inner) => `<mi>exp</mi><mo>\u2061</mo>${OPEN}${inner}${CLOSE}`;

/** By name. @type {Record<string, string>} */
export const FORMULAS = {
  linear: of("theta", sub("\u03b8", I)) + EQUALS + of("theta", "<msub><mi>W</mi><mi>\u03b8</mi></msub>") + of("x", sub("x", I)) + "<mo>+</mo>"
    + of("theta", "<msub><mi>b</mi><mi>\u03b8</mi></msub>"),
  score: of("score", sub("s", IJ)) + EQUALS + of("theta", `<msubsup><mi>\u03b8</mi>${I}<mi mathvariant="normal">T</mi></msubsup>`) + of("phi", sub("\u03c6", J)) + EQUALS
    + sum("c", of("theta", sub("\u03b8", "<mi>i</mi><mi>c</mi>")) + of("phi", sub("\u03c6", "<mi>j</mi><mi>c</mi>"))),
  ratio: `<mfrac>${of("A", sub("A", IJ))}${of("A", sub("A", "<mi>i</mi><mi>k</mi>"))}</mfrac>${EQUALS}${exp(of("score", `${sub("s", IJ)}<mo>\u2212</mo>${sub("s", "<mi>i</mi><mi>k</mi>")}`))}`,
  softmax: of("A", sub("A", IJ)) + EQUALS + `<mfrac>${of("score", exp(sub("s", IJ)))}<mrow>${sum("k", of("score", exp(sub("s", "<mi>i</mi><mi>k</mi>"))))}</mrow></mfrac>`,
  mixture: of("y", sub("y", I)) + EQUALS + sum("j", of("A", sub("A", IJ)) + of("g", sub("g", J))),
  residual: of("z", sub("z", I)) + EQUALS + of("x", sub("x", I)) + "<mo>+</mo>" + of("bn", "<mi>BN</mi>") + OPEN + of("wz",
    "<msub><mi>W</mi><mi>z</mi></msub>") + of("y", sub("y", I)) + CLOSE,
  positions: of("score", "<mi>\u03b8</mi><msup><mi>\u03c6</mi><mi mathvariant=\"normal\">T</mi></msup>")
    + "<mo>:</mo><mi>N</mi><mo>\u00d7</mo><mi>N</mi><mspace width=\"2em\"/>"
    + "<msup><mi>\u03c6</mi><mi mathvariant=\"normal\">T</mi></msup><mi>\u03b8</mi><mo>:</mo><mi>D</mi><mo>\u00d7</mo><mi>D</mi>",
  attention: "<mi>softmax</mi>" + OPEN + of("theta", "<mi>Q</mi>") + of("phi", "<msup><mi>K</mi><mi mathvariant=\"normal\">T</mi></msup>") + CLOSE
    + of("g", "<mi>V</mi>")
    + EQUALS + "<mi>softmax</mi>" + OPEN + of("theta", "<mi>\u03b8</mi>") + of("phi", "<msup><mi>\u03c6</mi><mi mathvariant=\"normal\">T</mi></msup>")
      + CLOSE + of("g", "<mi>g</mi>"),
  general: of("y", sub("y", I)) + EQUALS + `<mfrac><mn>1</mn><mrow><mi>\ud835\udc9e</mi>${OPEN}${of("x", sub("x", I))}${CLOSE}</mrow></mfrac>`
    + sum("j", `<mi>f</mi>${OPEN}${of("x", `${sub("x", I)}<mo>,</mo>${sub("x", J)}`)}${CLOSE}${of("g", sub("g", J))}`),
  carried: `<mo stretchy="false">\u2016</mo>${of("A", sub("A", IJ))}${of("wz", "<msub><mi>W</mi><mi>z</mi></msub>")}${of("g", sub("g", J))}<mo stretchy="false">\u2016</mo>`,
};

/** What stands in the place of a formula of softmax where there is none. @type {Record<string, string[]>} */
export const FORMED = { softmax: ["general"], ratio: [], attention: ["general"] };

/** @param {import("./lesson.js").Lesson} lesson @param {string} name */
function formulaHtml(lesson, name) {
  return `<math display="block" tabindex="0" aria-label="${lesson.say(`formula.${name}`)}"><mrow>${FORMULAS[name]}</mrow></math>`;
}

/** The formulas of a page, or of its card. @param {import("../pages.js").At} at */
export function formulasHtml(at) {
  const { lesson } = at, { formulas } = lesson.page, names = typeof formulas === "function" ? formulas(at) : formulas;
  // What is no softmax is none in a formula either.
  const true_ = at.affinity.pairwise.normalise === "softmax" ? names : names.flatMap((name) => FORMED[name] ?? [name]);
  return true_.map((name) => formulaHtml(lesson, name)).join("");
}
