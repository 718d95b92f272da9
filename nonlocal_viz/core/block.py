"""The non-local block z = W_z y + x (Wang, Girshick, Gupta, He, CVPR 2018, sections 3.1 to 3.3).

State-dict keys and mathematics follow the widely used public code AlexHex7/Non-local_pytorch
(``lib/non_local_*.py``), so that its checkpoints load with ``strict=True``; the N x M map that code
builds on every forward pass is built here only when it is asked for.
"""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from nonlocal_viz.core.aggregate import aggregate, in_parts
from nonlocal_viz.core.anatomy import Anatomy, Followed, dissect, folded
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import INSTANTIATIONS, Pairwise
from nonlocal_viz.core.projections import (
    POOL_WINDOW,
    ConcatProjection,
    KeyPool,
    PairScore,
    Projections,
)
from nonlocal_viz.core.tokens import grid_of, laid_out, tokens_of
from nonlocal_viz.errors import ShapeError

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
_NORM: dict[int, type[nn.Module]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
#: The instantiation that compares x itself: it has no theta and no phi.
RAW = "gaussian"


class NonLocalBlock(nn.Module):
    """Self-attention over positions with one head and a residual, in 1, 2 or 3 dimensions.

    Args:
        in_channels: C, channels of x and z.
        inter_channels: D, channels of theta, phi and g; default C // 2, at least 1.
        dimension: 1 for (B, C, T), 2 for (B, C, H, W), 3 for (B, C, T, H, W).
        sub_sample: max-pool the keys phi and values g by 2 (1,2,2 in 3D; paper, section 3.3).
        bn_layer: follow W_z by a BatchNorm whose gamma and beta start at 0, so that the block starts
            as the identity; without it W_z itself starts at 0.
        instantiation: the pairwise function, see :mod:`nonlocal_viz.core.pairwise`.
        use_scale: multiply the scores of a softmax instantiation by 1/sqrt(channels of theta), as
            a Transformer does; the paper's listing and the public code above do not.
        pool_first: pool x before the 1x1 convolutions of phi and g (video-nonlocal-net, SlowFast)
            instead of after them (AlexHex7, mmcv). The two do not commute.

    >>> block = nv.NonLocalBlock(64, dimension=3, instantiation="gaussian")
    >>> z, nl_map = block(torch.zeros(1, 64, 2, 4, 4), return_nl_map=True)
    >>> z.shape, nl_map.shape
    (torch.Size([1, 64, 2, 4, 4]), torch.Size([1, 32, 8]))

    Keys: ``g``, ``theta``, ``phi`` (``g.0`` and ``phi.0`` with ``sub_sample``), ``W`` (``W.0``, ``W.1``
    with ``bn_layer``), ``concat_project.0``; ``gaussian`` has no theta and phi.

    Raises:
        ShapeError: an unknown dimension or instantiation, or no channels.
    """

    def __init__(
        self,
        in_channels: int,
        inter_channels: int | None = None,
        dimension: int = 2,
        sub_sample: bool = True,
        bn_layer: bool = True,
        instantiation: str = "embedded_gaussian",
        use_scale: bool = False,
        pool_first: bool = False,
    ) -> None:
        super().__init__()
        if dimension not in _CONV:
            raise ShapeError(f"A non-local block has dimension 1, 2 or 3, not {dimension!r}.")
        if instantiation not in tuple(INSTANTIATIONS):
            raise ShapeError(
                f"Unknown instantiation {instantiation!r}; choose one of {', '.join(INSTANTIATIONS)}."
            )
        inner = max(in_channels // 2, 1) if inter_channels is None else inter_channels
        if in_channels < 1 or inner < 1:
            raise ShapeError("A non-local block needs at least one channel in and one inside.")
        self.in_channels, self.inter_channels, self.dimension = in_channels, inner, dimension
        self.sub_sample, self.bn_layer, self.pool_first = sub_sample, bn_layer, pool_first
        self.instantiation, self.use_scale = instantiation, use_scale
        kind = INSTANTIATIONS[instantiation]

        conv = _CONV[dimension]
        self.pool = KeyPool(POOL_WINDOW[dimension] if sub_sample else (1,) * dimension)
        self.g = self._key_projection(conv(in_channels, inner, 1))
        if bn_layer:
            norm = _NORM[dimension](in_channels)
            self.W: nn.Module = nn.Sequential(conv(inner, in_channels, 1), norm)
            _zero(norm)
        else:
            self.W = conv(inner, in_channels, 1)
            _zero(self.W)
        self.theta: nn.Module | None = None
        self.phi: nn.Module | None = None
        if instantiation != RAW:
            self.theta = conv(in_channels, inner, 1)
            self.phi = self._key_projection(conv(in_channels, inner, 1))
        if kind.score == "sum":
            # The public code keeps w_f as a 2D 1x1 convolution whatever the block's dimension.
            self.concat_project = ConcatProjection(PairScore(inner), nn.ReLU())

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that this block was made with, ``in_channels`` aside."""
        return {
            name: getattr(self, name)
            for name in inspect.signature(NonLocalBlock).parameters
            if name != "in_channels"
        }

    @property
    def pairwise(self) -> Pairwise:
        """How theta and phi become weights, the scale included."""
        return replace(INSTANTIATIONS[self.instantiation], scale=self.scale)

    @property
    def scale(self) -> float:
        """What multiplies theta_i . phi_j before the softmax."""
        if not self.use_scale or INSTANTIATIONS[self.instantiation].normalise != "softmax":
            return 1.0
        width = self.in_channels if self.theta is None else self.inter_channels
        return float(width**-0.5)

    def __repr__(self) -> str:
        pooled = ("pool, then project" if self.pool_first else "project, then pool") + " the keys"
        told = [
            f"{self.in_channels} channels, {self.inter_channels} inside",
            f"{self.dimension}D",
            *([pooled] if self.sub_sample else []),
            *(["scaled"] if self.use_scale else []),
            *([] if self.bn_layer else ["no BatchNorm"]),
        ]
        return f"NonLocalBlock({self.instantiation}, {', '.join(told)})"

    def project(self, x: Tensor) -> Projections:
        """theta, phi and g of x (B, C, *spatial); phi and g pooled when the block pools its keys."""
        pooled = self._pooled(x)
        theta, phi = self._theta_phi(x, pooled)
        return Projections(theta, phi, self.g(pooled if self.pool_first else x))

    def _pooled(self, x: Tensor) -> Tensor:
        """x as the projections of the keys read it, where they read it pooled."""
        pooled: Tensor = self.pool(x) if self.pool_first or self.theta is None else x
        return pooled

    def _theta_phi(self, x: Tensor, pooled: Tensor) -> tuple[Tensor, Tensor]:
        if self.theta is None or self.phi is None:
            return x, pooled
        return self.theta(x), self.phi(pooled if self.pool_first else x)

    def _relate(self, theta: Tensor, phi: Tensor, frames: int) -> Factored:
        queries, keys = tokens_of(theta, frames), tokens_of(phi, frames)
        pairwise = self.pairwise
        if pairwise.score == "sum":
            queries, keys = self.concat_project(queries, keys)
        return Factored(
            pairwise,
            queries.unsqueeze(1),
            keys.unsqueeze(1),
            grid_of(theta, frames),
            grid_of(phi, frames),
            instantiation=self.instantiation,
        )

    def attend(self, x: Tensor, frames: int = 1) -> tuple[Tensor, Factored]:
        """(z, the block's affinity in factored form); no N x M map is built.

        Args:
            x: (B, C, *spatial). With ``frames`` = T > 1, for 2D blocks: (B*T, C, H, W), the frames
                of B clips in order; every position of every frame then attends to all T*H*W (C2D,
                paper, section 4: the 1x1 weights are those of the image).
            frames: T.

        Raises:
            ShapeError: x has another number of dimensions or channels, no positions, or its batch
                is no multiple of ``frames``.
        """
        followed = self.follow(x, frames)
        return followed.added + x, followed.affinity

    def follow(self, x: Tensor, frames: int = 1) -> Followed:
        """All that :meth:`attend` computes on the way from x to z, as it computes it.

        Raises:
            ShapeError: see :meth:`attend`.
        """
        self._check(x, frames)
        projections = self.project(x)
        affinity = self._relate(projections.theta, projections.phi, frames)
        values = tokens_of(projections.g, frames)
        y = aggregate(self.pairwise, affinity.query[:, 0], affinity.key[:, 0], values)
        return Followed(projections, affinity, y, self._added(x, y, frames))

    def anatomy(self, x: Tensor, frames: int = 1) -> Anatomy:
        """Every tensor between x and z, as tokens; x and ``frames`` as for :meth:`attend`.

        Raises:
            ShapeError: see :meth:`attend`.
        """
        return dissect(self, x, frames)

    def output_map(self) -> tuple[Tensor, Tensor]:
        """W_z with its BatchNorm folded in, as it is at inference: weight (C, D) and bias (C,), so that
        z = x + weight y + bias at every position.

        Raises:
            OptionError: W is no 1x1 convolution, with or without a BatchNorm behind it.
        """
        return folded(self.W)

    def attend_in_parts(
        self, x: Tensor, frames: int = 1
    ) -> Iterator["Factored | tuple[int, int] | Tensor"]:
        """As :meth:`attend`, for whoever does not want to wait for all of it.

        Gives first the affinity, which needs theta and phi alone; then, of each part of the queries,
        (done, all); last z. What is not asked for is not computed.

        Raises:
            ShapeError: see :meth:`attend`.
        """
        self._check(x, frames)
        pooled = self._pooled(x)
        affinity = self._relate(*self._theta_phi(x, pooled), frames)
        yield affinity
        values = tokens_of(self.g(pooled if self.pool_first else x), frames)
        query, parts = affinity.query[:, 0], []
        done = 0
        for part in in_parts(self.pairwise, query, affinity.key[:, 0], values):
            parts.append(part)
            done += part.shape[1]
            yield done, query.shape[1]
        yield self._added(x, torch.cat(parts, 1), frames) + x

    @overload
    def forward(
        self, x: Tensor, return_nl_map: Literal[False] = False, frames: int = 1
    ) -> Tensor: ...

    @overload
    def forward(
        self, x: Tensor, return_nl_map: Literal[True], frames: int = 1
    ) -> tuple[Tensor, Tensor]: ...

    @overload
    def forward(
        self, x: Tensor, return_nl_map: Literal["factored"], frames: int = 1
    ) -> tuple[Tensor, Factored]: ...

    def forward(
        self, x: Tensor, return_nl_map: bool | Literal["factored"] = False, frames: int = 1
    ) -> Tensor | tuple[Tensor, Tensor] | tuple[Tensor, Factored]:
        """z (B, C, *spatial), or with ``return_nl_map`` (z, map): map (B, N, M), dense; with
        ``"factored"`` (z, affinity), in factored form. ``frames`` as for :meth:`attend`.

        Raises:
            ShapeError: see :meth:`attend`.
            MapTooLargeError: the dense map was asked for and is beyond the bound in limits.py.
        """
        z, affinity = self.attend(x, frames)
        if return_nl_map == "factored":
            return z, affinity
        return (z, affinity.dense()) if return_nl_map else z

    def _key_projection(self, convolution: nn.Module) -> nn.Module:
        # With sub_sample the public code wraps g and phi as Sequential(conv, pool): keys "g.0", "phi.0".
        if not self.sub_sample:
            return convolution
        return (
            nn.Sequential(convolution) if self.pool_first else nn.Sequential(convolution, self.pool)
        )

    def _added(self, x: Tensor, y: Tensor, frames: int) -> Tensor:
        """What is added to x, of its shape."""
        added: Tensor = self.W(laid_out(y, x, frames))
        return added

    def _check(self, x: Tensor, frames: int) -> None:
        wanted = (
            "(B, C, " + ", ".join("THW"[3 - self.dimension :] if self.dimension > 1 else "T") + ")"
        )
        if x.ndim != self.dimension + 2 or x.shape[1] != self.in_channels:
            raise ShapeError(
                f"This block takes {wanted} with C = {self.in_channels}; got {tuple(x.shape)}."
            )
        if 0 in x.shape:
            raise ShapeError(f"The input {tuple(x.shape)} has no positions.")
        if frames != 1 and (self.dimension != 2 or frames < 1 or x.shape[0] % frames):
            raise ShapeError(
                f"{x.shape[0]} images cannot be read as clips of {frames} frames by a block of "
                f"dimension {self.dimension}."
            )


def _zero(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
