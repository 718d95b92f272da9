// A state of the page as the query of an address, and back. Links outlive versions: names that were given stay
// what they are (example, model, block, x, y, frame, show, cmap, scale), head); a way of a pin's looking is followed by its head, where it is not the mean.

/** @typedef {import("./look.js").Look} Look */
/** @typedef {import("./pinlist.js").Bare & { number: number }} Pin */
/** @typedef {import("../protocol.js").Source} Source */
/** @typedef {{ source: Source, block: string, point: import("./answer.js").Point, held: boolean, frame: number, signed: boolean, look: Look,
 *   pins: Pin[] }} Shown frame: the one that is large */
/** @typedef {{ scales: import("./colours.js").ColourScale[], sequential: string[], diverging: string[] }} Offer what there is to choose from */
/** @typedef {{ width: number, height: number, times: number[], source: Source, blocks: string[] }} Opened the picture that came */

/** Every name that is ours in an address; others are left alone. */
export const NAMES = ["example", "upload", "model", "block", "head", "token", "x", "y", "frame", "large", "held", "show", "frames", "spacetime", "start",
  "stride", "cmap", "scale", "alpha", "on", "off", "pin"];
/** Looks that are on or off. @type {("smooth" | "grid" | "colour" | "arrows" | "veil")[]} */
const SWITCHES = ["smooth", "grid", "colour", "arrows", "veil"];

/** @param {Shown} shown */
export function linkQuery({ source, block, point: { x, y, t }, held, frame, signed, look, pins }) {
  const query = new URLSearchParams(sourceQuery(source));
  const [cmap, other] = signed ? [look.signedCmap, look.cmap] : [look.cmap, look.signedCmap];
  const said = {
    block, x: String(x), y: String(y), frame: String(t), ...(frame === t ? {} : { large: String(frame) }), ...(held ? { held: "1" } : {}),
    show: look.direction, cmap, scale: look.colourScale, alpha: String(look.alpha),
    // Both are said: what a later version adds is as it likes in a link of before.
    on: SWITCHES.filter((name) => look[name]).join(" "), off: SWITCHES.filter((name) => !look[name]).join(" "),
  };
  for (const [name, value] of Object.entries(said)) query.set(name, value);
  query.append("cmap", other);
  for (const pin of pins) query.append("pin", pinText(pin));
  return query;
}

/** @param {Source} source @returns {Record<string, string>} */
function sourceQuery({ example, upload, model, frames, spacetime, start, stride }) {
  return {
    ...(example ? { example } : {}), ...(upload && !example ? { upload } : {}), ...(model ? { model } : {}),
    ...(frames ? { frames: String(frames) } : {}), ...(spacetime === false ? { spacetime: "0" } : {}),
    ...(start ? { start: String(start) } : {}), ...(stride ? { stride: String(stride) } : {}),
  };
}

/** The picture that an address asks for, and how; null where it names none. @param {URLSearchParams} asked @returns {Source | null} */
export function sourceAsked(asked) {
  const example = asked.get("example"), upload = asked.get("upload"), model = asked.get("model");
  if (!example && !upload) return null;
  const number = (/** @type {string} */ name) => (+(asked.get(name) || 0) > 0 ? { [name]: +(asked.get(name) || 0) } : {});
  return {
    ...(example ? { example } : { upload: upload || "" }), ...(model ? { model } : {}), ...number("frames"), ...number("start"), ...number("stride"),
    ...(asked.get("spacetime") === "0" ? { spacetime: false } : {}),
  };
}

/** Stars are what an address need not escape; what may hold one itself stands last. @param {Pin} pin */
function pinText({ number, x, y, time, sampling, direction, block, model, head }) {
  return [number, x, y, +time.toFixed(3), sampling, head === undefined ? direction : `${direction}-${head}`, block, model].join("*");
}

/** @param {string} text @param {{ width: number, height: number }} picture @returns {Pin | null} */
function pinAsked(text, { width, height }) {
  const [number, x, y, time, sampling, way = "", block, ...model] = text.split("*"), looking = wayAsked(way);
  const fine = Number.isInteger(+number) && +number > 0 && x !== "" && y !== "" && within(+x, width) && within(+y, height) && +time >= 0
    && /^(\d+-?)?$/.test(sampling);
  if (!fine || !looking || !block || !model.length) return null;
  return { number: +number, x: +x, y: +y, time: +time, sampling, ...looking, block, model: model.join("*"), answer: null };
}

