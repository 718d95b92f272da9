"""What a caller says of a network, held against what its file proves or says of itself.

Invariant: an argument is used, or it is refused with a sentence; none is passed over in silence.
"""

from collections.abc import Mapping
from typing import Any

import torch

from nonlocal_viz.core.options import BLOCK_OPTIONS, NETWORK_OPTIONS
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.core.source import Normalisation
from nonlocal_viz.errors import NonlocalVizError, OptionError
from nonlocal_viz.zoo.manifest import ModelInfo

_NORMALISATION = "normalisation"
_KNOWN = (*(name for name in NETWORK_OPTIONS if name != "block"), *BLOCK_OPTIONS, _NORMALISATION)


def built(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture as the network that it builds tells it: every default filled in, every preset as
    names, so that two can be compared.

    Raises:
        OptionError: it builds none.
    """
    try:
        with torch.device("meta"):
            network = NonLocalResNet(**architecture)
        told: dict[str, Any] = network.architecture
    except NonlocalVizError as error:
        raise OptionError(str(error)) from None
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"No network can be built so ({str(error)[:200]}).") from None
    return told


def flat(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the network and of its blocks side by side."""
    block: Mapping[str, Any] = architecture.get("block", {})
    return {**{k: v for k, v in architecture.items() if k != "block"}, **block}


def first_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """The first option in which two architectures differ, both as :func:`built` tells them."""
    left, right = flat(ours), flat(theirs)
    return next((key for key in {**left, **right} if left.get(key) != right.get(key)), None)


class Given:
    """The architecture that ``load_model`` was told.

    Args:
        options: keyword arguments of NonLocalResNet, its blocks' beside them or as ``block``, and
            ``normalisation``.

    Attributes:
        names: which were given.
        normalisation: the one that was given, else the default.

    Raises:
        OptionError: an unknown one, or one of the wrong type.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        block = options.get("block")
        if block is not None and not isinstance(block, Mapping):
            raise OptionError(f"block= takes the options of a block by name, not {block!r}.")
        self._options = {k: v for k, v in options.items() if k != "block"} | dict(block or {})
        self.names = frozenset(self._options)
        for name, value in self._options.items():
            if name not in _KNOWN:
                raise OptionError(
                    f"There is no option {name!r} of a model; there are {', '.join(_KNOWN)}."
                )
            kinds = {**NETWORK_OPTIONS, **BLOCK_OPTIONS}.get(name, object)
            kinds = kinds if isinstance(kinds, tuple) else (kinds,)
            # True is an int to Python and never a size to us.
            if not isinstance(value, kinds) or (
                isinstance(value, bool) and not {bool, object} & set(kinds)
            ):
                raise OptionError(f"The option {name!r} cannot be {value!r}.")
        self.normalisation = normalisation_of(self._options.get(_NORMALISATION))

    @property
    def block(self) -> dict[str, Any]:
        """What was said of the blocks."""
        return {k: v for k, v in self._options.items() if k in BLOCK_OPTIONS}

    def merged_into(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """The architecture with what was given in place of what it had."""
        network = {k: v for k, v in self._options.items() if k in NETWORK_OPTIONS}
        merged = {**architecture, **network}
        if self.block:
            merged["block"] = {**architecture.get("block", {}), **self.block}
        return merged

    def agree_with_proof(self, proved: Mapping[str, Any], name: str) -> None:
        """Nothing that was given is otherwise by the keys and shapes of the file ``name``.

        Raises:
            OptionError: something is; the message says what the weights show.
        """
        if not self.names:
            return
        wanted, shown = (flat(built(a)) for a in (self.merged_into(proved), proved))
        if shown.get("instantiation") == "embedded_gaussian" != wanted.get("instantiation"):
            # The two that no key tells apart.
            shown["instantiation"] = "embedded_gaussian or dot_product"
            if wanted["instantiation"] == "dot_product":
                shown["instantiation"] = "dot_product"
        for key in flat(proved):
            if wanted.get(key) != shown.get(key):
                raise OptionError(
                    f"The weights of {name} show {key} = {shown.get(key)!r}, and {wanted.get(key)!r} was "
                    "given."
                )

    def agree_with(self, info: ModelInfo) -> None:
        """Nothing that was given is otherwise by a model's own description.

        Raises:
            OptionError: something is; the message says what the model says.
        """
        if _NORMALISATION in self.names and self.normalisation != info.normalisation:
            raise OptionError(
                f"The model {info.name!r} describes itself and has another normalisation (mean "
                f"{info.normalisation.mean}, std {info.normalisation.std}); leave normalisation= out."
            )
        if not self.names - {_NORMALISATION}:
            return
        own, wanted = built(info.architecture), built(self.merged_into(info.architecture))
        key = first_difference(own, wanted)
        if key is not None:
            raise OptionError(
                f"The model {info.name!r} describes itself and has {key} = {flat(own).get(key)!r}; leave "
                f"{key}= out."
            )


def normalisation_of(given: Any) -> Normalisation:
    """What ``normalisation=`` was given: (mean, std), three numbers each, or one of ours.

    Raises:
        OptionError: it is neither.
    """
    if given is None:
        return Normalisation()
    if isinstance(given, Normalisation):
        return given
    try:
        mean, std = given
        channels = [tuple(float(number) for number in numbers) for numbers in (mean, std)]
        (r, g, b), (sr, sg, sb) = channels
    except (TypeError, ValueError):
        raise OptionError(
            "normalisation= takes (mean, std), three numbers each, one a colour channel."
        ) from None
    found = Normalisation((r, g, b), (sr, sg, sb))
    if not all(map(_is_finite, found.mean)) or not all(s > 0 and _is_finite(s) for s in found.std):
        raise OptionError("normalisation= takes finite numbers, and a std that is positive.")
    return found


def _is_finite(number: float) -> bool:
    return abs(number) < float("inf")
