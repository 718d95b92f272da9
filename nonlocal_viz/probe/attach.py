"""``attach``: what a network attends to, while its owner calls it as ever.

Invariants: the call's results, generators, buffers, modes and hooks are those without us, also after
an exception; and no map is kept that was not proven, by its own product with the values and by where
its tokens move (what is refused says at which step).
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.fitting import Lattice, Prepare
from nonlocal_viz.core.modes import in_eval_mode
from nonlocal_viz.core.source import About, Encoded
from nonlocal_viz.errors import ProbeError
from nonlocal_viz.probe.cells import three
from nonlocal_viz.probe.families import family_of
from nonlocal_viz.probe.gathered import side_by_side, with_softmax
from nonlocal_viz.probe.glance import Glance, plain
from nonlocal_viz.probe.names import ByPath, second_names
from nonlocal_viz.probe.nested import own_call
from nonlocal_viz.probe.prepared import Calling, prepare_of
from nonlocal_viz.probe.reading import Reader
from nonlocal_viz.probe.records import UnprovenError
from nonlocal_viz.probe.shown import (
    ITSELF,
    depth_of,
    grouped,
    logits_of,
    not_taken,
    over_picture,
    reads_clips,
)
from nonlocal_viz.probe.watch import Watch

_NONE_FOUND = (
    "No attention over positions was found in this call: no scaled dot product attention, and no product "
    "of queries and keys, behind a softmax or not, that is multiplied with values. "
    "Squeeze-and-excitation, gates and pooling have none."
)
_TUBES = "Its cells hold {} frames each; the first of them stands for all."


class Probe:
    """What was seen of a network; and the network as a :class:`~nonlocal_viz.core.source.Source`, which a
    :class:`~nonlocal_viz.Lens` looks through: each picture is a call of its own."""

    def __init__(
        self,
        model: nn.Module,
        grid: Sequence[int] | None = None,
        prepare: Prepare | None = None,
        call: Calling | None = None,
        about: About | None = None,
        at_once: bool = False,
        clips: bool | None = None,
    ) -> None:
        _refuse_whole(model)
        self.model = model
        self.grid = None if grid is None else three(grid)
        self._about = self._told = about or About(type(model).__name__.lower())
        self._prepare = prepare
        self._call = call or _called
        self._clips = reads_clips(model) if clips is None else clips
        #: (rows, columns) -> where such cells lie in what the network reads.
        self._lattices: dict[tuple[int, ...], Lattice] = {}
        self._forget()
        self._by_family: frozenset[str] = frozenset()
        self._at_once = at_once
        self._watch: Watch | Glance | None = None
        #: What was glanced at in the block, and is read when somebody asks.
        self._unread: Glance | None = None

    @property
    def prepare(self) -> Prepare:
        """How a picture becomes what the network reads: as was said, else as the network tells it or shows
        when it is first asked for; what is assumed then stands in ``about``."""
        if self._prepare is None:
            self._prepare, said = prepare_of(self.model, self._call, self._clips)
            self._told = replace(self._told, assumptions=(*self._told.assumptions, *said))
            self._about = replace(self._about, assumptions=(*self._about.assumptions, *said))
        return self._prepare

    @property
    def about(self) -> About:
        """What the network says of itself, with what was assumed and what is not shown."""
        _ = self.prepare
        return self._about

    def _forget(self) -> None:
        #: {second name: path}, of modules that leave the product of their queries and keys to a part.
        self._names: dict[str, str] = {}
        self._maps: ByPath[Affinity] = ByPath(self._names)
        self._calls: ByPath[list[Affinity]] = ByPath(self._names)
        self._refused: ByPath[str] = ByPath(self._names)

    def __enter__(self) -> "Probe":
        if self._watch is not None:
            raise ProbeError("This probe is watching already; attach once more for a second one.")
        self._forget()
        self._lattices = {}
        self._unread = None
        cheap = not self._at_once and plain(self.model)
        self._watch = Glance(self.model) if cheap else Watch(self.model)
        self._watch.__enter__()
        return self

    @property
    def maps(self) -> dict[str, Affinity]:
        """{path of a module: its map in the last call}. Where queries and keys are made by one module and
        multiplied by a part of it without weights, both paths are known."""
        self._read_late()
        return self._maps

    @property
    def calls(self) -> dict[str, list[Affinity]]:
        """{path: its maps in every call, in order}."""
        self._read_late()
        return self._calls

    @property
    def refused(self) -> dict[str, str]:
        """{path: why its map is not shown, a sentence}."""
        self._read_late()
        return self._refused

    def __exit__(self, kind: Any, *details: Any) -> None:
        watch, self._watch = self._watch, None
        if watch is None:
            return
        watch.__exit__(kind, *details)
        if kind is not None:
            return
        if isinstance(watch, Glance):
            if not watch.called:
                raise ProbeError(_NONE_FOUND)
            self._unread = watch
        else:
            self._read_all(watch)

    def _read_late(self) -> None:
        glance, self._unread = self._unread, None
        if glance is None:
            return
        with torch.inference_mode(glance.inference):
            try:
                watch = glance.watched()
            except UnprovenError as error:
                self._refused.update(dict.fromkeys(glance.attending, str(error)))
                return
            self._read_all(watch)

    def _read_all(self, watch: Watch) -> None:
        with torch.no_grad():
            self._read(watch)
        for path, sentence in watch.lost.items():
            if path not in self.maps:
                self.refused.setdefault(path, sentence)
        for found in self.maps.values():
            cells = found.query_grid[1:]
            lattice = watch.lattices[cells]
            if lattice is not None:
                self._lattices[cells] = lattice
        if not self.maps and not self.refused:
            raise ProbeError(_NONE_FOUND)

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    def run(self, pixels: Tensor, *, spacetime: bool = True) -> Encoded:
        """See :meth:`nonlocal_viz.core.source.Source.run`; what is not shown is told in ``about``.

        Raises:
            ProbeError: no attention was found or proven, or the network does not take such a picture.
        """
        clip = pixels.ndim == 5
        whole = clip and self._clips
        if clip and not whole:
            if spacetime:
                raise ProbeError(
                    "This network reads pictures, not clips; open the clip with spacetime=False, and it "
                    "sees one frame at a time."
                )
            pixels = pixels[0].transpose(0, 1)
        kind = next((p.dtype for p in self.model.parameters() if p.is_floating_point()), None)
        x = pixels.to(self.device, kind)
        probe = Probe(self.model, self.grid, at_once=True)
        with in_eval_mode(self.model), torch.inference_mode(), probe:
            output = self._called_with(x)
        frames = pixels.shape[2] if whole else 1
        depth = depth_of(probe.maps.values(), frames)
        maps, said = over_picture(probe.maps, depth, len(pixels))
        if depth < frames:
            said.append(_TUBES.format(frames // depth))
        notes = [(path, note) for path, found in maps.items() for note in found.notes]
        refused = [(path, f"not shown. {why}") for path, why in probe.refused.items()]
        _ = self.prepare
        self._about = replace(
            self._told,
            assumptions=(*self._told.assumptions, *said, *grouped(notes), *grouped(refused)),
            default_block=next(reversed(maps), None),
        )
        if not maps:
            raise ProbeError(
                "No attention of this network could be proven and put over a picture. "
                + " ".join(self.about.assumptions[len(self._told.assumptions) :][:4])
            )
        cells = {path: found.query_grid[1:] for path, found in maps.items()}
        lattices = {path: probe._lattices[c] for path, c in cells.items() if c in probe._lattices}
        return Encoded(logits_of(output), maps, lattices, frames // depth)

    def _called_with(self, x: Tensor) -> Any:
        try:
            return self._call(self.model, x)
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
            raise ProbeError(not_taken(error, x, self._clips)) from error

    def _read_families(self, watch: Watch, reader: Reader) -> set[str]:
        """Maps of modules whose family is known; their paths."""
        for call, output in watch.outputs:
            family = family_of(call.module)
            assert family is not None
            told = (reader.tokens,) if getattr(family, "TOKENS", False) else ()
            self._keep(call.path, partial(family.read, call, output, *told), family=True)
        return {call.path for call, _ in watch.outputs}

    def _read(self, watch: Watch) -> None:
        reader = Reader(watch, self.grid)
        known = self._read_families(watch, reader)
        numbers: Counter[tuple[int, str]] = Counter()
        seen = [(c, calls) for c, calls in with_softmax(watch.found) if c.path not in known]
        seen = side_by_side(seen, watch.together)
        own = [calls[own_call(capture, calls)] for capture, calls in seen]
        times = Counter(map(id, own))
        self._names.update(second_names(seen))
        for (capture, calls), call in zip(seen, own, strict=True):
            if times[id(call)] > 1:
                self.maps.pop(capture.path, None)
                self.refused[capture.path] = (
                    f"It computes {times[id(call)]} maps in one call and puts them together in a way "
                    "of its own."
                )
                continue
            root = id(calls[0]), capture.path
            self._keep(capture.path, partial(reader.read, capture, calls, numbers[root]))
            numbers[root] += 1

    def _keep(self, path: str, read: Callable[[], Affinity], family: bool = False) -> None:
        try:
            found = read()
        except UnprovenError as error:
            self._refuse(path, str(error))
            return
        except Exception as error:
            # Somebody's module is run again here, and may do anything: a map in doubt is not shown.
            self._refuse(
                path,
                "It could not be read: run again, its module raised "
                f"{type(error).__name__}: {str(error)[:200]}",
            )
            return
        self.refused.pop(path, None)
        self._by_family = self._by_family | {path} if family else self._by_family
        self.calls.setdefault(path, []).append(found)
        # Of one module on several grids the finest is shown, of its calls there the last.
        shown = self.maps.get(path)
        if shown is None or found.shape[1] >= shown.shape[1]:
            self.maps[path] = found

    def _refuse(self, path: str, sentence: str) -> None:
        # The map of an earlier call would pass for that of the last.
        self.maps.pop(path, None)
        self.refused[path] = sentence

    def __repr__(self) -> str:
        lines = [
            f"{'path':40} {'found as':8} {'heads':>5} {'queries':>12} {'keys':>12} special  proven to"
        ]
        for path, a in self.maps.items():
            found_as = "family  " if path in self._by_family else "captured"
            proof = ", ".join(f"{what} {error:.0e}" for what, error in a.proof.items())
            lines.append(
                f"{path or ITSELF:40} {found_as} {a.heads:5} {_grid(a.query_grid):>12} "
                f"{_grid(a.key_grid):>12} {len(a.key_aside):7}  {proof}"
            )
        lines += [f"{path or ITSELF:40} refused: {why}" for path, why in self.refused.items()]
        return "\n".join(lines)


def attach(
    model: nn.Module,
    grid: Sequence[int] | None = None,
    *,
    prepare: Prepare | None = None,
    call: Calling | None = None,
    at_once: bool = False,
    clips: bool | None = None,
) -> Probe:
    """See every attention over positions of a network that nobody here wrote.

    ``with attach(model) as probe: model(x)``; afterwards ``probe.maps[path]`` is an Affinity with a proof.

    Args:
        model: any module; it is called by its owner, as ever, within the block.
        grid: (H, W) or (T, H, W) of the tokens, where it cannot be told from the network.
        prepare: for ``Lens(attach(model))``, how a picture becomes what the network reads.
        call: and how it is given that, where ``model(x)`` would not do.
        at_once: record all of the attention while the network runs. Else, of a network in eval mode with an
            attention of a usual structure, its inputs and output are kept alone (at next to no cost),
            and it is run once more when maps are first asked for, held to that output.
        clips: for ``Lens(attach(model))``, whether it is given clips (B, C, T, H, W); default: whether it
            convolves over time.

    Raises:
        ProbeError: the network is compiled, scripted or exported; or, when the block ends, no attention
            was found in it.
    """
    return Probe(model, grid, prepare, call, at_once=at_once, clips=clips)


def _called(model: nn.Module, x: Tensor) -> Any:
    return model(x)


def _refuse_whole(model: nn.Module) -> None:
    if isinstance(model, torch.jit.ScriptModule):
        raise ProbeError(
            "A scripted or traced module runs without its Python modules; attach to the module that it "
            "was made from."
        )
    if isinstance(model, torch.fx.GraphModule):
        raise ProbeError(
            "A graph module has lost the modules that it was made from; attach to those instead."
        )


def _grid(grid: tuple[int, int, int]) -> str:
    return " x ".join(map(str, grid[1:] if grid[0] == 1 else grid)) if math.prod(grid) else "-"