/** Which way a pin looks, and with which head. @param {string} way */
function wayAsked(way) {
  const [whole, direction, head] = /^(row|column)(?:-(\d{1,4}))?$/.exec(way) || [];
  return whole === undefined ? null : { direction: /** @type {import("./answer.js").Direction} */ (direction), ...(head === undefined ? {} : { head: +head }) };
}

/** @param {number} v @param {number} size */
const within = (v, size) => v >= 0 && v < size;

/** What an address asks for, as far as it makes sense for a picture, and in words what does not.
 * @param {URLSearchParams} asked @param {Opened} opened @param {Offer} offer
 * @returns {{ point: Partial<import("./answer.js").Point>, held: boolean, frame: number | null, look: Partial<Look>, pins: Pin[], missed: string[] }} */
export function restored(asked, opened, offer) {
  /** @type {string[]} */
  const missed = missedSource(asked, opened), said = (/** @type {string} */ name) => asked.get(name) || "", frames = opened.times.length;
  const x = parseFloat(said("x")), y = parseFloat(said("y")), inside = within(x, opened.width) && within(y, opened.height);
  if ((said("x") || said("y")) && !inside) missed.push(`there is no point (${said("x") || "?"}, ${said("y") || "?"}) in the picture`);
  const frameOf = (/** @type {string} */ name) => {
    const t = /^\d+$/.test(said(name)) ? +said(name) : -1, fine = within(t, frames);
    if (said(name) && !fine) missed.push(`there is no frame ${said(name)}`);
    return fine ? t : null;
  };
  const t = frameOf("frame"), frame = frameOf("large");
  const texts = asked.getAll("pin"), pins = texts.map((text) => pinAsked(text, opened)).filter((pin) => pin !== null);
  if (pins.length < texts.length) missed.push(`${texts.length - pins.length} of its pins cannot be shown here`);
  return {
    point: { ...(inside ? { x, y } : {}), ...(t === null ? {} : { t }) }, held: inside && said("held") === "1", frame,
    look: lookAsked(asked, offer, missed), pins, missed,
  };
}

/** @param {URLSearchParams} asked @param {Opened} opened */
function missedSource(asked, { source, blocks }) {
  const missed = [], [example, upload, other, block] = ["example", "upload", "model", "block"].map((name) => asked.get(name));
  if (example && source.example !== example) missed.push(`there is no example \u201c${example}\u201d`);
  else if (upload && !example && source.upload !== upload) missed.push("its picture is no longer on this server, so open it again");
  // The server answers to former names of a model, and by its own where it knows none.
  if (other && !source.model) missed.push(`there is no model \u201c${other}\u201d`);
  if (block && !blocks.includes(block)) missed.push(`this model has no block \u201c${block}\u201d`);
  return missed;
}

/** @param {URLSearchParams} asked @param {Offer} offer @param {string[]} missed @returns {Partial<Look>} */
function lookAsked(asked, { scales, sequential, diverging }, missed) {
  const maps = asked.getAll("cmap"), known = (/** @type {string[]} */ names) => maps.find((name) => names.includes(name));
  const opacity = Number(asked.get("alpha") || NaN), turned = (/** @type {string} */ way) => (asked.get(way) || "").split(" ");
  const on = turned("on"), off = turned("off");
  /** @type {Partial<Look>} */
  const look = {
    direction: /** @type {("row" | "column")[]} */ (["row", "column"]).find((one) => one === asked.get("show")),
    colourScale: scales.find((one) => one === asked.get("scale")), cmap: known(sequential), signedCmap: known(diverging),
    alpha: opacity >= 0 && opacity <= 1 ? opacity : undefined,
    ...Object.fromEntries(SWITCHES.flatMap((name) => (on.includes(name) || off.includes(name) ? [[name, on.includes(name)]] : []))),
  };
  const words = { show: "is neither row nor column", scale: "is no scale", alpha: "is no opacity" };
  for (const [name, value] of /** @type {const} */ ([["show", look.direction], ["scale", look.colourScale], ["alpha", look.alpha]])) {
    if (asked.get(name) && value === undefined) missed.push(`\u201c${asked.get(name)}\u201d ${words[name]}`);
  }
  for (const name of maps) if (name && ![...sequential, ...diverging].includes(name)) missed.push(`there are no colours \u201c${name}\u201d`);
  return Object.fromEntries(Object.entries(look).filter(([, value]) => value !== undefined));
}

/** One sentence of what an address asks for and is not there; "" where there is nothing. @param {string[]} missed */
export const missedWords = (missed) => (missed.length ? `Not all of this address could be brought back: ${missed.join("; ")}.` : "");
