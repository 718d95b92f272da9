"""What a Lens looks through: any network that says what it is, what it wants to read, and what it saw.

Invariants: nothing here imports torch when it runs, so that the list of models can be read without it;
every value can be pickled; and a Source is asked for nothing but the three names of :class:`Source`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from nonlocal_viz.core.fitting import Lattice as Lattice
from nonlocal_viz.core.fitting import Normalisation as Normalisation
from nonlocal_viz.core.fitting import Prepare as Prepare

if TYPE_CHECKING:
    from torch import Tensor

    from nonlocal_viz.core.affinity import Affinity
    from nonlocal_viz.core.anatomy import Anatomy


@dataclass(frozen=True)
class BlockAbout:
    """What there is to say of one block besides its affinity.

    Attributes:
        input_channels: C, of x and z.
        inner_channels: D, of theta, phi and g.
        embedded: whether theta and phi are learnt; False: x itself is compared (Gaussian).
        use_scale: whether scores are divided by the root of their number of channels.
        stride: pixels of the prepared picture from one cell to the next; None where nobody knows before
            it has run.
    """

    input_channels: int
    inner_channels: int
    embedded: bool = True
    use_scale: bool = False
    stride: int | None = None


@dataclass(frozen=True)
class About:
    """What a network says of itself.

    Attributes:
        name: one word, as in the list of models.
        title: a few words for people; the name where there are none.
        classes: names of the logits, in order.
        default_block: the block that is asked when none is named; None: the first.
        assumptions: sentences, each saying what was inferred about the network and not read from it.
        blocks: {block's name: what there is to say of it}, from the input to the output.
        licence, trained_on: words for people.
        class_list: where the names of the classes come from, as the manifest says it.
    """

    name: str = "model"
    title: str | None = None
    classes: tuple[str, ...] | None = None
    default_block: str | None = None
    assumptions: tuple[str, ...] = ()
    blocks: Mapping[str, BlockAbout] = field(default_factory=dict)
    licence: str = "unknown"
    trained_on: str = "unknown"
    class_list: str | None = None

    def __repr__(self) -> str:
        # A thousand names of classes tell nobody anything.
        told = f"{len(self.classes)} named classes" if self.classes else "no names of classes"
        lines = [f"About({self.name!r}: {', '.join(self.blocks) or 'no block'}; {told}"]
        lines += [f"  assumed: {said}" for said in self.assumptions]
        return "\n".join(brief(lines)) + ")"


def brief(lines: "list[str]", most: int = 6) -> "list[str]":
    """The lines, or as many as fit and how many more there are."""
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"  ... and {len(lines) - most + 1} more"]


class Step(NamedTuple):
    """How far something long is: ``done`` of ``total``, in words for people."""

    words: str
    done: int
    total: int


class Found(NamedTuple):
    """The map of one block."""

    block: str
    affinity: "Affinity"


class Told(NamedTuple):
    """The last thing that a network says of a picture: logits (classes,), if it has any."""

    logits: "Tensor | None"


class Encoded(NamedTuple):
    """What a network made of one picture or clip: logits (classes,) if it has any, a map a block, and where
    the cells of a block lie in what it read (of blocks that are not among these, evenly). ``tube``: frames
    that a cell holds."""

    logits: "Tensor | None"
    affinities: "dict[str, Affinity]"
    lattices: Mapping[str, Lattice] = MappingProxyType({})
    tube: int = 1


@runtime_checkable
class Source(Protocol):
    """A network that can be looked through; :class:`~nonlocal_viz.core.resnet.NonLocalResNet` is one."""

    @property
    def about(self) -> About:
        """What the network says of itself."""
        ...

    @property
    def prepare(self) -> Prepare:
        """How a picture becomes what it reads."""
        ...

    def run(self, pixels: "Tensor", *, spacetime: bool = True) -> Encoded:
        """Run once, without gradients, and leave the network as it was, also after an exception.

        Args:
            pixels: one prepared picture (1, 3, H, W) or clip (1, 3, T, H, W), float32 on the CPU; the
                source brings it to its own device and type.
            spacetime: for clips, whether a position looks at all frames; False: at its own alone, and
                the affinities then have T images of one frame.
        """
        ...


@runtime_checkable
class Gradual(Protocol):
    """A :class:`Source` that can be asked for its maps one after the other."""

    def gradually(
        self, pixels: "Tensor", *, spacetime: bool = True
    ) -> "Iterator[Step | Found | Told]":
        """As :meth:`Source.run`, in steps: a block's map as soon as there is one, in the order of
        ``about.blocks``, and the logits last. Between two steps the network is as it was, and nothing
        after the last step that was asked for is computed.
        """
        ...


@runtime_checkable
class Dissectable(Protocol):
    """A :class:`Source` whose blocks can be looked into."""

    def anatomy(self, pixels: "Tensor", name: str, *, spacetime: bool = True) -> "Anatomy":
        """Every tensor between x and z of a block, of a prepared picture or clip as :meth:`Source.run`
        takes it: B = 1; without ``spacetime`` an image a frame."""
        ...
