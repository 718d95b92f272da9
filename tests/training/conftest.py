"""A stand-in teacher, eight pictures of two flat halves, their cache, and a clock that steps move."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nonlocal_viz.training import cache as cache_module
from nonlocal_viz.training.batches import Batches
from nonlocal_viz.training.cache import Cache
from nonlocal_viz.training.teacher import TeacherFeatures


class StandInTeacher(torch.nn.Module):
    """Colours as features: enough to train on, without the teacher's packages."""

    def __init__(self, enlarge: float = 1.0) -> None:
        super().__init__()

    def forward(self, images: torch.Tensor) -> TeacherFeatures:
        def level(stride: int, channels: int) -> torch.Tensor:
            pooled = torch.nn.functional.avg_pool2d(images, stride) / 255
            return pooled.repeat(1, channels // 3 + 1, 1, 1)[:, :channels]

        return TeacherFeatures(level(16, 112), level(32, 192), level(32, 1280))

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)).repeat(1, 334)[:, :1000] / 255


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stand_in() -> type[torch.nn.Module]:
    return StandInTeacher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    inner = tmp_path / "images" / "train" / "n01"
    inner.mkdir(parents=True)
    for i in range(8):
        image = np.zeros((90, 100, 3), np.uint8)
        image[:, :50], image[:, 50:] = rng.integers(0, 255, 3), rng.integers(0, 255, 3)
        Image.fromarray(image).save(inner / f"{i}.png")
    (inner / "broken.jpg").write_bytes(b"nothing")
    return tmp_path / "images"


@pytest.fixture
def cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setattr(cache_module, "Teacher", StandInTeacher)
    return cache_module.open_cache([folder], tmp_path / "cache", side=64)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock by which every step of a training takes one second, whatever the machine does."""
    clock, draw = Clock(), Batches.draw

    def slow(self: Batches, *args, **kwargs):
        clock.now += 1
        return draw(self, *args, **kwargs)

    monkeypatch.setattr(Batches, "draw", slow)
    return clock
