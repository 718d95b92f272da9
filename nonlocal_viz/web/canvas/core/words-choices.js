// What there is to choose, in words: models with what to expect of them, blocks with how fine they are.

/** @typedef {import("../protocol.js").Model} Model */
/** @typedef {{ blocks: string[], fineness: [number, number][], best: string | null }} Blocks of a view */

/** @param {Model} model */
export const modelWords = ({ title, expect }) => (expect ? `${title}: ${expect}` : title);

/** @param {[number, number]} fineness rows and columns of cells */
const count = ([rows, columns]) => rows * columns;

/** How fine each block is among the others. @param {Blocks} view @returns {string[]} */
export function blockLabels({ blocks, fineness }) {
  const counts = fineness.map(count), most = Math.max(...counts), fewest = Math.min(...counts);
  return blocks.map((block, i) => {
    const size = `${fineness[i][0]} \u00d7 ${fineness[i][1]} cells`;
    if (most === fewest) return `${block}: ${size}`;
    return `${block}: ${counts[i] === most ? "fine" : counts[i] === fewest ? "coarse" : "between"}, ${size}`;
  });
}

/** Why one would choose the block that is shown, or another. @param {Blocks} view @param {string} block */
export function blockWords({ blocks, fineness, best }, block) {
  const at = blocks.indexOf(block), other = best === null ? -1 : blocks.indexOf(best);
  if (at < 0 || other < 0) return "";
  if (at === other) return "Of this model\u2019s blocks the best at whole objects.";
  const finer = count(fineness[at]) > count(fineness[other]);
  return finer ? `Follows outlines more finely; ${best} is better at whole objects.` : `${best} is better at whole objects.`;
}
