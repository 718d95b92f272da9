"""The student: a NonLocalResNet whose blocks normalise their input while they learn.

A parameter-free BatchNorm in front of theta, phi and g keeps the scores in a range that a softmax can
learn from, whatever the backbone does. At export it is folded into the three 1x1 convolutions, and
what is left is a plain :class:`NonLocalBlock`.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.projections import Projections
from nonlocal_viz.core.resnet import BLOCK_DEFAULTS, BLOCKS_PREFIX, NonLocalResNet, block_key

#: Where blocks can be trained: the last stage is left out of most steps, and nothing is stored for
#: the grid of the first.
TRAINED_STAGES = ("layer2", "layer3")
#: The stage that is trained by the logits alone, without blocks.
LAST_STAGE = "layer4"
#: Channels of the teacher's features that the student's heads predict: mid, deep, head.
TEACHER_CHANNELS = 112 + 192 + 96


class NormalisedBlock(NonLocalBlock):
    """A NonLocalBlock with a parameter-free BatchNorm on what theta, phi and g see."""

    def __init__(self, in_channels: int, **options: Any) -> None:
        super().__init__(in_channels, **options)
        self.norm = nn.BatchNorm2d(in_channels, affine=False)
        if self.theta is not None and self.phi is not None:
            # With unit-variance input the self score starts near sqrt(D), and as phi starts equal
            # to theta the first rows already favour cells that are alike.
            std = in_channels**-0.5 * self.inter_channels**-0.25
            theta, phi = _convolution(self.theta), _convolution(self.phi)
            nn.init.normal_(theta.weight, std=std)
            nn.init.zeros_(_bias(theta))
            phi.load_state_dict(theta.state_dict())

    def project(self, x: Tensor) -> Projections:
        projections = super().project(self.norm(x))
        # The Gaussian instantiation has no theta and phi to fold the normalisation into.
        return projections if self.theta is not None else super().project(x)

    @torch.no_grad()
    def unfold(self, plain: NonLocalBlock, mean: Tensor, variance: Tensor) -> None:
        """Become the block that computes what ``plain`` does where its input has this mean and
        variance, both (C,): the inverse of :meth:`folded`. Of a block of another kind it takes those
        convolutions that both have, and keeps its own rest."""
        own = self.state_dict()
        taken = {
            k: v for k, v in plain.state_dict().items() if k in own and own[k].shape == v.shape
        }
        # Not strict: the normalisation is not among a plain block's entries.
        self.load_state_dict(taken, strict=False)
        own_mean, own_variance = self.norm.running_mean, self.norm.running_var
        assert own_mean is not None and own_variance is not None
        own_mean.copy_(mean)
        own_variance.copy_(variance)
        if self.theta is None:
            return
        for name in ("theta", "phi", "g"):
            if not any(key.startswith(f"{name}.") for key in taken):
                continue
            convolution = _convolution(getattr(self, name))
            weight = convolution.weight.flatten(1)
            _bias(convolution).add_(weight @ mean)
            scaled = weight * (variance + self.norm.eps).sqrt()
            convolution.weight.copy_(scaled.view_as(convolution.weight))

    @torch.no_grad()
    def folded(self) -> NonLocalBlock:
        """The plain block that computes the same with the normalisation's running statistics."""
        plain = NonLocalBlock(self.in_channels, **self.options)
        plain = plain.to(next(self.parameters()).device)
        plain.load_state_dict(
            {k: v for k, v in self.state_dict().items() if not k.startswith("norm.")}
        )
        _tame(plain.W)
        if self.theta is None:
            return plain.train(self.training)
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None and variance is not None
        gain = (variance + self.norm.eps).rsqrt()
        for name in ("theta", "phi", "g"):
            convolution = _convolution(getattr(plain, name))
            weight = convolution.weight.flatten(1) * gain
            _bias(convolution).sub_(weight @ mean)
            convolution.weight.copy_(weight.view_as(convolution.weight))
        return plain.train(self.training)


