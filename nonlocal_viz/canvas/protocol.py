"""What the page and the server say to each other, as types: the one place where its words stand.

The browser's code is checked against the same types: ``python -m tests.web.declare`` writes them as
``canvas/protocol.d.ts``, and a test holds that file to this one.

The browser asks by the name of an endpoint (``start``, ``picture``, ``block``, ``row``, ``field``,
``save``, ``lesson``) with a question; the server answers with values whose ``kind`` says what each is, any
number of ``progress`` before the last. Every question has a number, which its answers bring back
unchanged; that of the first picture is 0. A browser that hangs up ends its question.
"""

from typing import Literal, NotRequired, TypedDict


class Axis(TypedDict):
    """Border i of a side, 0..cells, lies at numerators[i] / denominator pixels of the original."""

    numerators: list[int]
    denominator: int


class Grid(TypedDict):
    """Cells (T, H, W), numbered in raster order, and where they lie."""

    cells: tuple[int, int, int]
    x: Axis
    y: Axis


class Pairwise(TypedDict):
    """How a query and a key become a weight; core/pairwise.py says what each field means."""

    score: Literal["product", "sum"]
    rectify: bool
    normalise: Literal["softmax", "count", "sum"]
    scale: float | list[float]


class OffGrid(TypedDict):
    """Names of the tokens that lie on no cell: before the cells, and after them."""

    before: list[str]
    after: list[str]


class Aside(TypedDict):
    """The tokens of both sides that lie on no cell."""

    query: OffGrid
    key: OffGrid


class Section(TypedDict):
    """Numbers of a block's file, little-endian, from byte ``offset``; factors.py says which. Two that
    are the same may begin at the same byte."""

    name: Literal[
        "query",
        "key",
        "normaliser",
        "query_reach",
        "key_reach",
        "bias",
        "query_place",
        "key_place",
        "unary",
    ]
    type: Literal["float16", "float32", "int32"]
    offset: int
    shape: list[int]


class File(TypedDict):
    """Where something is fetched from."""

    url: str


class BlockAbout(TypedDict):
    """What the network says of a block: channels of x (``input``) and of theta, phi and g (``inner``),
    whether theta and phi are learnt, and whether scores are divided by the root of their channels."""

    input: int
    inner: int
    embedded: bool
    scaled: bool


class Block(TypedDict):
    """One block of one picture. ``factors`` is null where a browser cannot hold them, which then asks for
    rows; ``pairwise`` is null where the affinity is more than data, ``about`` where nothing is said of it;
    ``span`` is the number of keys that a query looks at."""

    block: str
    instantiation: str
    pairwise: Pairwise | None
    about: BlockAbout | None
    signed: bool
    distribution: bool
    heads: int
    channels: int
    span: int
    pooled: bool
    queries: Grid
    keys: Grid
    aside: Aside
    sections: list[Section]
    factors: File | None


class Source(TypedDict):
    """Which picture or clip is looked at: an example by its name, an upload by its place within the folder
    of uploads (a hash of its content, and its name); by which model (the page's own unless named), and how
    a clip is sampled: frames (count), start and stride in seconds, spacetime (false: each frame by
    itself)."""

    example: NotRequired[str]
    upload: NotRequired[str]
    model: NotRequired[str]
    frames: NotRequired[int]
    start: NotRequired[float]
    stride: NotRequired[float]
    spacetime: NotRequired[bool]


class StartQuestion(TypedDict):
    """Open the first picture: what the query of the address asks for, as far as it makes sense."""

    question: int
    query: dict[str, str]


class PictureQuestion(TypedDict):
    """Open a picture or clip, with this block if the model has it."""

    question: int
    source: Source
    block: str | None


class BlockQuestion(TypedDict):
    """Another block of the same picture."""

    question: int
    source: Source
    block: str


class RowQuestion(TypedDict):
    """One row or column of a block that is too big for a browser, at a pixel of a frame."""

    question: int
    source: Source
    block: str
    direction: Literal["row", "column"]
    x: float
    y: float
    frame: int
    head: NotRequired[int]
    token: NotRequired[str]


class FieldQuestion(TypedDict):
    """The row of a pixel, or of a ``token`` that lies on no cell, in all blocks and heads at once."""

    question: int
    source: Source
    block: str
    x: float
    y: float
    frame: int
    token: str | None


class SaveQuestion(TypedDict):
    """A download, painted as the page is. ``scale`` is that of the colours; ``colour`` is of the photo;
    ``veil``: a colour is the more solid the greater its weight; ``blocks`` are those of a page that works
    alone, ``query`` what it shows; ``caption``: with a colour bar and a line that says what is shown,
    where the file can have them."""

    question: int
    source: Source
    block: str
    direction: Literal["row", "column"]
    x: float
    y: float
    frame: int
    suffix: str
    cmap: str
    alpha: float
    scale: Literal["linear", "gamma", "log"]
    smooth: bool
    colour: bool
    veil: bool
    caption: bool
    blocks: list[str]
    query: str
    head: NotRequired[int]
    token: NotRequired[str]


class LessonQuestion(TypedDict):
    """What a page of the lesson needs beside the factors of a block.

    ``tensors``: those of the ``names`` (x, theta, phi, g, y, projected, added, z; ``weight`` and ``bias``
    of W_z with its BatchNorm folded in; ``sizes``, |W_z g_j|). ``same``: the block as torch's attention.
    ``cousin``: the block of another ``model``, or of ``nonlocal_means``. ``code``: a dozen lines with what
    is chosen for the gaps ``product`` and ``softmax``, by its number."""

    question: int
    source: Source
    want: Literal["tensors", "same", "cousin", "code"]
    block: str
    x: float
    y: float
    frame: int
    names: NotRequired[list[str]]
    model: NotRequired[str]
    product: NotRequired[int]
    softmax: NotRequired[int]


