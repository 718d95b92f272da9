// What the page says of layers and heads: every sentence of that part, flat, so that another language is one file.

/** @typedef {Record<string, any>} Words */
export const HEADS = {
  summary: "All layers and heads",
  lead: "The row of the place you point at, small, in every layer and head. Choose one to see it large.",
  leadToken: (/** @type {string} */ name) => `What the ${tokenName(name)} looks at, small, in every layer and head. Choose one to see it large.`,
  ofLayer: (/** @type {string} */ block, /** @type {number} */ count) => (count > 1 ? `The ${count} heads of ${block}` : `${block} has one head`),
  notHere: (/** @type {string} */ block) => `${block} has no such token.`,
  mean: "Mean of the heads",
  head: (/** @type {number} */ head) => `Head ${head}`,
  headField: "Head",
  short: (/** @type {number | undefined} */ head) => (head === undefined ? "mean of the heads" : `head ${head}`),
  asked: (/** @type {number | undefined} */ head) => (head === undefined ? "the mean of the heads" : `head ${head}`),
  place: "The place you point at",
  nowhere: "none",
  itself: "on no cell",
  the: (/** @type {string} */ name) => tokenName(name),
  begins: (/** @type {string} */ name) => `The ${tokenName(name)}`,
  headline: (/** @type {string} */ name, /** @type {boolean} */ alike) =>
    (alike ? `The ${tokenName(name)} looks at all cells alike` : `The ${tokenName(name)} looks most at`),
  state: (/** @type {string} */ name) => `Looking from the ${tokenName(name)}`,
  stateMore: (/** @type {boolean} */ touch) => (touch ? "tap the picture to look from a place" : "click the picture to look from a place, Esc lets go"),
  fold: "What was proven of this map",
  token: (/** @type {string} */ name) => `What does the ${tokenName(name)} look at?`,
  tile: (/** @type {string} */ block, /** @type {number} */ head) => `${block}, head ${head}`,
  chosen: (/** @type {string} */ block, /** @type {number | null} */ head) => (head === null ? `${block}, mean of its heads.` : `${block}, head ${head}.`),
  shares: (/** @type {[string, number][]} */ parts) =>
    `Beside the picture: ${parts.map(([name, share]) => `${shareWords(share)} on ${kindName(name)}`).join(", ")}.`,
  noShares: "All of this row lies on the picture.",
  proven: (/** @type {[string, number][]} */ parts) =>
    `These rows were held against the network's own ${parts
      .map(([what, error]) => `${what}: they differ by ${error.toExponential(0)} of the greatest`).join("; ")}.`,
  waiting: "Asking for all layers and heads",
  failed: (/** @type {string} */ why) => `The layers and heads could not be had: ${why}`,
  openModel: "Open a model",
  openModelField: "Name of a model, or a file of weights",
  openModelExample: "timm:vit_tiny_patch16_224",
  openModelHint: "timm:NAME, torchvision:NAME, hf:NAME, or the path of a checkpoint on this machine.",
  openModelGo: "Open",
};

/** @param {string} name */
const tokenName = (name) => `${name} token`;

/** @param {number} share */
const shareWords = (share) => (share < 0.001 ? "less than 0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`);

/** @param {string} kind */
const kindName = (kind) => (kind === "padding" ? "padding outside it" : kind === "register" ? "registers" : `the ${kind} token`);
