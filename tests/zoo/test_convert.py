"""``nonlocal-viz convert``: what it writes is read again and computes the same."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import nonlocal_viz as nv
from nonlocal_viz.cli import main
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import CheckpointError, OptionError, WritingError
from nonlocal_viz.zoo import load_blocks, save_blocks


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> tuple[Path, NonLocalBlock]:
    """A segmentation head's file, in mmsegmentation's names, and the block that it was made of."""
    torch.manual_seed(0)
    block = NonLocalBlock(8, use_scale=True, sub_sample=False).eval()
    for weight in block.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    names = {"W.0": "conv_out.conv", "W.1": "conv_out.bn"}
    names |= {part: f"{part}.conv" for part in ("g", "theta", "phi")}
    state = {"decode_head.conv_seg.weight": torch.zeros(2, 8, 1, 1)}
    for key, value in block.state_dict().items():
        part, _, last = key.rpartition(".")
        state[f"decode_head.nl_block.{names[part]}.{last}"] = value
    path = tmp_path_factory.mktemp("head") / "nonlocal.pth"
    torch.save({"state_dict": state}, path)
    return path, block


def test_blocks_alone(
    head: tuple[Path, NonLocalBlock], tmp_path: Path, monkeypatch, capsys
) -> None:
    path, block = head
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(path), "--sub-sample", "--instantiation", "embedded_gaussian"]) == 0
    told = capsys.readouterr()
    assert "nonlocal.safetensors: 1 blocks of mmcv" in told.out
    assert "cannot be one of ours" in told.err
    pooled = load_blocks("nonlocal.safetensors")["decode_head.nl_block"]
    assert pooled.sub_sample and pooled.use_scale
    assert main(["convert", str(path)]) == 2 and "--force" in capsys.readouterr().err
    assert main(["convert", str(path), "--force", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    again = load_blocks("nonlocal.safetensors")
    x = torch.randn(1, 8, 5, 6)
    assert torch.equal(again["decode_head.nl_block"](x), block(x))
    first = load_blocks(path)
    assert again.notes == first.notes and again.family == first.family
    with pytest.raises(OptionError, match="describes its blocks"):
        load_blocks("nonlocal.safetensors", use_scale=False)
    with pytest.raises(CheckpointError, match="load_blocks opens it"):
        nv.load_model("nonlocal.safetensors")


def test_a_whole_network(tmp_path: Path, capsys) -> None:
    torch.manual_seed(0)
    net = NonLocalResNet(18, blocks=["layer2.1"], block={"sub_sample": False}, num_classes=3).eval()
    path, out = tmp_path / "net.pth", tmp_path / "net.safetensors"
    state = {f"module.{key}": value.half().float() for key, value in net.state_dict().items()}
    torch.save(state, path)
    assert main(["convert", str(path), "--use-scale", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "layer2.1" in told.out and "note: " in told.err
    model = nv.load_model(out, "cpu")
    assert model.architecture["block"]["use_scale"] and not model.about.assumptions
    assert torch.equal(
        model(torch.ones(1, 3, 32, 32)),
        nv.load_model(path, "cpu", use_scale=True)(torch.ones(1, 3, 32, 32)),
    )


def test_what_is_neither_and_where_it_cannot_go(tmp_path: Path, head, capsys) -> None:
    torch.save({"a.weight": torch.ones(3)}, tmp_path / "other.pth")
    assert (
        main(["convert", str(tmp_path / "other.pth"), "--out", str(tmp_path / "o.safetensors")])
        == 2
    )
    assert "no state dict of a ResNet" in capsys.readouterr().err
    assert main(["convert", str(head[0]), "--out", str(tmp_path / "o.pth")]) == 2
    assert "call it o.safetensors" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["other.pth"]


def test_blocks_of_ones_own_are_kept_to_the_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    blocks = {
        "a": NonLocalBlock(6, 2, instantiation="concatenation", bn_layer=False),
        "b/c": NonLocalBlock(4, instantiation="gaussian", dimension=3, pool_first=True),
    }
    for block in blocks.values():
        block.eval()
        torch.nn.init.normal_(next(block.W.parameters()))
    again = load_blocks(save_blocks(blocks, tmp_path / "b.safetensors"))
    x = torch.randn(1, 6, 4, 4)
    assert torch.equal(again["a"](x), blocks["a"](x)) and "concatenation" in repr(again)
    clip = torch.randn(1, 4, 2, 4, 4)
    assert torch.equal(again["b/c"](clip), blocks["b/c"](clip))
    assert not any(weight.requires_grad for weight in again["a"].parameters())
    with pytest.raises(WritingError):
        save_blocks(blocks, tmp_path / "b.pth")
    with pytest.raises(OptionError):
        save_blocks({}, tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    "described",
    [
        '{"blocks_alone": 3}',
        '{"blocks_alone": {"blocks": {"a": 1}}}',
        '{"blocks_alone": {"blocks": {"a": {"in_channels": 4, "weights": "x"}}}}',
        '{"blocks_alone": {"blocks": {"a": {"in_channels": "four"}}}}',
        '{"blocks_alone": {"blocks": {"a": {"in_channels": 1000000000000}}}}',
        '{"blocks_alone": {"blocks": {"a": {"in_channels": -4}}}}',
        '{"blocks_alone": {"blocks": {"a": {}}}}',
    ],
)
def test_a_damaged_description(tmp_path: Path, described: str) -> None:
    path = tmp_path / "b.safetensors"
    save_file({"a/g.weight": torch.ones(2, 4, 1, 1)}, path, {"nonlocal_viz": described})
    with pytest.raises(CheckpointError, match="damaged description of its blocks"):
        load_blocks(path)