class About(TypedDict):
    """What the model says of itself; ``assumptions`` are sentences."""

    name: str
    title: str
    assumptions: list[str]


class View(TypedDict):
    """A picture or clip with its first block; ``start`` is x, y and frame of a query to begin with.
    ``fineness`` says how many rows and columns of cells a frame has in each of the ``blocks``, null where
    that is not known before it is asked; ``best`` is the one whose rows were measured to rank objects
    best, null where nobody measured. ``alone`` is the size in bytes of a page that shows it without a
    server, its blocks aside. ``seen`` is the part that the network was given (left, top, right, bottom),
    null where that is all of it."""

    kind: Literal["view"]
    seq: int
    question: NotRequired[int]
    source: Source
    about: About
    title: str
    alt: str
    start: tuple[float, float, int]
    width: int
    height: int
    frames: list[File]
    times: list[float]
    spacetime: bool
    seen: tuple[float, float, float, float] | None
    blocks: list[str]
    fineness: list[tuple[int, int] | None]
    best: str | None
    alone: int
    first: Block


class BlockAnswer(TypedDict):
    """Another block of the picture."""

    kind: Literal["block"]
    seq: int
    question: NotRequired[int]
    source: Source
    first: Block


class RowAnswer(TypedDict):
    """Weights of all cells of all frames, float32."""

    kind: Literal["row"]
    seq: int
    question: NotRequired[int]
    source: Source
    block: str
    direction: Literal["row", "column"]
    cell: list[int]
    weights: File
    head: NotRequired[int | None]


class FieldLayer(TypedDict):
    """One block of a field: its tiles (heads, rows, columns), a byte each, from ``offset`` of the file;
    ``shares`` of each head's row that lie on kinds of tokens which are no cells; how far rows were from the
    network's own, relative (``proof``)."""

    block: str
    heads: int
    rows: int
    columns: int
    offset: int
    signed: bool
    shares: dict[str, list[float]]
    proof: dict[str, float]
    notes: list[str]


class FieldAnswer(TypedDict):
    """Small pictures of one row in all blocks and heads; ``tokens``: what else can be asked about."""

    kind: Literal["field"]
    seq: int
    question: NotRequired[int]
    source: Source
    token: str | None
    tokens: list[str]
    layers: list[FieldLayer]
    tiles: File


class ProgressAnswer(TypedDict):
    """How far an answer is, in words and as a part of the whole, 0 to 1; null where nobody knows."""

    kind: Literal["progress"]
    seq: int
    question: NotRequired[int]
    words: str
    done: float | None


class FileAnswer(TypedDict):
    """A download."""

    kind: Literal["file"]
    seq: int
    question: NotRequired[int]
    name: str
    file: File


class ErrorAnswer(TypedDict):
    """One sentence. ``why`` says what a later try may mend: too much is asked at once, or the picture is
    not here any more and may be sent again."""

    kind: Literal["error"]
    seq: int
    question: NotRequired[int]
    message: str
    why: NotRequired[Literal["busy", "gone"]]


class Numbers(TypedDict):
    """A tensor, little-endian, in raster order."""

    file: File
    type: Literal["float16", "float32"]
    shape: list[int]


class LessonAnswer(TypedDict):
    """What was wanted: ``tensors`` by their names; of ``same`` and ``code`` the ``weights`` of the query's
    row and how far all of the map and of z are off the block's own at most (``queries`` says how many rows
    were compared), beside the greatest of them; of ``code`` the ``text``, the choices of its
    ``gaps`` and, where it was run, what it computed; of ``cousin`` its ``model`` and its block."""

    kind: Literal["lesson"]
    seq: int
    question: NotRequired[int]
    source: Source
    want: Literal["tensors", "same", "cousin", "code"]
    tensors: NotRequired[dict[str, Numbers]]
    weights: NotRequired[Numbers]
    map_difference: NotRequired[float]
    z_difference: NotRequired[float]
    map_greatest: NotRequired[float]
    z_greatest: NotRequired[float]
    queries: NotRequired[int]
    text: NotRequired[str]
    gaps: NotRequired[dict[str, list[str]]]
    model: NotRequired[str]
    cousin: NotRequired[Block]


Answer = View | BlockAnswer | RowAnswer | FieldAnswer | ProgressAnswer | FileAnswer | ErrorAnswer


class Example(TypedDict):
    """A picture or clip that comes with the page; ``thumb`` is the address of a small picture."""

    name: str
    title: str
    alt: str
    thumb: str
    clip: bool


class ColourMaps(TypedDict):
    """Colour maps by name, 256 colours each, as hexadecimal RGB."""

    sequential: dict[str, str]
    diverging: dict[str, str]


class Bounds(TypedDict):
    """The largest file of each kind, in bytes."""

    picture: int
    clip: int


class Model(TypedDict):
    """A model on offer; ``expect`` says in a few words what its rows are like, "" where nobody knows."""

    name: str
    title: str
    expect: str


class Config(TypedDict):
    """What the browser is told once. The first model is the page's own; ``opens``: whether others can be
    named that are not among them; ``words`` are sentences by language and key."""

    examples: list[Example]
    maps: ColourMaps
    scales: list[Literal["linear", "gamma", "log"]]
    bounds: Bounds
    models: list[Model]
    opens: NotRequired[bool]
    words: dict[str, dict[str, str]]


class Shelf(TypedDict):
    """What lies in a page that works without a server: a picture with its first block, the ``others``, and
    of whatever cannot be made from factors the one answer that is shown, as ``weights`` of its first block;
    null where everything can be asked. ``query`` is what an address would ask for at first."""

    config: Config
    view: View
    others: list[Block]
    weights: File | None
    query: str
