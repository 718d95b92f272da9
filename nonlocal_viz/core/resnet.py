"""A ResNet with non-local blocks in it, for images and for clips.

The backbone is torchvision's ResNet, keys and all, so that its checkpoints load unchanged; the blocks
live beside it under ``nl.<stage>_<index>``, each applied to the output of one residual block (after
its ReLU), as in the paper (section 4, "Non-local networks").

A clip runs through the backbone frame by frame, and the blocks relate all positions of all frames:
the paper's C2D baseline with non-local blocks. theta, phi, g and W_z are 1x1 convolutions, so the
weights of an image model are the weights of the clip model.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.anatomy import Anatomy
from nonlocal_viz.core.architecture import block_options, padding_mode, refuse_difference
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.device import resolve_device
from nonlocal_viz.core.dilation import dilate, dilated_stages, dilations_of, width
from nonlocal_viz.core.gradual import walk
from nonlocal_viz.core.layouts import DEPTHS, layout
from nonlocal_viz.core.modes import in_eval_mode
from nonlocal_viz.core.options import PADDING_MODES
from nonlocal_viz.core.residual import ResNet
from nonlocal_viz.core.source import About, BlockAbout, Encoded, Found, Prepare, Step, Told
from nonlocal_viz.errors import BlockError, DeviceError, ShapeError

#: Names of the non-local blocks' weights begin so in the state dict.
BLOCKS_PREFIX = "nl."
#: What a network's blocks are unless it is told otherwise, beside NonLocalBlock's own defaults.
BLOCK_DEFAULTS: Mapping[str, Any] = {"sub_sample": False}


def block_key(name: str) -> str:
    """The key of a block's module beneath :data:`BLOCKS_PREFIX`: ``"layer2.1"`` -> ``"layer2_1"``."""
    # Module names cannot contain a dot.
    return name.replace(".", "_")


def block_name(key: str) -> str:
    """The name of the block whose module has this key: ``"layer2_1"`` -> ``"layer2.1"``."""
    return key.replace("_", ".")


