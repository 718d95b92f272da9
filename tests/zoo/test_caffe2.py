"""Caffe2's pickles of arrays: read as Python 2 and 3 write them, run never, and computed as Caffe2 did."""

import io
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import nonlocal_viz as nv
from nonlocal_viz.errors import CheckpointError
from nonlocal_viz.zoo import load_blocks

C, D = 6, 4
RNG = np.random.default_rng(0)


class _Python2(pickle._Pickler):  # the pickler in Python, whose ways of writing can be changed
    """Writes text and bytes as Python 2 does: both are its one kind of string."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)

    def _string(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        short = len(raw) < 256
        head = b"U" + bytes([len(raw)]) if short else b"T" + len(raw).to_bytes(4, "little")
        self.write(head + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = _string


def as_python_2(content: Any) -> bytes:
    file = io.BytesIO()
    _Python2(file, 2).dump(content)
    # The module of that time; its name is the one thing that differs.
    return file.getvalue().replace(b"numpy._core", b"numpy.core")


def block_arrays(path: str = "nonlocal_conv3_1", affine: bool = False) -> dict[str, np.ndarray]:
    """The blobs of a block, as video-nonlocal-net names them."""

    def normal(*shape: int) -> np.ndarray:
        return RNG.normal(size=shape).astype(np.float32)

    found = {}
    for part in ("theta", "phi", "g"):
        found |= {f"{path}_{part}_w": normal(D, C, 1, 1, 1), f"{path}_{part}_b": normal(D)}
    found |= {f"{path}_out_w": normal(C, D, 1, 1, 1), f"{path}_out_b": normal(C)}
    found |= {f"{path}_bn_s": normal(C), f"{path}_bn_b": normal(C)}
    if not affine:
        found |= {f"{path}_bn_rm": normal(C), f"{path}_bn_riv": np.abs(normal(C)) + 0.5}
    return found


def computed(blobs: dict[str, np.ndarray], x: torch.Tensor, path: str) -> torch.Tensor:
    """z, as lib/models/nonlocal_helper.py computes it."""
    w = {key.removeprefix(f"{path}_"): torch.from_numpy(v.copy()) for key, v in blobs.items()}
    pooled = F.max_pool3d(x, (1, 2, 2))
    theta = F.conv3d(x, w["theta_w"], w["theta_b"]).flatten(2)
    phi, g = (F.conv3d(pooled, w[f"{p}_w"], w[f"{p}_b"]).flatten(2) for p in ("phi", "g"))
    y = (theta.mT @ phi * D**-0.5).softmax(-1) @ g.mT
    out = F.conv3d(y.mT.reshape(len(x), D, *x.shape[2:]), w["out_w"], w["out_b"])
    mean, variance = w.get("bn_rm"), w.get("bn_riv")
    if mean is None or variance is None:
        return x + out * w["bn_s"].view(-1, 1, 1, 1) + w["bn_b"].view(-1, 1, 1, 1)
    return x + F.batch_norm(out, mean, variance, w["bn_s"], w["bn_b"])


WRITERS = {
    "python 2": as_python_2,
    **{f"protocol {p}": lambda c, p=p: pickle.dumps(c, protocol=p) for p in (0, 1, 2, 3, 4, 5)},
}


@pytest.mark.parametrize("affine", [False, True], ids=["bn", "affine"])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_block_computes_what_caffe2_did(tmp_path: Path, writer: str, affine: bool) -> None:
    blobs = block_arrays(affine=affine) | {
        "conv1_w": RNG.normal(size=(3, 3)),
        "lr": np.array(0.1, np.float32),
        "conv1_w_momentum": np.asfortranarray(RNG.normal(size=(3, 3)).astype(np.float32)),
        "names": np.array(["a", "b"]),
    }
    path = tmp_path / "i3d_nonlocal.pkl"
    path.write_bytes(WRITERS[writer]({"blobs": blobs, "cfg": "TRAIN: 1"}))
    (block,) = load_blocks(path).values()
    x = torch.randn(1, C, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    expected = computed(
        {k: v for k, v in blobs.items() if k.startswith("nonlocal")}, x, "nonlocal_conv3_1"
    )
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)
    assert block.bn_layer is not affine


def test_arrays_of_any_kind_and_order(tmp_path: Path) -> None:
    from nonlocal_viz.zoo.arrays import read_arrays

    arrays = {
        kind: RNG.integers(-5, 5, (2, 3)).astype(kind) for kind in ("f2", "f8", "i4", ">f4", "i1")
    }
    arrays |= {"columns": np.asfortranarray(RNG.normal(size=(2, 3, 4)))}
    for write in WRITERS.values():
        found = read_arrays(write(arrays), "a.pkl", 10_000)
        assert found.keys() == arrays.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key].numpy(), array)


def test_the_network_around_them_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "c2d.pkl"
    path.write_bytes(
        as_python_2({"blobs": block_arrays() | {"conv1_w": np.zeros((2, 3, 1, 7, 7))}})
    )
    with pytest.raises(CheckpointError, match="cannot be one of ours"):
        nv.load_model(path)


class Run:
    def __reduce__(self) -> Any:
        import os

        return os.system, ("touch ran",)


def broken_files() -> dict[str, bytes]:
    whole = as_python_2({"blobs": block_arrays()})
    forged = pickle.dumps({"blobs": {"a": np.zeros((2, 3), np.float32)}}, protocol=2)
    shape = pickle.dumps((2, 3), protocol=2)[2:6]
    assert shape in forged
    return {
        "runs": pickle.dumps({"blobs": {"a": Run()}}),
        "runs within": pickle.dumps({"blobs": block_arrays(), "cfg": [Run()]})[:-40],
        "cut": whole[:-300],
        "half": whole[: len(whole) // 2],
        "no arrays": pickle.dumps({"blobs": {"a": 3}}, protocol=2),
        "a list": pickle.dumps([1, 2], protocol=2),
        "shape": forged.replace(shape, b"K\x02K\x09"),
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_or_hostile_file_is_a_sentence(tmp_path: Path, name: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.pkl"
    path.write_bytes(broken_files()[name])
    with pytest.raises(CheckpointError, match=r"net\.pkl") as raised:
        load_blocks(path)
    assert str(raised.value).endswith(".") and not (tmp_path / "ran").exists()
