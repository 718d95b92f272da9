"""PyTorch's own modules: parts of those that somebody wrote."""

from torch import nn

#: What modules of PyTorch are called that leave rows and columns what they are.
_LOCAL = "Conv", "Pool", "BatchNorm", "GroupNorm", "ReLU", "GELU", "SiLU", "Hardswish", "Dropout"


def elementary(module: nn.Module) -> bool:
    ours = type(module).__module__.startswith("torch.nn.modules")
    return ours and not isinstance(module, nn.MultiheadAttention)


def local(module: nn.Module) -> bool:
    """Whether a module makes each cell of a picture of features of the cells around it."""
    ours = type(module).__module__.startswith("torch.nn.modules")
    return ours and any(kind in type(module).__name__ for kind in _LOCAL)
