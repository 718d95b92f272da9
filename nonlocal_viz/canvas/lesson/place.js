// Where one is in the lesson, as the address says it behind the "#": the page, the key, the language.

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {import("../pages.js").Start} Start */

/** Where a page rests: the key, the one that is kept while another is pointed at, the channel, the marker, what pointing moves.
 * @returns {{ key: number | null, kept: number | null, channel: number | null, marker: [number, number] | null, means: "query" | "key" | null,
 * sliders: Record<string, number>, matched: Record<string, number> }} */
export const plainPlace = () => ({ key: null, kept: null, channel: null, marker: null, means: null, sliders: {}, matched: {} });

/** Where a page starts. @param {Start} start */
export const pointOf = ({ x, y, frame = 0 }) => ({ x, y, t: frame });

/** What a page starts from, as an address says it. @param {Start} start @returns {Record<string, string>} */
export function addressOf({ example, block, x, y, model, frame }) {
  return { example, block, x: String(x), y: String(y), held: "1", ...(frame === undefined ? {} : { frame: String(frame) }), ...(model ? { model } : {}) };
}

/** @typedef {{ lesson: number, lang: string, key: [number, number] | null, keyOdd: string, seen: boolean,
 * present: boolean, here: boolean, card: string, odd: string }} Asked
 * here: the page is about the picture that the address names, not about its own; keyOdd: a key that is no place; odd: what names no page, where a
 * page was asked for */

/** How many pages an address can name. */
const LAST = 11;

/** @param {string} hash @param {string} [search] of an address: where the hash names no language, this may */
export function placeAsked(hash, search = "") {
  const said = new URLSearchParams(hash.replace(/^#/, "")), wanted = said.get("lesson"), before = new URLSearchParams(search), k = said.get("k") || "";
  const lesson = wanted === null ? 0 : pageNear(wanted), named = wanted === null || (/^\d+$/.test(wanted) && Number(wanted) === lesson);
  return /** @type {Asked} */ ({
    lesson, lang: said.get("lang") || before.get("lang") || "", key: keyAsked(k), keyOdd: keyAsked(k) ? "" : k,
    seen: said.get("seen") === "1", present: said.get("present") === "1",
    here: (said.get("here") || before.get("here")) === "1", card: said.get("card") || "", odd: named ? "" : wanted || "#lesson",
  });
}

/** Two numbers of pixels; whether they lie in the picture its grid knows. @param {string} said @returns {[number, number] | null} */
function keyAsked(said) {
  const whole = /^(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/.exec(said);
  return whole ? [Number(whole[1]), Number(whole[2])] : null;
}

/** The page that is nearest to what was asked for: the first where that is no number. @param {string} wanted */
function pageNear(wanted) {
  const number = Math.round(parseFloat(wanted));
  return Number.isNaN(number) ? 1 : Math.min(LAST, Math.max(1, number));
}

/** @param {Lesson} lesson */
export function hashOf(lesson) {
  const { number, tongue, presenting } = lesson, said = new URLSearchParams();
  if (number) sayPage(said, lesson);
  if (presenting) said.set("present", "1");
  // A link says its language, but where everybody would see the same without.
  if (number || tongue.now !== "en" || tongue.own !== "en") said.set("lang", tongue.now);
  return String(said).replaceAll("%2C", ",");
}

/** @param {URLSearchParams} said @param {Lesson} lesson */
function sayPage(said, { number, place, session: { open }, state, memo, elsewhere }) {
  said.set("lesson", String(number));
  if (place.kept !== null && open) {
    const { left, right, top, bottom } = open.block.keys.rect(place.kept);
    said.set("k", `${Math.floor((left + right) / 2)},${Math.floor((top + bottom) / 2)}`);
  }
  if (open && state.revealed) said.set("seen", "1");
  if (memo.door) said.set("card", memo.door);
  if (elsewhere) said.set("here", "1");
}
