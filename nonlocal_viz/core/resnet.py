"""A ResNet with non-local blocks in it, for images and for clips.

The backbone is torchvision's ResNet, keys and all, so that its checkpoints load unchanged; the blocks
live beside it under ``nl.<stage>_<index>``, each applied to the output of one residual block (after
its ReLU), as in the paper (section 4, "Non-local networks").

A clip runs through the backbone frame by frame, and the blocks relate all positions of all frames:
the paper's C2D baseline with non-local blocks. theta, phi, g and W_z are 1x1 convolutions, so the
weights of an image model are the weights of the clip model.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.source import About, BlockAbout, Encoded, Normalisation, Prepare
from nonlocal_viz.errors import BlockError, ShapeError

#: depth -> (residual block, blocks a stage), as torchvision's resnet18 ... resnet101.
_DEPTHS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}
#: output stride -> which of layer2, layer3 and layer4 are dilated instead of strided.
_DILATED: dict[int, tuple[bool, bool, bool]] = {
    8: (False, True, True),
    16: (False, False, True),
    32: (False, False, False),
}
#: The greatest dilation of a convolution: as many cells are padded around every picture.
_WIDEST = 64
#: Names for the paper's layouts, by number of blocks in a ResNet-50 (Table 2c).
LAYOUTS = ("1-block", "5-block", "10-block")


def layout(depth: int, preset: str) -> tuple[str, ...]:
    """The residual blocks that a preset of the paper puts a non-local block behind.

    The paper defines them on ResNet-50: one block before the last residual block of res4; five at
    every other residual block of res3 and res4; ten at every one of them. ResNet-101 takes its five
    from video-nonlocal-net (res4 {6, 13, 20}), and for ten, which the paper does not define there,
    every block of res3 and six evenly spaced ones of res4. Shallower stages get as many as there are.

    Raises:
        ShapeError: an unknown depth or preset.
    """
    if depth not in _DEPTHS or preset not in LAYOUTS:
        raise ShapeError(
            f"No layout {preset!r} for ResNet-{depth}; depths are {', '.join(map(str, _DEPTHS))} and "
            f"layouts {', '.join(LAYOUTS)}."
        )
    res3, res4 = _DEPTHS[depth][1][1:3]
    if preset == "1-block":
        places = {"layer3": [res4 - 2]}
    elif preset == "5-block":
        places = {
            "layer2": list(range(1, res3, 2)),
            "layer3": [6, 13, 20] if depth == 101 else list(range(1, res4, 2)),
        }
    else:
        places = {
            "layer2": list(range(res3)),
            "layer3": [2, 6, 10, 14, 18, 22] if depth == 101 else list(range(res4)),
        }
    return tuple(f"{stage}.{i}" for stage, indices in places.items() for i in indices)


class NonLocalResNet(ResNet):
    """torchvision's ResNet with non-local blocks behind named residual blocks.

    Args:
        depth: 18, 34, 50 or 101.
        blocks: a preset of :data:`LAYOUTS`, or residual-block names such as ``("layer2.1",)``.
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

    Raises:
        ShapeError: an unknown depth, preset, block option or output stride, or one below 32 for
            ResNet-18 or 34; dilations that are no whole numbers from 1 to 64, or not one a
            convolution.
        BlockError: a name that is no residual block of this ResNet.
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
        if depth not in _DEPTHS:
            raise ShapeError(
                f"There is no ResNet-{depth} here; choose {', '.join(map(str, _DEPTHS))}."
            )
        residual, stages = _DEPTHS[depth]
        super().__init__(
            residual,
            list(stages),
            num_classes=num_classes,
            replace_stride_with_dilation=_dilated(depth, output_stride),
        )
        self.depth, self.output_stride = depth, output_stride
        places = {
            f"layer{s}.{i}": residual_block
            for s in range(1, 5)
            for i, residual_block in enumerate(getattr(self, f"layer{s}"))
        }
        self.dilations = {name: tuple(steps) for name, steps in (dilations or {}).items()}
        for name, steps in self.dilations.items():
            self._known(name, places)
            _dilate(name, places[name], steps)
        self._pad_with(padding_mode)

        options = {"sub_sample": False, **(block or {}), "dimension": 2}
        names = layout(depth, blocks) if isinstance(blocks, str) else tuple(blocks)
        self.nl = nn.ModuleDict()
        for name in names:
            self._known(name, places)
            self.nl[_key(name)] = NonLocalBlock(_channels(places[name]), **options)
        self.block_names = tuple(name for name in places if _key(name) in self.nl)
        if device is not None:
            self.to(resolve_device(device))

    @property
    def about(self) -> About:
        """What the network says of itself."""
        info: Any = getattr(self, "info", None)
        blocks = {
            n: BlockAbout(b.in_channels, b.inter_channels, b.theta is not None, b.use_scale)
            for n, b in ((n, self.block(n)) for n in self.block_names)
        }
        if info is None:
            return About(blocks=blocks)
        return About(
            info.name,
            info.title,
            info.classes,
            info.default_block,
            licence=info.licence,
            trained_on=info.trained_on,
            class_list=info.class_list,
            blocks=blocks,
        )

    def run(self, pixels: Tensor, *, spacetime: bool = True) -> Encoded:
        """Run once, without gradients."""
        x = pixels.to(self.device, self.conv1.weight.dtype)
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                logits, maps = self(x, return_nl_map=True, spacetime=spacetime)
        finally:
            self.train(training)
        return Encoded(logits[0].float().cpu(), maps)

    @property
    def prepare(self) -> Prepare:
        """How a picture becomes what it reads."""
        info: Any = getattr(self, "info", None)
        return (
            Prepare()
            if info is None
            else Prepare(Normalisation(*vars(info.normalisation).values()))
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are, which is where inputs have to be."""
        return self.fc.weight.device

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
        return self.nl[_key(name)]  # type: ignore[return-value]

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
        if x.ndim not in (4, 5) or x.shape[1] != self.conv1.in_channels or 0 in x.shape:
            raise ShapeError(
                f"Give images (B, {self.conv1.in_channels}, H, W) or clips "
                f"(B, {self.conv1.in_channels}, T, H, W), none of them empty; got {tuple(x.shape)}."
            )
        clip = x.shape[2] if x.ndim == 5 else 1
        if x.ndim == 5:
            x = x.transpose(1, 2).flatten(0, 1)
        maps: dict[str, Affinity] = {}
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for s in range(1, 5):
            for i, residual_block in enumerate(getattr(self, f"layer{s}")):
                x = residual_block(x)
                name = f"layer{s}.{i}"
                if _key(name) in self.nl:
                    x, maps[name] = self.block(name).attend(x, clip if spacetime else 1)
        pooled = self.avgpool(x).flatten(1)
        logits = self.fc(pooled.unflatten(0, (-1, clip)).mean(1))
        return (logits, maps) if return_nl_map else logits

    def _known(self, name: str, places: Mapping[str, nn.Module]) -> None:
        if name not in places:
            raise BlockError(
                f"ResNet-{self.depth} has no residual block {name!r}; it has {', '.join(places)}."
            )

    def _pad_with(self, mode: str) -> None:
        if mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ShapeError(f"Unknown padding mode {mode!r}.")
        self.padding_mode = mode
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and max(module.padding) != 0:
                module.padding_mode = mode  # type: ignore[assignment]


def resolve_device(device: str | torch.device) -> torch.device:
    """``"auto"`` -> CUDA when present, else the CPU; anything else as torch reads it.

    Raises:
        ShapeError: the device is unknown or not present.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ShapeError(f"Unknown device {device!r}; use auto, cpu or cuda.") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ShapeError("There is no CUDA device here; use device='auto' or device='cpu'.")
    return found


def _dilated(depth: int, output_stride: int) -> list[bool]:
    if output_stride not in _DILATED:
        raise ShapeError(
            f"There is no output stride {output_stride!r} here; choose "
            f"{', '.join(map(str, _DILATED))}."
        )
    # torchvision's BasicBlock has no dilation.
    if output_stride != 32 and _DEPTHS[depth][0] is BasicBlock:
        raise ShapeError(
            f"ResNet-{depth} has the output stride 32 alone; give {output_stride} to ResNet-50 or 101."
        )
    return list(_DILATED[output_stride])


def _dilate(name: str, residual_block: nn.Module, steps: Sequence[int]) -> None:
    wide = {
        key: module
        for key, module in residual_block.named_children()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
    }
    if len(steps) != len(wide) or not all(type(s) is int and 1 <= s <= _WIDEST for s in steps):
        raise ShapeError(
            f"{name} has {len(wide)} convolutions of 3x3 to dilate; give as many whole numbers from 1 "
            f"to {_WIDEST}, not {list(steps)!r}."
        )
    for (key, old), step in zip(wide.items(), steps, strict=True):
        # A new one: PyTorch works out at the beginning what its modes of padding need.
        new = nn.Conv2d(
            old.in_channels, old.out_channels, 3, old.stride[0], step, step, old.groups, bias=False
        )
        new.weight = old.weight
        setattr(residual_block, key, new)


def _key(name: str) -> str:
    # Module names cannot contain a dot.
    return name.replace(".", "_")


def _channels(residual_block: nn.Module) -> int:
    last = residual_block.conv3 if isinstance(residual_block, Bottleneck) else residual_block.conv2
    assert isinstance(last, nn.Conv2d)
    return last.out_channels
