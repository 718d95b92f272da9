// Written by `python -m tests.web.declare` from nonlocal_viz/canvas/protocol.py: change that.

/** Border i of a side, 0..cells, lies at numerators[i] / denominator pixels of the original. */
export interface Axis {
  numerators: number[];
  denominator: number;
}

/** Cells (T, H, W), numbered in raster order, and where they lie. */
export interface Grid {
  cells: [number, number, number];
  x: Axis;
  y: Axis;
}

/** How a query and a key become a weight; core/pairwise.py says what each field means. */
export interface Pairwise {
  score: "product" | "sum";
  rectify: boolean;
  normalise: "softmax" | "count" | "sum";
  scale: number | number[];
}

/** Names of the tokens that lie on no cell: before the cells, and after them. */
export interface OffGrid {
  before: string[];
  after: string[];
}

/** The tokens of both sides that lie on no cell. */
export interface Aside {
  query: OffGrid;
  key: OffGrid;
}

/** Numbers of a block's file, little-endian, from byte ``offset``; factors.py says which. Two that are the same may begin at the same byte. */
export interface Section {
  name: "query" | "key" | "normaliser" | "query_reach" | "key_reach" | "bias" | "query_place" | "key_place" | "unary";
  type: "float16" | "float32" | "int32";
  offset: number;
  shape: number[];
}

/** Where something is fetched from. */
export interface File {
  url: string;
}

/** What the network says of a block: channels of x (``input``) and of theta, phi and g (``inner``), whether theta and phi are learnt, and whether scores are divided by the root of their channels. */
export interface BlockAbout {
  input: number;
  inner: number;
  embedded: boolean;
  scaled: boolean;
}

/** One block of one picture. ``factors`` is null where a browser cannot hold them, which then asks for rows; ``pairwise`` is null where the affinity is more than data, ``about`` where nothing is said of it; ``span`` is the number of keys that a query looks at. */
export interface Block {
  block: string;
  instantiation: string;
  pairwise: Pairwise | null;
  about: BlockAbout | null;
  signed: boolean;
  distribution: boolean;
  heads: number;
  channels: number;
  span: number;
  pooled: boolean;
  queries: Grid;
  keys: Grid;
  aside: Aside;
  sections: Section[];
  factors: File | null;
}

/** Which picture or clip is looked at: an example by its name, an upload by its place within the folder of uploads (a hash of its content, and its name); by which model (the page's own unless named), and how a clip is sampled: frames (count), start and stride in seconds, spacetime (false: each frame by itself). */
export interface Source {
  example?: string;
  upload?: string;
  model?: string;
  frames?: number;
  start?: number;
  stride?: number;
  spacetime?: boolean;
}

/** Open the first picture: what the query of the address asks for, as far as it makes sense. */
export interface StartQuestion {
  question: number;
  query: Record<string, string>;
}

/** Open a picture or clip, with this block if the model has it. */
export interface PictureQuestion {
  question: number;
  source: Source;
  block: string | null;
}

/** Another block of the same picture. */
export interface BlockQuestion {
  question: number;
  source: Source;
  block: string;
}

/** One row or column of a block that is too big for a browser, at a pixel of a frame. */
export interface RowQuestion {
  question: number;
  source: Source;
  block: string;
  direction: "row" | "column";
  x: number;
  y: number;
  frame: number;
  head?: number;
  token?: string;
}

/** The row of a pixel, or of a ``token`` that lies on no cell, in all blocks and heads at once. */
export interface FieldQuestion {
  question: number;
  source: Source;
  block: string;
  x: number;
  y: number;
  frame: number;
  token: string | null;
}

/** A download, painted as the page is. ``scale`` is that of the colours; ``colour`` is of the photo; ``veil``: a colour is the more solid the greater its weight; ``blocks`` are those of a page that works alone, ``query`` what it shows; ``caption``: with a colour bar and a line that says what is shown, where the file can have them. */
export interface SaveQuestion {
  question: number;
  source: Source;
  block: string;
  direction: "row" | "column";
  x: number;
  y: number;
  frame: number;
  suffix: string;
  cmap: string;
  alpha: number;
  scale: "linear" | "gamma" | "log";
  smooth: boolean;
  colour: boolean;
  veil: boolean;
  caption: boolean;
  blocks: string[];
  query: string;
  head?: number;
  token?: string;
}

/** What a page of the lesson needs beside the factors of a block. ``tensors``: those of the ``names`` (x, theta, phi, g, y, projected, added, z; ``weight`` and ``bias`` of W_z with its BatchNorm folded in; ``sizes``, |W_z g_j|). ``same``: the block as torch's attention. ``cousin``: the block of another ``model``, or of ``nonlocal_means``. ``code``: a dozen lines with what is chosen for the gaps ``product`` and ``softmax``, by its number. */
export interface LessonQuestion {
  question: number;
  source: Source;
  want: "tensors" | "same" | "cousin" | "code";
  block: string;
  x: number;
  y: number;
  frame: number;
  names?: string[];
  model?: string;
  product?: number;
  softmax?: number;
}

/** What the model says of itself; ``assumptions`` are sentences. */
export interface About {
  name: string;
  title: string;
  assumptions: string[];
}

