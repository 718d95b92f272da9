// What the page says of layers and heads: every sentence of that part, flat, so that another language is one file.

/** @typedef {Record<string, any>} Words */
export const HEADS = {
  summary: "All layers and heads",
  lead: "The row of the place you point at, small, in every layer and head. Choose one to see it large.",
  leadToken: (/** @type {string} */ name) => `What the ${name} token looks at, in every layer and head.`,
  ofLayer: (/** @type {string} */ block, /** @type {number} */ count) => `${count} heads of ${block}`,
  oneHead: (/** @type {string} */ block) => `${block} has one head`,
  mean: "Mean of the heads",
  head: (/** @type {number} */ head) => `Head ${head}`,
  headField: "Head",
  place: "The place you point at",
  token: (/** @type {string} */ name) => `What does the ${name} token look at?`,
  tile: (/** @type {string} */ block, /** @type {number} */ head) => `${block}, head ${head}`,
  chosen: (/** @type {string} */ block, /** @type {number | null} */ head) => (head === null ? `${block}, mean of its heads.` : `${block}, head ${head}.`),
  shares: (/** @type {[string, number][]} */ parts) =>
    `Beside the picture: ${parts.map(([name, share]) => `${shareWords(share)} on ${kindName(name)}`).join(", ")}.`,
  noShares: "All of this row lies on the picture.",
  proven: (/** @type {[string, number][]} */ parts) =>
    `Held against the network's own ${parts.map(([what, error]) => `${what} (off by ${error.toExponential(0)} of the greatest)`).join(" and ")}.`,
  waiting: "Asking for all layers and heads",
  failed: (/** @type {string} */ why) => `The layers and heads could not be had: ${why}`,
  openModel: "Open a model",
  openModelHint: "timm:NAME, torchvision:NAME, hf:NAME, package.module:factory, or a checkpoint of this machine",
  openModelGo: "Open",
  openModelBusy: (/** @type {string} */ name) => `Opening ${name}`,
};

/** @param {number} share */
const shareWords = (share) => (share < 0.001 ? "less than 0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`);

/** @param {string} kind */
const kindName = (kind) => (kind === "padding" ? "padding outside it" : kind === "register" ? "registers" : `the ${kind} token`);
