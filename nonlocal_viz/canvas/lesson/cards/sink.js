// Sinks: a key that gets far more than its share, how many give it that, and what one bright row can say about it.

import { middle } from "../../core/grid.js";
import { bestOf, sumOf } from "../../core/sums.js";
import { drawMap } from "../bars.js";
import { decimal, share, tiny } from "../figures.js";
import { followSweep } from "../sweeping.js";
import { COUNTING } from "../texts.js";

/** @typedef {import("../../pages.js").At} At */
/** @typedef {import("../../pages.js").Card} Card */
/** @typedef {{ best: number, times: number, column: Float32Array, columns: Float64Array, even: number, over: number, tenth: number, giver: number,
 * spares: number, most: number, few: number }} Sink times: what the most popular key receives, in what an average key does; column: what
 * each query gives it; even: what it would get of a query by an even share; over: share of the queries that give more than that;
 * tenth: share of what it receives that the strongest tenth of the queries give; giver, spares: queries that give it most and least; most: share of the
 * queries whose strongest key it is; few: share of all weight that the strongest hundredth of the keys hold */

/** A key that receives so many times what an average key does is called a sink. */
const SINK_TIMES = 10;
/** Within so much of the diagonal a query lies beside it. */
const SINK_NEAR = 0.1;
/** From one to the other are about half of the queries: the quarters that the choices name. */
const SINK_FEW = 0.25;
const SINK_ALL = 0.75;
const SINK_KINDS = ["all", "half", "few"];

/** What was found of a block; made once. @type {WeakMap<import("../../core/answer.js").Block, Sink>} */
const SINKS = new WeakMap();

/** The most popular key, once all rows have been added up. @param {At} at @returns {Sink | null} */
function sinkOf(at) {
  const { lesson, block, affinity, keys, queries, size } = at, known = SINKS.get(block), swept = lesson.swept.get(block);
  if (known || !swept) return known || null;
  const { columns, bestOf: chosen } = swept, best = bestOf(columns), total = sumOf(columns) || 1, column = Float32Array.from(affinity.column(best));
  const [x, y] = middle(keys.rect(best)), radius = SINK_NEAR * Math.hypot(size.width, size.height), even = total / (queries.count * columns.length);
  const far = Array.from(column, (_, q) => { const [u, v] = middle(queries.rect(q)); return Math.hypot(u - x, v - y) > radius; });
  const sorted = Float64Array.from(columns).sort().reverse(), all = sumOf(column) || 1, givers = Float32Array.from(column).sort().reverse();
  const found = {
    best, times: (columns[best] * columns.length) / total, column, columns, even, over: column.filter((w) => w > even).length / queries.count,
    tenth: sumOf(givers.subarray(0, Math.max(1, Math.round(givers.length / 10)))) / all,
    giver: column.reduce((most, w, q) => (far[q] && (!far[most] || w > column[most]) ? q : most), 0),
    spares: column.reduce((least, w, q) => (w < column[least] ? q : least), 0),
    most: chosen[best] / queries.count, few: sumOf(sorted.subarray(0, Math.max(1, Math.round(sorted.length / 100)))) / total,
  };
  SINKS.set(block, found);
  return found;
}

/** How many of the queries give it more than an even share: "none" where it is no sink, nearly "all", about "half", or "few".
 * @param {{ times: number, over: number }} sink */
export function kindSink({ times, over }) {
  if (times < SINK_TIMES) return "none";
  return over > SINK_ALL ? "all" : over >= SINK_FEW ? "half" : "few";
}

/** Whether columns of it can be added up here. @param {At} at */
const countsSink = ({ affinity, block: { meta } }) => affinity.heads === 1 && !meta.signed;

/** @type {Card} */
export const sinkCard = {
  start: { example: "rocket", block: "layer2.1", x: 400, y: 60, model: "labels_only" },
  veil: true, formulas: [], maps: ["one", "two", "three", "four"], needs: {},
  before: (at) => {
    const sink = sinkOf(at);
    return { bound: SINK_TIMES, ...(sink ? { sinkTimes: sink.times } : {}) };
  },
  ask: (at) => {
    if (!countsSink(at)) return null;
    followSweep(at, () => { /* the page is written anew */ });
    const { lesson } = at, sink = sinkOf(at), kind = sink ? kindSink(sink) : "none";
    if (kind === "none") return null;
    return { kind: "which", key: "limits.sink.ask", right: SINK_KINDS.indexOf(kind),
      options: SINK_KINDS.map((name) => ({ words: lesson.say(`limits.sink.ask.${name}`) })) };
  },
  none: (at) => (!countsSink(at) ? "limits.sink.none.heads" : sinkOf(at) ? "limits.sink.none" : COUNTING),
  after: (at) => { const sink = sinkOf(at); return sink ? `limits.sink.after.${kindSink(sink)}` : countsSink(at) ? COUNTING : ""; },
  facts: (at) => {
    const sink = sinkOf(at);
    if (!sink) return {};
    const over = decimal(100 * sink.over, 1);
    return { bound: SINK_TIMES, sinkTimes: sink.times, sinkOver: over, sinkUnder: { value: 100 - over.value, text: (100 - Number(over.text)).toFixed(1) },
      sinkTenth: share(sink.tenth) };
  },
  live: (at) => { const sink = sinkOf(at); return sink && kindSink(sink) !== "none" ? "limits.sink.live" : ""; },
  draw: (at, { one, two, three, four }) => {
    const { lesson, keys, queries, affinity, q } = at, sink = sinkOf(at);
    if (!sink) { if (countsSink(at)) followSweep(at, () => lesson.render()); return; }
    const { best, column, columns, even, giver, spares } = sink, times = (/** @type {number} */ w) => tiny(w / even);
    for (const [name, value] of /** @type {[string, any][]} */ ([["sinkShare", share(sink.most)], ["fewShare", share(sink.few)],
      ["gives", times(column[giver])], ["spares", times(column[spares])], ["givesNow", times(column[q])]])) lesson.put(name, value);
    // Only the number follows the pointer: the maps stay.
    if (lesson.memo.sinkIn === one) return;
    lesson.memo.sinkIn = one;
    const frame = at.point.t, row = (/** @type {HTMLCanvasElement | null} */ canvas, /** @type {number} */ cell) => canvas
      && drawMap(canvas, lesson, Float32Array.from(affinity.row(cell)), keys, { query: queries.rect(cell), frame: queries.unflat(cell)[0] });
    if (one) drawMap(one, lesson, Float32Array.from(columns), keys, { frame, query: keys.rect(best) });
    if (two) drawMap(two, lesson, column, queries, { frame, query: keys.rect(best) });
    row(three, giver);
    row(four, spares);
  },
  marks: (at) => {
    const { lesson: { marks, state }, keys, queries } = at, sink = sinkOf(at);
    if (!sink || kindSink(sink) === "none") return;
    marks.box("sink", keys.rect(sink.best), "nlv-key");
    marks.letter("1", middle(keys.rect(sink.best)));
    if (!state.revealed) return;
    marks.letter("2", middle(queries.rect(sink.giver)));
    marks.letter("3", middle(queries.rect(sink.spares)));
  },
};