class Student(nn.Module):
    """The model with its training-only parts: normalised blocks, and heads that predict the teacher.

    ``forward(x, classify)`` returns (logits or None, {block: Affinity}, {block: prediction}) where a
    prediction (B, 400, h, w) is of the teacher's standardised features on that block's grid. Without
    ``classify`` the last stage is skipped: a quarter of the cost.
    """

    def __init__(self, architecture: dict[str, Any]) -> None:
        super().__init__()
        self.architecture = architecture
        self.net = NonLocalResNet(**architecture)
        self.heads = nn.ModuleDict()
        options = {**BLOCK_DEFAULTS, **architecture.get("block", {}), "dimension": 2}
        for name in self.net.block_names:
            key, channels = block_key(name), self.net.block(name).in_channels
            self.net.nl[key] = NormalisedBlock(channels, **options)
            self.heads[key] = nn.Conv2d(channels, TEACHER_CHANNELS, 1)

    def take_backbone(self, model: NonLocalResNet) -> None:
        """Everything of ``model`` but its non-local blocks: weights and running statistics.

        Raises:
            RuntimeError: its backbone is of another depth or width than the architecture says.
        """
        taken = {k: v for k, v in model.state_dict().items() if not k.startswith(BLOCKS_PREFIX)}
        own = {k: v for k, v in self.net.state_dict().items() if k.startswith(BLOCKS_PREFIX)}
        self.net.load_state_dict(own | taken)

    def trunk(self, x: Tensor) -> tuple[Tensor, dict[str, Affinity], dict[str, Tensor]]:
        """Everything up to the last stage: (features, affinities, predictions)."""
        net = self.net
        maps: dict[str, Affinity] = {}
        predictions: dict[str, Tensor] = {}
        x = self.net.stem(x)
        for name, residual_block in self._places():
            x = residual_block(x)
            if name in net.block_names:
                x, maps[name] = net.block(name).attend(x)
                predictions[name] = self.heads[block_key(name)](x)
        return x, maps, predictions

    def read(self, x: Tensor) -> Tensor:
        """What the first block reads: each cell of it depends on its own neighbourhood alone."""
        x = self.net.stem(x)
        for name, residual_block in self._places():
            x = residual_block(x)
            if name in self.net.block_names:
                break
        return x

    def forward(
        self, x: Tensor, classify: bool = True
    ) -> tuple[Tensor | None, dict[str, Affinity], dict[str, Tensor]]:
        features, maps, predictions = self.trunk(x)
        return (self.classify(features) if classify else None), maps, predictions

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, classes) from the trunk's features."""
        pooled = F.adaptive_avg_pool2d(self.net.get_submodule(LAST_STAGE)(features), 1).flatten(1)
        logits: Tensor = self.net.fc(pooled)
        return logits

    def _places(self) -> Iterator[tuple[str, nn.Module]]:
        """The residual blocks below the last stage, in order, by name."""
        return ((n, block) for n, block in self.net.places() if not n.startswith(LAST_STAGE))

    def export(self) -> NonLocalResNet:
        """The plain model, in eval mode, on the CPU."""
        plain = NonLocalResNet(**self.architecture)
        for key, block in self.net.nl.items():
            if isinstance(block, NormalisedBlock):
                plain.nl[key] = block.folded()
        own = {k: v for k, v in self.net.state_dict().items() if not k.startswith(BLOCKS_PREFIX)}
        plain.load_state_dict(own, strict=False)
        exported: NonLocalResNet = plain.cpu().eval()
        return exported


#: Variances from here on are scaled away at export: float16 ends at 65,504.
_LARGE = 1e4


def _tame(output: nn.Module) -> None:
    """Scale a convolution and the BatchNorm behind it, channel by channel, so that they compute the
    same with a variance of 1. The rows of ``concatenation`` do not sum to 1: y may be very large."""
    if not isinstance(output, nn.Sequential):
        return
    state = output.state_dict()
    variance = state["1.running_var"]
    scale = torch.where(variance > _LARGE, variance.sqrt(), torch.ones_like(variance))
    for name in ("0.weight", "0.bias", "1.running_mean"):
        state[name].div_(scale.view(-1, *[1] * (state[name].ndim - 1)))
    variance.div_(scale.square())


def _convolution(projection: nn.Module) -> nn.Conv2d:
    found = projection[0] if isinstance(projection, nn.Sequential) else projection
    assert isinstance(found, nn.Conv2d)
    return found


def _bias(convolution: nn.Conv2d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias
