// Types of the lesson: what a page is, and what it is told.

import type { Affinity } from "./core/affinity.js";
import type { Block, Point } from "./core/answer.js";
import type { Grid } from "./core/grid.js";
import type { Lesson } from "./lesson/lesson.js";

/** A number as it is shown; `value` is what it was rounded from. */
export interface Figure { value: number; text: string; }
/** A string: words, as they are. */
export type Figures = Record<string, number | string | Figure | undefined>;

/** What is shown, for a page: of the query that is pointed at, or of the one that the page rests on. */
export interface At {
  lesson: Lesson;
  block: Block;
  affinity: Affinity;
  queries: Grid;
  keys: Grid;
  q: number;
  point: Point;
  /** The query's weights, a copy. */
  row: Float32Array;
  size: { width: number; height: number };
  /** Whether this is another query, photo or model than the page starts from: its texts then name no facts of that one. */
  neutral: boolean;
  /** Whether the answer may be seen. */
  revealed: boolean;
  /** What this page keeps while it is open. */
  memo: Record<string, any>;
  /** What the server sent for this page, by name. */
  got: Record<string, any>;
}

export interface Choice { words: string; value?: number; text?: string; place?: [number, number]; row?: Float32Array; }
export type Question =
  | { kind: "which"; options: Choice[]; right: number; own?: boolean; key?: string }
  | { kind: "where"; own?: boolean; key?: string }
  | { kind: "number"; truth: number; low: number; high: number; own?: boolean; key?: string }
  | { kind: "match"; left: string[]; right: string[]; own?: boolean; key?: string };

export interface Given { given: any; pass: boolean; score: number; }

export interface Start {
  example: string; block: string; x: number; y: number; model?: string; frame?: number;
  /** A key to begin with. */
  key?: [number, number];
  direction?: "row" | "column";
}

/** What the drawing of the block says otherwise: how many keys there are now, and tensors whose size is not given away. */
export interface Plan { keys?: number; hidden?: string[]; }

export interface Page {
  name: string;
  start: Start;
  /** Whether the row is hidden before the question is answered; of a page with several cards, as the card is. */
  veil: boolean | ((lesson: Lesson) => boolean);
  /** What pointing at the photo moves, once the answer may be seen. */
  pointer: "query" | "key";
  /** Tensors that lie under the diagram's emphasis. */
  stages: string[];
  /** Whether what the page says is true of a softmax alone. */
  softmax?: boolean;
  formulas: string[] | ((at: At) => string[]);
  /** Numbers of the text in front of the question: they give nothing away. */
  before?: (at: At) => Figures;
  /** Numbers of the text behind it. */
  facts?: (at: At) => Figures;
  /** What stands in front of the question, as HTML. */
  lead?: (at: At) => string;
  /** The key of the text behind the question, where it is not always the same. */
  after?: (at: At) => string;
  ask?: (at: At) => Question | null;
  check?: (at: At) => Question | null;
  /** The key of the sentence that says why there is no question here. */
  none?: (at: At) => string | undefined;
  /** The key of a text ("intro", "more", "why") where it is not the usual one. */
  key?: (at: At, name: string) => string | undefined;
  /** What is marked on the photo, before the answer and behind it. */
  marks?: (at: At) => void;
  /** Questions for the server, by name; each is fetched once for a picture and block. */
  needs?: (block: Block, point: Point, memo: Record<string, any>) => Record<string, object>;
  /** What can be tried, as HTML: in front of the answer, and behind it. */
  body?: (at: At) => string;
  draw?: (at: At, box: HTMLElement) => void;
  plan?: (at: At) => Plan;
  /** What lies over the photo instead of the row; `what`: the key of what its numbers are called, a weight unless it is said. */
  paint?: (at: At) => { weights: Float32Array; grid: Grid; signed: boolean; top: number; what?: string } | null;
  act?: (at: At, name: string, element: HTMLElement) => void;
  slide?: (at: At, name: string, value: number) => void;
  /** Further start states of the page, by name. */
  doors?: Record<string, Start>;
  left?: (lesson: Lesson) => void;
}

/** One of several states of a page, with its own question. */
export interface Card {
  start: Start;
  veil: boolean;
  formulas: string[];
  /** Names of its small maps. */
  maps: string[];
  needs: Record<string, object>;
  before?: (at: At) => Figures;
  ask: (at: At) => Question | null;
  /** As of a page. */
  none?: (at: At) => string | undefined;
  /** The key of the text behind the question; "" for none. */
  after: (at: At) => string;
  facts: (at: At) => Figures;
  /** The key of the line whose numbers follow the pointer; "" where there are none. */
  live: (at: At) => string;
  draw: (at: At, maps: Record<string, HTMLCanvasElement | null>) => void;
  marks?: (at: At) => void;
}
