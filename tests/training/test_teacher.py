"""The teacher's packages are an extra: what it does with sizes is looked at with another network in it."""

from types import SimpleNamespace

import torch

from nonlocal_viz.training.teacher import CLASSES_SIDE, LEVELS, Teacher


class Seen(torch.nn.Module):
    """Remembers how large what it was given is."""

    def __init__(self) -> None:
        super().__init__()
        self.sides: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sides.append(tuple(x.shape[2:]))
        return x


def teacher(enlarge: float) -> Teacher:
    made = Teacher.__new__(Teacher)
    torch.nn.Module.__init__(made)
    made.enlarge = enlarge
    same = torch.nn.Identity()
    made.net = SimpleNamespace(
        _swish=same,
        _bn0=same,
        _bn1=same,
        _conv_stem=Seen(),
        _conv_head=same,
        _blocks=[same] * (LEVELS[-1][0] + 1),
        _fc=same,
    )
    return made


def test_classes_are_named_at_the_teacher_s_own_size_and_features_are_not() -> None:
    made = teacher(2.0)
    images = torch.rand(1, 3, 96, 192) * 255
    features, logits = made(images), made.classify(images)
    assert made.net._conv_stem.sides == [(192, 384), (CLASSES_SIDE, 2 * CLASSES_SIDE)]
    assert features.mid.shape == (1, 3, 192, 384) and logits.shape == (1, 3)
    made.classify(torch.rand(1, 3, CLASSES_SIDE, CLASSES_SIDE))
    assert made.net._conv_stem.sides[-1] == (CLASSES_SIDE, CLASSES_SIDE)
