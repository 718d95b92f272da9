// Where one is in the lesson, as the address says it behind the "#": the page, the key, the language.

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {import("../pages.js").Start} Start */

/** Where a page rests: the key, the one that is kept while another is pointed at, the channel, the marker, what pointing moves.
 * @returns {{ key: number | null, kept: number | null, channel: number | null, marker: [number, number] | null, means: "query" | "key" | null,
 * sliders: Record<string, number>, matched: Record<string, number> }} */
export const plainPlace = () => ({ key: null, kept: null, channel: null, marker: null, means: null, sliders: {}, matched: {} });

/** What a page starts from, as an address says it. @param {Start} start @returns {Record<string, string>} */
export function addressOf({ example, block, x, y, model, frame }) {
  return { example, block, x: String(x), y: String(y), held: "1", ...(frame === undefined ? {} : { frame: String(frame) }), ...(model ? { model } : {}) };
}

/** @typedef {{ lesson: number, lang: string, key: [number, number] | null, seen: boolean, present: boolean, here: boolean, card: string }} Asked
 * here: the page is about the picture that the address names, not about its own */

/** @param {string} hash @returns {Asked} */
export function placeAsked(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, "")), number = /^\d{1,2}$/.test(said.get("lesson") || "") ? Number(said.get("lesson")) : 0;
  const [x, y] = (said.get("k") || "").split(",").map(Number);
  return {
    lesson: number <= LAST ? number : 0, lang: said.get("lang") || "", key: said.get("k") && x >= 0 && y >= 0 ? [x, y] : null,
    seen: said.get("seen") === "1", present: said.get("present") === "1",
    here: said.get("here") === "1", card: said.get("card") || "",
  };
}

/** How many pages an address can name. */
const LAST = 11;

/** @param {Lesson} lesson */
export function hashOf({ number, tongue, place, presenting, session: { open }, state, memo, elsewhere }) {
  const said = new URLSearchParams();
  if (number) said.set("lesson", String(number));
  if (number && place.kept !== null && open) {
    const { left, right, top, bottom } = open.block.keys.rect(place.kept);
    said.set("k", `${Math.floor((left + right) / 2)},${Math.floor((top + bottom) / 2)}`);
  }
  if (number && open && state.revealed) said.set("seen", "1");
  if (number && memo.door) said.set("card", memo.door);
  if (number && elsewhere) said.set("here", "1");
  if (presenting) said.set("present", "1");
  if (number || tongue.now !== "en") said.set("lang", tongue.now);
  return String(said).replaceAll("%2C", ",");
}
