// Questions whose answers are shown by whoever asks them, not by the canvas: nobody sees that they are asked.

/** @typedef {{ said: any, files: Record<string, ArrayBuffer> }} Brought an answer with its files by name */
/** @typedef {{ brought?: (brought: Brought) => void, refused?: (error: Error) => void, aside?: boolean }} Aside */

/** @param {import("./desk.js").Desk} desk @param {import("./patience.js").Kind} kind @param {object} question
 * @returns {Promise<Brought | null>} null: nobody waits for it any more */
export function bring(desk, kind, question) {
  return new Promise((resolve, reject) => {
    desk.put(++desk.count, kind, question, true, { stopped: () => resolve(null), brought: resolve, refused: reject, aside: true });
  });
}

/** An answer with all its files, to whoever asked. @param {any} said @param {Aside} open
 * @param {(file: import("../protocol.js").File | null) => Promise<ArrayBuffer> | null} fetch @returns {Promise<() => void>} */
export async function broughtBy(said, { brought, refused }, fetch) {
  if (said.kind === "error") return () => refused?.(new Error(said.message));
  const named = [
    ...Object.entries(said.tensors || {}).map(([name, { file }]) => [name, file]),
    ["weights", said.weights?.file], ["cousin", said.cousin?.factors], ["factors", said.first?.factors],
  ].filter(([, file]) => file);
  const files = Object.fromEntries(await Promise.all(named.map(async ([name, file]) => [name, await fetch(file)])));
  return () => brought?.({ said, files });
}
