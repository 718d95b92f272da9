"""What a network makes of one picture or clip, as far as it was asked.

Invariant: a map that was found stays, and nothing behind it is computed before it is asked for. Two
threads may ask at once: each step is taken once, by whichever comes first.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.anatomy import Anatomy
from nonlocal_viz.core.source import Encoded, Found, Gradual, Lattice, Source, Step, Told
from nonlocal_viz.errors import BlockError, OptionError
from nonlocal_viz.turns import Turns

#: For every network of this process: they share its cores.
_TURNS = Turns()


class Encoding:
    """The maps and logits of one picture or clip, found when they are first asked for.

    Attributes:
        blocks: names of the blocks, from the input to the output.
        lattices: where the cells of a block lie in what the network read; of others, evenly.
        tube: frames that a cell holds; the first stands for all.
    """

    def __init__(
        self, steps: Iterator[Step | Found | Told], blocks: tuple[str, ...], price: int
    ) -> None:
        self.blocks = blocks
        self.lattices: dict[str, Lattice] = {}
        self.tube = 1
        self._steps: Iterator[Step | Found | Told] | None = steps
        self._price, self._lock = price, threading.Lock()
        self._maps: dict[str, Affinity] = {}
        self._logits: Tensor | None = None
        self._failure: Exception | None = None

    @classmethod
    def of(cls, encoded: Encoded) -> "Encoding":
        """One that is complete."""
        encoding = cls(iter(()), tuple(encoded.affinities), 1)
        encoding._maps, encoding._logits = dict(encoded.affinities), encoded.logits
        encoding._steps, encoding.lattices = None, dict(encoded.lattices)
        encoding.tube = encoded.tube
        return encoding

    @property
    def complete(self) -> bool:
        """Whether nothing is left to compute."""
        return self._steps is None and self._failure is None

    @property
    def found(self) -> dict[str, Affinity]:
        """The maps that there are by now."""
        return dict(self._maps)

    @property
    def logits(self) -> Tensor | None:
        """(classes,); the whole network runs for them."""
        self.finish()
        return self._logits

    def affinity(self, block: str) -> Affinity:
        """The map of one of ``blocks``; what lies before it is computed, and nothing else."""
        for _ in self.steps(block):
            pass
        return self._maps[block]

    def finish(self) -> None:
        """Compute everything."""
        for _ in self.steps(None):
            pass

    def steps(self, block: str | None) -> Iterator[Step]:
        """Go on until the map of a block is there, None: to the end, and say how far it is.

        Whoever stops listening stops the work; whoever asks again goes on from there.
        """
        while not self._has(block):
            said = self._step(block)
            if said is not None:
                yield said

    def _has(self, block: str | None) -> bool:
        return self.complete if block is None else block in self._maps

    def _step(self, block: str | None) -> Step | None:
        with self._lock:
            if self._has(block):
                return None  # somebody else took the last step meanwhile
            if self._failure is not None:
                raise self._failure
            if self._steps is None:
                self._missing()
            try:
                with _TURNS.turn(self._price):
                    said = next(self._steps, None)
            except Exception as failure:
                # A generator that has failed is over; the next to ask is told the same.
                self._failure, self._steps = failure, None
                raise
            if isinstance(said, Found):
                self._maps[said.block] = said.affinity
            elif isinstance(said, Told):
                self._logits = said.logits
            if said is None or isinstance(said, Told):
                self._steps = None
        return said if isinstance(said, Step) else None

    def _missing(self) -> NoReturn:
        raise BlockError(
            f"The network announced the blocks {', '.join(self.blocks)} and gave only "
            f"{', '.join(self._maps) or 'none'}."
        )

    def __getstate__(self) -> dict[str, Any]:
        # What is kept or sent elsewhere holds no network: it is completed first.
        self.finish()
        kept = ("blocks", "lattices", "tube", "_maps", "_logits")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _steps=None, _price=1, _failure=None)
        self._lock = threading.Lock()


class Inside:
    """What lies inside the blocks of one picture or clip, found when it is asked for; the newest is kept.

    Args:
        dissect: the way back to the network, see :class:`~nonlocal_viz.core.source.Dissectable`; None where
            there is none.
        price: frames that it costs, see :class:`~nonlocal_viz.turns.Turns`.
    """

    def __init__(self, dissect: Callable[[str], Anatomy] | None = None, price: int = 1) -> None:
        self._dissect, self._price, self._lock = dissect, price, threading.Lock()
        self._newest: tuple[str, Anatomy] | None = None

    def anatomy(self, block: str) -> Anatomy:
        """Of a block; without ``spacetime`` an image a frame.

        Raises:
            OptionError: there is no way back to a network whose blocks can be looked into.
        """
        if self._dissect is None:
            raise OptionError(
                "What lies between x and z is known only of non-local blocks in a NonLocalResNet, and only "
                "while the view that its lens opened is there; this one has the maps alone."
            )
        with self._lock:
            if self._newest is None or self._newest[0] != block:
                # Room first: two of them would be twice as much.
                self._newest = None
                with _TURNS.turn(self._price):
                    self._newest = block, self._dissect(block)
            return self._newest[1]

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept."""
        newest = self._newest
        return 0 if newest is None else newest[1].nbytes

    def __getstate__(self) -> dict[str, Any]:
        return {"_price": self._price}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(None, state["_price"])  # type: ignore[misc]


def encode(source: Source, pixels: Tensor, *, spacetime: bool, lazy: bool) -> Encoding:
    """A prepared picture or clip through a network; see :meth:`nonlocal_viz.core.source.Source.run`.

    Args:
        lazy: compute each map when it is first asked for, where the network can do that
            (:class:`~nonlocal_viz.core.source.Gradual`); else all at once.

    Raises:
        BlockError: the network has no block.
    """
    frames = pixels.shape[2] if pixels.ndim == 5 else 1
    blocks = tuple(source.about.blocks)
    if lazy and blocks and isinstance(source, Gradual):
        return Encoding(source.gradually(pixels, spacetime=spacetime), blocks, frames)
    with _TURNS.turn(frames):
        encoded = source.run(pixels, spacetime=spacetime)
    if not encoded.affinities:
        raise BlockError("This model has no non-local block, so there is nothing to look at.")
    return Encoding.of(encoded)
