// What there is to choose, in words: models with what to expect of them, blocks with how fine they are.

/** @typedef {import("../protocol.js").Model} Model */
/** @typedef {import("../protocol.js").View["fineness"][number]} Fineness rows and columns of cells, null where nobody knows yet */
/** @typedef {{ blocks: string[], fineness: Fineness[], best: string | null }} Blocks of a view */

/** @param {Model} model */
export const modelWords = ({ title, expect }) => (expect ? `${title}: ${expect}` : title);

/** How fine each block is among the others. @param {Blocks} view @returns {string[]} */
export function blockLabels({ blocks, fineness }) {
  const counts = fineness.flatMap((known) => (known ? [known[0] * known[1]] : [])), most = Math.max(...counts), fewest = Math.min(...counts);
  return blocks.map((block, i) => {
    const known = fineness[i];
    if (!known) return block;
    const size = `${known[0]} \u00d7 ${known[1]} cells`, own = known[0] * known[1];
    if (most === fewest) return `${block}: ${size}`;
    return `${block}: ${own === most ? "fine" : own === fewest ? "coarse" : "between"}, ${size}`;
  });
}

/** Why one would choose the block that is shown, or another. @param {Blocks} view @param {string} block */
export function blockWords({ blocks, fineness, best }, block) {
  const at = blocks.indexOf(block), other = best === null ? -1 : blocks.indexOf(best);
  if (at < 0 || other < 0) return "";
  if (at === other) return "Of this model\u2019s blocks the best at whole objects.";
  const [own, theirs] = [fineness[at], fineness[other]], finer = own && theirs && own[0] * own[1] > theirs[0] * theirs[1];
  return finer ? `Follows outlines more finely; ${best} is better at whole objects.` : `${best} is better at whole objects.`;
}
