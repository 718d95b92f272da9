"""What every library's loader shares: the library itself, its weights if they can be had, and what is
said where they cannot.
"""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import nn

from nonlocal_viz.core.fitting import RESAMPLES, Normalisation, Prepare
from nonlocal_viz.core.source import About
from nonlocal_viz.errors import CheckpointError, OptionError

#: Seconds that a library's host has to answer in, before its weights are given up.
_PATIENCE = 4
_RANDOM = (
    "Its weights are random: {why}. What it looks at means nothing; where its cells lie is right."
)


class Made(NamedTuple):
    """A network of a library, and what the library says of it."""

    model: nn.Module
    prepare: Prepare | None
    about: About
    call: Callable[[nn.Module, torch.Tensor], Any] | None = None
    clips: bool | None = None


def random_weights(pretrained: bool | None) -> str:
    asked = "nobody asked for others" if pretrained is False else "no others could be fetched"
    return _RANDOM.format(why=asked)


def weights_or_not(
    build: Callable[[bool], Any], pretrained: bool | None, name: str
) -> tuple[Any, bool]:
    """(what ``build`` makes, whether it has the library's weights)."""
    if pretrained is False:
        return build(False), False
    try:
        return build(True), True
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        if pretrained:
            raise CheckpointError(
                f"The weights of {name} are not on this machine and could not be fetched; "
                "pretrained=False builds it with random ones."
            ) from error
    return build(False), False


def library(module: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise OptionError(
            f"{module} is not installed; pip install 'nonlocal_viz[{extra}]' brings it."
        ) from None


@contextmanager
def hub(pretrained: bool | None) -> Iterator[None]:
    """What is fetched from the hub, within: from this machine alone, at once, where it does not answer.
    With ``pretrained=False`` nobody asks it."""
    if pretrained is False:
        yield
        return
    try:
        constants: Any = import_module("huggingface_hub.constants")
    except ImportError:
        yield
        return
    before = constants.HF_HUB_OFFLINE
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=_PATIENCE):
            pass
    except urllib.error.HTTPError:
        pass
    except (OSError, ValueError):
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def built(
    build: Callable[[bool], nn.Module], pretrained: bool | None, name: str
) -> tuple[Any, bool]:
    try:
        return weights_or_not(build, pretrained, name)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise OptionError(f"{name} cannot be built so ({str(error)[:200]}).") from error


def prepared(
    colours: Normalisation,
    sides: tuple[int, ...],
    crop: float | None,
    interpolation: str,
    multiple: int | None,
) -> Prepare:
    resample = interpolation if interpolation in RESAMPLES else "bicubic"
    if multiple is not None:
        # It reads the whole of any picture; nothing has to be cut away.
        return Prepare(colours, min(sides), multiple=multiple, resample=resample)
    return Prepare(colours, size=(sides[0], sides[1]), crop=crop, resample=resample)


def about_of(
    name: str,
    title: str,
    trained: bool,
    pretrained: bool | None,
    licence: str | None,
    *said: str,
) -> About:
    random = () if trained else (random_weights(pretrained),)
    return About(
        name,
        title,
        assumptions=(*random, *filter(None, said)),
        licence=licence if trained and licence else "unknown",
    )


def unknown(library: str, name: str, known: Sequence[str]) -> str:
    """A sentence about a name that a library does not know, with those near it."""
    near = ", ".join(get_close_matches(name, known, 4))
    return f"{library} has no network {name[:80]!r}" + (f"; near it are {near}." if near else ".")
