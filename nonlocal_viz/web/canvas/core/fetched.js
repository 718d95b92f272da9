// A file of an answer, fetched in parts, so that what is slow can be told from what has stopped.

/** @param {string} url @param {AbortSignal} signal @param {(share: number | null) => void} heard with every part; null: nobody knows how much is left
 * @returns {Promise<ArrayBuffer>} */
export async function fetched(url, signal, heard) {
  // What the page itself holds is there at once, also where it may fetch nothing.
  if (url.startsWith("data:")) return Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0)).buffer;
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new Error(response.statusText);
  const total = Number(response.headers.get("Content-Length")), reader = response.body.getReader();
  /** @type {Uint8Array[]} */
  const parts = [];
  let size = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(read.value);
    size += read.value.length;
    heard(total ? Math.min(1, size / total) : null);
  }
  const whole = new Uint8Array(size);
  parts.reduce((at, part) => { whole.set(part, at); return at + part.length; }, 0);
  return whole.buffer;
}