/** A picture or clip with its first block; ``start`` is x, y and frame of a query to begin with. ``fineness`` says how many rows and columns of cells a frame has in each of the ``blocks``, null where that is not known before it is asked; ``best`` is the one whose rows were measured to rank objects best, null where nobody measured. ``alone`` is the size in bytes of a page that shows it without a server, its blocks aside. ``seen`` is the part that the network was given (left, top, right, bottom), null where that is all of it. */
export interface View {
  kind: "view";
  seq: number;
  question?: number;
  source: Source;
  about: About;
  title: string;
  alt: string;
  start: [number, number, number];
  width: number;
  height: number;
  frames: File[];
  times: number[];
  spacetime: boolean;
  seen: [number, number, number, number] | null;
  blocks: string[];
  fineness: ([number, number] | null)[];
  best: string | null;
  alone: number;
  first: Block;
}

/** Another block of the picture. */
export interface BlockAnswer {
  kind: "block";
  seq: number;
  question?: number;
  source: Source;
  first: Block;
}

/** Weights of all cells of all frames, float32. */
export interface RowAnswer {
  kind: "row";
  seq: number;
  question?: number;
  source: Source;
  block: string;
  direction: "row" | "column";
  cell: number[];
  weights: File;
  head?: number | null;
}

/** One block of a field: its tiles (heads, rows, columns), a byte each, from ``offset`` of the file; ``shares`` of each head's row that lie on kinds of tokens which are no cells; how far rows were from the network's own, relative (``proof``). */
export interface FieldLayer {
  block: string;
  heads: number;
  rows: number;
  columns: number;
  offset: number;
  signed: boolean;
  shares: Record<string, number[]>;
  proof: Record<string, number>;
  notes: string[];
}

/** Small pictures of one row in all blocks and heads; ``tokens``: what else can be asked about. */
export interface FieldAnswer {
  kind: "field";
  seq: number;
  question?: number;
  source: Source;
  token: string | null;
  tokens: string[];
  layers: FieldLayer[];
  tiles: File;
}

/** How far an answer is, in words and as a part of the whole, 0 to 1; null where nobody knows. */
export interface ProgressAnswer {
  kind: "progress";
  seq: number;
  question?: number;
  words: string;
  done: number | null;
}

/** A download. */
export interface FileAnswer {
  kind: "file";
  seq: number;
  question?: number;
  name: string;
  file: File;
}

/** One sentence. ``why`` says what a later try may mend: too much is asked at once, or the picture is not here any more and may be sent again. */
export interface ErrorAnswer {
  kind: "error";
  seq: number;
  question?: number;
  message: string;
  why?: "busy" | "gone";
}

/** A tensor, little-endian, in raster order. */
export interface Numbers {
  file: File;
  type: "float16" | "float32";
  shape: number[];
}

/** What was wanted: ``tensors`` by their names; of ``same`` and ``code`` the ``weights`` of the query's row and how far all of the map and of z are off the block's own at most (``queries`` says how many rows were compared), beside the greatest of them; of ``code`` the ``text``, the choices of its ``gaps`` and, where it was run, what it computed; of ``cousin`` its ``model`` and its block. */
export interface LessonAnswer {
  kind: "lesson";
  seq: number;
  question?: number;
  source: Source;
  want: "tensors" | "same" | "cousin" | "code";
  tensors?: Record<string, Numbers>;
  weights?: Numbers;
  map_difference?: number;
  z_difference?: number;
  map_greatest?: number;
  z_greatest?: number;
  queries?: number;
  text?: string;
  gaps?: Record<string, string[]>;
  model?: string;
  cousin?: Block;
}

/** A picture or clip that comes with the page; ``thumb`` is the address of a small picture. */
export interface Example {
  name: string;
  title: string;
  alt: string;
  thumb: string;
  clip: boolean;
}

/** Colour maps by name, 256 colours each, as hexadecimal RGB. */
export interface ColourMaps {
  sequential: Record<string, string>;
  diverging: Record<string, string>;
}

/** The largest file of each kind, in bytes. */
export interface Bounds {
  picture: number;
  clip: number;
}

/** A model on offer; ``expect`` says in a few words what its rows are like, "" where nobody knows. */
export interface Model {
  name: string;
  title: string;
  expect: string;
}

/** What the browser is told once. The first model is the page's own; ``opens``: whether others can be named that are not among them; ``words`` are sentences by language and key. */
export interface Config {
  examples: Example[];
  maps: ColourMaps;
  scales: ("linear" | "gamma" | "log")[];
  bounds: Bounds;
  models: Model[];
  opens?: boolean;
  words: Record<string, Record<string, string>>;
}

/** What lies in a page that works without a server: a picture with its first block, the ``others``, and of whatever cannot be made from factors the one answer that is shown, as ``weights`` of its first block; null where everything can be asked. ``query`` is what an address would ask for at first. */
export interface Shelf {
  config: Config;
  view: View;
  others: Block[];
  weights: File | null;
  query: string;
}

/** Whatever the server sends. */
export type Answer = View | BlockAnswer | RowAnswer | FieldAnswer | ProgressAnswer | FileAnswer | ErrorAnswer;
