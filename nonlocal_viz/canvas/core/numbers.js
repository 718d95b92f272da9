// Numbers as they are printed; sentences are in words.js.

/** So many digits of a number, always as many. @param {number} value @param {number} [digits] */
export function number(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (!(size >= 1e-4 && size < 1e6)) return value.toExponential(digits - 1);
  const rounded = value.toPrecision(digits);
  return rounded.includes("e") ? String(+rounded) : rounded;
}

/** @param {number} share */
export function percent(share) {
  if (share === 0) return "0 %";
  if (Math.abs(share) < 1e-4) return "< 0.01 %";
  return `${share >= 0.0995 ? (100 * share).toFixed(0) : (100 * share).toPrecision(2)} %`;
}

/** A file's size. @param {number} count bytes */
export const megabytes = (count) => `${(count / 1e6).toFixed(1)} MB`;

/** So many decimals; nothing is a little less than 0. @param {number} value @param {number} decimals */
export function fixed(value, decimals) {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? (0).toFixed(decimals) : text;
}
