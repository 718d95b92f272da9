// float16, as the factors travel.

/** Every float16 as a number, by its bits: 64 k numbers, 256 kB. */
export const HALVES = (() => {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent) table[bits] = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
    else table[bits] = sign * 2 ** -14 * (fraction / 1024);
  }
  return table;
})();

/** @param {Uint16Array} halves */
export function decoded(halves) {
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) numbers[i] = HALVES[halves[i]];
  return numbers;
}
