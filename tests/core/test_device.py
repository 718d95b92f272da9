import pytest
import torch

from nonlocal_viz.core.device import resolve_device
from nonlocal_viz.core.modes import in_eval_mode
from nonlocal_viz.core.resnet import NonLocalResNet
from nonlocal_viz.errors import DeviceError


def test_auto_is_what_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected
    assert NonLocalResNet(18, device="auto").device.type == expected


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu")])
def test_the_cpu_is_one_device(device: str | torch.device) -> None:
    assert resolve_device(device) == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("gpu7", "Unknown device 'gpu7'"),
        ("", "Unknown device ''"),
        (None, "None is no device"),
        (0, "0 is no device"),
        ("mps", "'mps' is not supported"),
        ("meta", "'meta' is not supported"),
        (torch.device("xpu"), "'xpu' is not supported"),
    ],
)
def test_other_devices_are_a_sentence(device: object, words: str) -> None:
    with pytest.raises(DeviceError, match=f"{words}.*use auto, cpu or cuda"):
        resolve_device(device)  # type: ignore[arg-type]


def test_cuda_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="no CUDA device"):
        resolve_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match="no cuda:2; the CUDA devices here are 0 to 1"):
        resolve_device("cuda:2")


def test_modes_are_given_back_also_after_an_exception() -> None:
    inner = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.BatchNorm1d(2))
    inner.train()
    inner[1].eval()
    with in_eval_mode(inner):
        assert not any(module.training for module in inner.modules())
    assert [m.training for m in inner.modules()] == [True, True, False]
    with pytest.raises(RuntimeError, match="within"):
        _fail_in_eval_mode(inner)
    assert [m.training for m in inner.modules()] == [True, True, False]


def _fail_in_eval_mode(module: torch.nn.Module) -> None:
    with in_eval_mode(module):
        raise RuntimeError("within")
