// What picture or clip is looked at, and how: as the server is told with every question.

/** @typedef {import("../protocol.js").Source} Source */

/** Without the model; null is no file. @param {Source | null} a @param {Source | null} b */
export const sameFile = (a, b) => Boolean(a && b) && a?.example === b?.example && a?.upload === b?.upload;

/** The model that looks; the page's own, which is not named, is `own`. @param {Source | null} source @param {string} own */
export const modelOf = (source, own) => (source && source.model) || own;

/** The same picture, looked at by another model. @param {Source} source @param {string} name @param {string} own @returns {Source} */
export function withModel(source, name, own) {
  const { model: _, ...plain } = source;
  return name === own ? plain : { ...plain, model: name };
}

/** An upload as an address names it: the folder, which is a hash of its content, and the file; nothing of the machine. @param {string} path */
export const handleOf = (path) => path.split(/[\\/]/).slice(-2).join("/");

/** Whether two sources are one view: file, model and sampling. @param {Source} a @param {Source} b */
export function sameView(a, b) {
  const whole = (/** @type {Source} */ s) => [s.model || "", s.frames || 8, s.spacetime !== false, s.start || 0, s.stride || 0].join("*");
  return sameFile(a, b) && whole(a) === whole(b);
}

/** The sampled frame nearest to a time. @param {number[]} times seconds @param {number} now */
export function nearestFrame(times, now) {
  return times.reduce((best, time, t) => (Math.abs(time - now) < Math.abs(times[best] - now) ? t : best), 0);
}

/** A head as questions and pins say it: not at all where it is the mean. @param {number | null} head @returns {{ head?: number }} */
export const headSaid = (head) => (head === null ? {} : { head });
