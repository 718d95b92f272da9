"""Shared fixtures: a small seeded model whose blocks do something, and pictures to point at."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_model():
    """A seeded ResNet-18 with two blocks whose rows are peaky; keyword arguments go to the blocks."""
    import torch

    from nonlocal_viz.core.resnet import NonLocalResNet

    def make(**block):
        torch.manual_seed(0)
        model = NonLocalResNet(18, ["layer2.1", "layer3.1"], padding_mode="replicate", block=block)
        for name in model.block_names:
            torch.nn.init.normal_(model.block(name).W[1].weight, std=0.1)
            for projection in ("theta", "phi"):
                part = getattr(model.block(name), projection)
                if part is not None:
                    part = part[0] if isinstance(part, torch.nn.Sequential) else part
                    torch.nn.init.normal_(part.weight, std=0.12)
        return model.eval().requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def tiny_model(make_model):
    return make_model()


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """(60, 90, 3): four flat quarters with a little texture."""
    rng = np.random.default_rng(0)
    image = np.zeros((60, 90, 3), np.uint8)
    image[:30, :45], image[:30, 45:] = (200, 60, 40), (40, 160, 220)
    image[30:, :45], image[30:, 45:] = (30, 120, 50), (230, 220, 90)
    return (image + rng.integers(0, 12, image.shape)).astype(np.uint8)


@pytest.fixture
def photo_path(tmp_path: Path, picture: np.ndarray) -> Path:
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.fromarray(picture).save(path)
    return path