class NonLocalResNet(ResNet):
    """torchvision's ResNet with non-local blocks behind named residual blocks.

    Args:
        depth: 18, 34, 50 or 101.
        blocks: a preset of ``layouts.LAYOUTS``, or residual-block names such as ``("layer2.1",)``.
        num_classes: width of the last layer.
        padding_mode: of every padded convolution. ``"replicate"`` keeps the picture's border from
            standing out (with ``"zeros"`` rows avoid the border, as a dark frame shows).
        block: keyword arguments of every :class:`NonLocalBlock`; keys are not pooled by default.
        output_stride: pixels of the input a cell of the last stage. 32 is the plain ResNet; 16 dilates
            layer4 instead of striding it, and 8 layer3 too, so that blocks there see a grid as fine
            as layer2's (torchvision's ``replace_stride_with_dilation``). The weights fit any of them.
        dilations: {residual-block name: dilation of each of its 3x3 convolutions, in their order}, on
            top of what the output stride does; a ResNet-18 or 34 has two a block, the others one. It
            sees further from the same cells (Yu, Koltun, Funkhouser, "Dilated Residual Networks", CVPR
            2017), with weights of the same shapes, which have to be trained for it.
        device: where to put the model; ``"auto"`` is CUDA when present, else the CPU.

    >>> model = nv.NonLocalResNet(18, ["layer2.1"]).eval()
    >>> logits, maps = model(torch.zeros(1, 3, 64, 96), return_nl_map=True)
    >>> maps["layer2.1"].row(0).shape
    torch.Size([1, 96])

    Attributes:
        prepare: how a picture becomes what the weights expect; the defaults of ImageNet unless set.

    Raises:
        ShapeError: an unknown depth, preset, block option or output stride, or one below 32 for
            ResNet-18 or 34; dilations that are no whole numbers from 1 to 64, or not one a
            convolution.
        BlockError: a name that is no residual block of this ResNet.
        DeviceError: the device is unknown or not present.
    """

    def __init__(
        self,
        depth: int = 50,
        blocks: str | Iterable[str] = "5-block",
        num_classes: int = 1000,
        padding_mode: str = "zeros",
        block: dict[str, Any] | None = None,
        device: str | torch.device | None = None,
        output_stride: int = 32,
        dilations: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        if depth not in DEPTHS:
            raise ShapeError(
                f"There is no ResNet-{depth} here; choose {', '.join(map(str, DEPTHS))}."
            )
        residual, stages = DEPTHS[depth]
        super().__init__(
            residual,
            stages,
            num_classes,
            dilated_stages(residual, output_stride),
        )
        self.depth, self.output_stride = depth, output_stride
        places = dict(self.places())
        self.dilations = {name: tuple(steps) for name, steps in (dilations or {}).items()}
        for name, steps in self.dilations.items():
            self._known(name, places)
            dilate(name, places[name], steps)
        self._pad_with(padding_mode)

        options = {**BLOCK_DEFAULTS, **(block or {}), "dimension": 2}
        names = layout(depth, blocks) if isinstance(blocks, str) else tuple(blocks)
        self.nl = nn.ModuleDict()
        for name in names:
            self._known(name, places)
            self.nl[block_key(name)] = NonLocalBlock(width(places[name]), **options)
        self.about = About(f"resnet{depth}")
        self.prepare = Prepare()
        if device is not None:
            self.to(resolve_device(device))

    @property
    def device(self) -> torch.device:
        """Where the weights are, which is where inputs have to be."""
        found: torch.device = self.conv1.weight.device
        return found

    @property
    def block_names(self) -> tuple[str, ...]:
        """The residual blocks that have a non-local block behind them, from the input to the output."""
        return tuple(name for name, _ in self.places() if block_key(name) in self.nl)

    @property
    def about(self) -> About:
        """What the network says of itself; ``blocks`` is read off its modules, whatever was set."""
        told = {name: self.block(name) for name in self.block_names}
        blocks = {
            name: BlockAbout(
                block.in_channels,
                block.inter_channels,
                embedded=block.theta is not None,
                use_scale=block.use_scale and block.scale != 1.0,
                stride=self._stride(name),
            )
            for name, block in told.items()
        }
        return replace(self._about, blocks=blocks)

    @about.setter
    def about(self, about: About) -> None:
        self._about = replace(about, blocks={})

    @property
    def architecture(self) -> dict[str, Any]:
        """The keyword arguments that build this network again, read off its modules.

        ``NonLocalResNet(**model.architecture)`` takes the state dict as it is; everything in it can be
        written as JSON.

        Raises:
            OptionError: no arguments build it: its blocks differ in more than their width, or a module
                was replaced by one of another kind.
        """
        strides = [getattr(self, f"layer{s}")[0].downsample[0].stride[0] for s in (2, 3, 4)]
        told: dict[str, Any] = {
            "depth": self.depth,
            "blocks": list(self.block_names),
            "num_classes": self.fc.out_features,
            "padding_mode": padding_mode(self),
            "output_stride": 4 * strides[0] * strides[1] * strides[2],
        }
        if self.block_names:
            told["block"] = block_options({name: self.block(name) for name in self.block_names})
        # On the meta device a network costs neither memory nor random numbers.
        with torch.device("meta"):
            usual = dict(NonLocalResNet(**told).places())
            steps = {
                name: list(dilations_of(residual_block))
                for name, residual_block in self.places()
                if dilations_of(residual_block) != dilations_of(usual[name])
            }
            if steps:
                told["dilations"] = steps
            twin = NonLocalResNet(**told)
        refuse_difference(self, twin)
        return told

    def _stride(self, name: str) -> int:
        """Pixels of the input a cell, behind a residual block."""
        stages = [getattr(self, f"layer{s}")[0] for s in range(2, int(name[5]) + 1)]
        steps: list[int] = [stage.downsample[0].stride[0] for stage in stages]
        return 4 * math.prod(steps)

    def stem(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> what the first residual block reads, (B, 64, H / 4, W / 4)."""
        stemmed: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return stemmed

    def places(self) -> Iterator[tuple[str, nn.Module]]:
        """The residual blocks by name, in order: where non-local blocks can be."""
        for s in range(1, 5):
            for i, residual_block in enumerate(getattr(self, f"layer{s}")):
                yield f"layer{s}.{i}", residual_block

    def run(self, pixels: Tensor, *, spacetime: bool = True) -> Encoded:
        """See :meth:`nonlocal_viz.core.source.Source.run`; logits (classes,) are float32 on the CPU.

        Raises:
            ShapeError: see :meth:`forward`.
            DeviceError: the network lies on the meta device, without weights.
        """
        weight = self.conv1.weight
        self._refuse_empty()
        # no_grad, not inference_mode: what comes out may be part of somebody's loss.
        with in_eval_mode(self), torch.no_grad():
            x = pixels.to(weight.device, weight.dtype)
            logits, maps = self(x, return_nl_map=True, spacetime=spacetime)
        return Encoded(logits[0].float().cpu(), maps)

    def gradually(self, pixels: Tensor, *, spacetime: bool = True) -> Iterator[Step | Found | Told]:
        """See :meth:`nonlocal_viz.core.source.Gradual.gradually`.

        Raises:
            ShapeError: see :meth:`forward`.
        """
        self._refuse_empty()
        x, frames = self._frames(pixels.to(self.device, self.conv1.weight.dtype))
        steps = walk(self, x, frames, spacetime)
        while True:
            # Whoever drives has its own turn between two steps: in its own mode, with its gradients.
            with in_eval_mode(self), torch.no_grad():
                found = next(steps, None)
            if found is None:
                return
            yield found

    def anatomy(self, pixels: Tensor, name: str, *, spacetime: bool = True) -> Anatomy:
        """What the block ``name`` computes of a prepared picture or clip; see
        :meth:`nonlocal_viz.core.source.Dissectable.anatomy`.

        Raises:
            BlockError: there is no such block.
            ShapeError: see :meth:`forward`.
        """
        self._refuse_empty()
        block = self.block(name)
        with in_eval_mode(self), torch.no_grad():
            x, clip = self._frames(pixels.to(self.device, self.conv1.weight.dtype))
            frames = clip if spacetime else 1
            x = self.stem(x)
            for place, residual_block in self.places():
                x = residual_block(x)
                if place == name:
                    break
                if block_key(place) in self.nl:
                    x = self.block(place)(x, False, frames)
            return block.anatomy(x, frames)

    def block(self, name: str) -> NonLocalBlock:
        """The non-local block behind the residual block ``name``.

        Raises:
            BlockError: there is none of that name; the message lists those that there are.
        """
        if name not in self.block_names:
            raise BlockError(
                f"There is no non-local block {name!r} in this model; it has "
                f"{', '.join(self.block_names) or 'none'}."
            )
        return self.nl[block_key(name)]  # type: ignore[return-value]

    @overload
    def forward(
        self, x: Tensor, return_nl_map: Literal[False] = False, *, spacetime: bool = True
    ) -> Tensor: ...

    @overload
    def forward(
        self, x: Tensor, return_nl_map: Literal[True], *, spacetime: bool = True
    ) -> tuple[Tensor, dict[str, Affinity]]: ...

    def forward(
        self, x: Tensor, return_nl_map: bool = False, *, spacetime: bool = True
    ) -> Tensor | tuple[Tensor, dict[str, Affinity]]:
        """Logits (B, classes); with ``return_nl_map`` also {block name: Affinity}.

        Args:
            x: images (B, 3, H, W) or clips (B, 3, T, H, W), normalised as the weights expect.
            return_nl_map: also return the affinity of every block, in factored form (no N x M map is
                built until ``Affinity.dense`` is called).
            spacetime: for clips, relate all T*H*W positions (C2D); False relates the H*W positions
                within each frame alone, and the affinities then have B*T images of one frame.

        Clip logits are those of the features averaged over the frames.

        Raises:
            ShapeError: x is neither images nor clips of 3 channels, or is empty.
        """
        x, clip = self._frames(x)
        maps: dict[str, Affinity] = {}
        x = self.stem(x)
        for name, residual_block in self.places():
            x = residual_block(x)
            if block_key(name) in self.nl:
                # Called as the module that it is, so that hooks on it fire.
                frames = clip if spacetime else 1
                x, maps[name] = self.block(name)(x, "factored", frames)
        pooled = self.avgpool(x).flatten(1)
        logits = self.fc(pooled.unflatten(0, (-1, clip)).mean(1))
        return (logits, maps) if return_nl_map else logits

    def _refuse_empty(self) -> None:
        if self.conv1.weight.is_meta:
            raise DeviceError(
                "This network lies on the meta device and has no weights; load them, and move it with "
                "to('cpu') or to('cuda')."
            )

    def _frames(self, x: Tensor) -> tuple[Tensor, int]:
        """Images (B * T, 3, H, W) of images or clips, and T."""
        if x.ndim not in (4, 5) or x.shape[1] != self.conv1.in_channels or 0 in x.shape:
            raise ShapeError(
                f"Give images (B, {self.conv1.in_channels}, H, W) or clips "
                f"(B, {self.conv1.in_channels}, T, H, W), none of them empty; got {tuple(x.shape)}."
            )
        if x.ndim == 4:
            return x, 1
        return x.transpose(1, 2).flatten(0, 1), x.shape[2]

    def __repr__(self) -> str:
        kinds = sorted({self.block(name).instantiation for name in self.block_names})
        looks = f"{', '.join(kinds)} at {', '.join(self.block_names)}" if kinds else "no block"
        count = sum(p.numel() for p in self.parameters())
        return (
            f"NonLocalResNet({self._about.name!r}: ResNet-{self.depth}, {looks}; "
            f"{self.fc.out_features} classes, {count / 1e6:.1f} million weights on {self.device}, "
            f"{'train' if self.training else 'eval'} mode)"
        )

    def _known(self, name: str, places: Mapping[str, nn.Module]) -> None:
        if name not in places:
            raise BlockError(
                f"ResNet-{self.depth} has no residual block {name!r}; it has {', '.join(places)}."
            )

    def _pad_with(self, mode: str) -> None:
        if mode not in PADDING_MODES:
            raise ShapeError(f"Unknown padding mode {mode!r}.")
        self.padding_mode = mode
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and max(module.padding) != 0:
                module.padding_mode = mode  # type: ignore[assignment]
