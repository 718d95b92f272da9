"""A network's real modules -> what its constructor would have to be told to build them again.

Invariant: what is told has been compared with the modules, or the network is refused with a sentence;
nothing is taken from what somebody once said about it.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.options import BLOCK_OPTIONS
from nonlocal_viz.errors import OptionError

_CANNOT = "so it cannot be described by the arguments of NonLocalResNet"


def block_options(blocks: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The options that all of these blocks have, by name.

    Raises:
        OptionError: one is no plain NonLocalBlock, or two differ.
    """
    told: dict[str, dict[str, Any]] = {}
    for name, block in blocks.items():
        if type(block) is not NonLocalBlock:
            raise OptionError(
                f"The block {name!r} of this network is a {type(block).__name__} and no plain "
                f"NonLocalBlock, {_CANNOT}."
            )
        told[name] = {option: getattr(block, option) for option in BLOCK_OPTIONS}
    plain = [block for block in blocks.values() if isinstance(block, NonLocalBlock)]
    if all(block.inter_channels == max(block.in_channels // 2, 1) for block in plain):
        for options in told.values():
            options["inter_channels"] = None
    first = next(iter(told), None)
    for name, options in told.items():
        for option, value in options.items():
            if first is not None and value != told[first][option]:
                raise OptionError(
                    f"The blocks {first!r} and {name!r} of this network differ in {option} "
                    f"({told[first][option]!r} and {value!r}), {_CANNOT}: they have one for all blocks."
                )
    return {} if first is None else told[first]


def padding_mode(network: nn.Module) -> str:
    """The mode of all padded convolutions.

    Raises:
        OptionError: they have several.
    """
    modes = {
        module.padding_mode
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and max(module.padding) != 0
    }
    if len(modes) != 1:
        raise OptionError(
            f"The convolutions of this network are padded in several ways ({', '.join(sorted(modes))}), "
            f"{_CANNOT}."
        )
    return str(modes.pop())


def refuse_difference(network: nn.Module, twin: nn.Module) -> None:
    """Compare a network with the one that its description builds (on the meta device).

    Raises:
        OptionError: a weight has another name or shape, or a convolution other settings.
    """
    ours = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in twin.state_dict().items()}
    for key in {**ours, **theirs}:
        if ours.get(key) != theirs.get(key):
            raise OptionError(
                f"The weight {key!r} of this network is not as its other modules have it "
                f"({ours.get(key, 'missing')} for {theirs.get(key, 'none')}), {_CANNOT}."
            )
    settings = _settings(twin)
    for name, found in _settings(network).items():
        if found != settings.get(name):
            raise OptionError(
                f"The module {name!r} of this network has been changed after it was built, {_CANNOT}."
            )


def _settings(network: nn.Module) -> dict[str, tuple[object, ...]]:
    return {
        name: (m.stride, m.padding, m.dilation, m.groups, m.padding_mode)
        for name, m in network.named_modules()
        if isinstance(m, nn.Conv2d)
    }
