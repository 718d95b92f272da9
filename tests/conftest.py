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
def unusual_model():
    """A model that differs from the shipped one in everything that can differ: normalisation, default
    block (the second), input size, scale, sign, pooling, padding, odd grids, names of classes.

    ``layer2.0`` is a pooled dot product (signed), ``layer3.1`` a pooled softmax with a scale whose keys are
    pooled before they are projected.
    """
    import torch

    from nonlocal_viz.core.block import NonLocalBlock
    from nonlocal_viz.core.resnet import NonLocalResNet
    from nonlocal_viz.core.source import About, Normalisation, Prepare

    torch.manual_seed(7)
    model = NonLocalResNet(
        18,
        ["layer2.0", "layer3.1"],
        num_classes=3,
        padding_mode="reflect",
        block={"instantiation": "dot_product", "sub_sample": True},
    )
    model.nl["layer3_1"] = NonLocalBlock(256, use_scale=True, pool_first=True, sub_sample=True)
    for block in map(model.block, model.block_names):
        torch.nn.init.normal_(block.get_parameter("W.1.weight"), std=0.2)
        for name in ("theta.weight", "phi.0.weight"):
            torch.nn.init.normal_(block.get_parameter(name), std=0.12)
    with torch.no_grad():
        model.fc.bias.copy_(torch.tensor([0.0, 4.0, 2.0]))
    model.prepare = Prepare(Normalisation((0.2, 0.4, 0.6), (0.5, 0.4, 0.3)), short_side=72)
    model.about = About(
        "unusual",
        title="Unlike the shipped one",
        classes=("apple", "quince", "medlar"),
        default_block="layer3.1",
        assumptions=("Its colours are guessed.",),
    )
    return model.eval().requires_grad_(False)


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


@pytest.fixture(scope="session")
def odd_files(
    tmp_path_factory, picture: np.ndarray
) -> dict[str, tuple[Path, tuple[int, int] | None]]:
    """name -> (file, size of the upright picture that it holds; None where it is none)."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("odd")
    image = Image.fromarray(picture)
    wide = (np.arange(60 * 90).reshape(60, 90) * 12).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    made = {
        "one_pixel.png": (Image.new("RGB", (1, 1), "red"), {}, (1, 1)),
        "sliver.png": (Image.new("RGB", (900, 1), "red"), {}, (900, 1)),
        "cmyk.jpg": (image.convert("CMYK"), {}, (90, 60)),
        "sixteen_bit.png": (Image.fromarray(wide), {}, (90, 60)),
        "palette.png": (image.convert("P"), {}, (90, 60)),
        "transparent.png": (image.convert("RGBA"), {}, (90, 60)),
        "animated.gif": (frames[0], {"save_all": True, "append_images": frames[1:]}, (90, 60)),
        "turned.jpg": (image, {"exif": exif}, (60, 90)),
    }
    found: dict[str, tuple[Path, tuple[int, int] | None]] = {}
    for name, (content, options, size) in made.items():
        content.save(folder / name, **options)
        found[name] = (folder / name, size)
    whole = (folder / "turned.jpg").read_bytes()
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (20_000).to_bytes(4, "big") * 2
    broken = {
        "text.jpg": b"this is no picture",
        "cut.jpg": whole[: len(whole) // 2],
        "empty.png": b"",
        "huge.png": header + b"\x08\x02\x00\x00\x00" + bytes(40),
        "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    for name, raw in broken.items():
        (folder / name).write_bytes(raw)
        found[name] = (folder / name, None)
    return found
