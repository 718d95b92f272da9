"""What every family of published checkpoints is read into: blocks of ours that compute the same.

Names of weights are the smaller part of it. What a family computes that no weight shows (a scale, where
keys are pooled) is turned into what our block computes: an option where there is one, or a factor in the
weights themselves, so that the numbers that come out are theirs.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.errors import CheckpointError

State = Mapping[str, Tensor]


class Conv(NamedTuple):
    """A 1x1 convolution: weight (out, in, 1...), bias (out,)."""

    weight: Tensor
    bias: Tensor

    def times(self, factor: "float | Tensor") -> "Conv":
        """Its output, times a number."""
        return Conv(self.weight * factor, self.bias * factor)

    def widened(self, channels: int) -> "Conv":
        """With channels of zeros behind, which change no product."""
        missing = channels - len(self.weight)
        weight = torch.cat([self.weight, self.weight.new_zeros(missing, *self.weight.shape[1:])])
        return Conv(weight, torch.cat([self.bias, self.bias.new_zeros(missing)]))


@dataclass(frozen=True)
class Found:
    """A block of somebody's file, as one of ours.

    Attributes:
        path: what stands before its weights there.
        place: the residual block that it stands behind, as ours are named; None where it is of another
            kind of network.
        options: keyword arguments of NonLocalBlock, ``in_channels`` among them.
        state: its state dict.
        keys: of the file, that it was made of.
        notes: sentences: what was inferred, and what it computes otherwise than its own code.
    """

    path: str
    place: str | None
    options: dict[str, Any]
    state: dict[str, Tensor]
    keys: frozenset[str]
    notes: tuple[str, ...] = ()

    def block(self) -> NonLocalBlock:
        """The block, in eval mode.

        Raises:
            CheckpointError: its weights do not fit each other.
        """
        try:
            block = NonLocalBlock(**self.options)
            block.load_state_dict(self.state, strict=True)
        except (RuntimeError, ValueError) as error:
            first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
            raise CheckpointError(
                f"The weights of the block {self.path!r} do not fit each other ({first[:200]})."
            ) from None
        return block.eval().requires_grad_(False)


def convolution(state: State, prefix: str) -> Conv:
    """The convolution whose weights begin with ``prefix``; a spectral norm is divided out.

    Raises:
        CheckpointError: there is none, or it is none of 1x1.
    """
    weight = state.get(f"{prefix}.weight")
    original = state.get(f"{prefix}.weight_orig")
    if weight is None and original is not None:
        # torch.nn.utils.spectral_norm, in eval mode: u^T W v is the greatest singular value.
        u, v = state.get(f"{prefix}.weight_u"), state.get(f"{prefix}.weight_v")
        if u is not None and v is not None:
            weight = original / (u @ original.flatten(1) @ v)
    if weight is None or weight.ndim not in (3, 4, 5) or set(weight.shape[2:]) != {1}:
        raise CheckpointError(f"There is no 1x1 convolution under {prefix!r}.")
    singular = state.get(f"{prefix}.sv0")
    if singular is not None:  # BigGAN keeps the value itself
        weight = weight / singular.flatten()[0]
    bias = state.get(f"{prefix}.bias")
    return Conv(weight, weight.new_zeros(len(weight)) if bias is None else bias)


def batch_norm(state: State, prefix: str) -> dict[str, Tensor] | None:
    """gamma, beta, mean and variance under ``prefix``, as ``W.1`` has them; None where there are none."""
    names = ("weight", "bias", "running_mean", "running_var")
    found = {name: state[f"{prefix}.{name}"] for name in names if f"{prefix}.{name}" in state}
    return found if len(found) == len(names) else None


class Parts(NamedTuple):
    """What a block is made of. ``norm`` has the names of ``W.1``; ``concat`` is w_f, (2D,) in any shape."""

    theta: Conv | None
    phi: Conv | None
    g: Conv
    out: Conv
    norm: Mapping[str, Tensor] | None = None
    concat: Tensor | None = None


def assemble(
    path: str,
    place: str | None,
    parts: Parts,
    keys: Iterable[str],
    *,
    notes: Iterable[str] = (),
    **options: Any,
) -> Found:
    """A block of its parts. ``options`` are those of NonLocalBlock that shapes do not show."""
    g, norm = parts.g, parts.norm
    told = {
        "in_channels": g.weight.shape[1],
        "inter_channels": g.weight.shape[0],
        "dimension": g.weight.ndim - 2,
        "sub_sample": False,
        "bn_layer": norm is not None,
        **options,
    }
    behind = ".0" if told["sub_sample"] else ""
    state = _named(f"g{behind}", g)
    if parts.theta is not None and parts.phi is not None:
        state |= _named("theta", parts.theta) | _named(f"phi{behind}", parts.phi)
    state |= _named("W.0" if norm is not None else "W", parts.out)
    if norm is not None:
        state |= {f"W.1.{name}": value for name, value in norm.items()}
        state["W.1.num_batches_tracked"] = torch.tensor(0)
    if parts.concat is not None:
        state["concat_project.0.weight"] = parts.concat.reshape(1, -1, 1, 1)
    return Found(path, place, told, state, frozenset(keys), tuple(notes))


def _named(name: str, conv: Conv) -> dict[str, Tensor]:
    return {f"{name}.weight": conv.weight, f"{name}.bias": conv.bias}


def under(state: State, path: str) -> list[str]:
    """Keys that begin with a path."""
    return [key for key in state if key.startswith(f"{path}." if path else "")]


def paths(state: Iterable[str], pattern: str) -> list[str]:
    """What stands before every key that ends as ``pattern`` says, in the order of the file."""
    ending = re.compile(rf"(.*?)\.?{pattern}")
    matches = (ending.fullmatch(key) for key in state)
    return list(dict.fromkeys(match[1] for match in matches if match))


def renamed(state: State, name_of: Callable[[str], str | None]) -> dict[str, Tensor]:
    """Weights of a backbone under torchvision's names, those without one left out; a kernel that reaches
    over one frame in time loses that dimension.

    Raises:
        CheckpointError: a kernel reaches over several frames.
    """
    found = {}
    for key, value in state.items():
        name = name_of(key)
        if name is None:
            continue
        if value.ndim == 5:
            if value.shape[2] != 1:
                raise CheckpointError(
                    f"its convolution {key!r} reaches over {value.shape[2]} frames, and the ResNet here "
                    "looks at each by itself"
                )
            value = value[:, :, 0]
        found[name] = value
    return found
