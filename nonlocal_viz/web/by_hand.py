"""The block in a dozen lines of PyTorch: the text that the lesson shows, and what it computes.

Invariant: what runs is the text that is shown, of this file's own making; of a file that somebody brought
the text names it without its folder. Nothing of it comes from a
browser but which of the choices below stand in its two gaps, by their numbers, and names that are checked
against what the page offers.
"""

import threading
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nonlocal_viz.errors import OptionError

#: What may stand in each gap: the first is right, the others run, too, and compute another map.
GAPS = {
    "product": ("theta @ phi.T", "phi @ theta.T", "x @ x.T"),
    "softmax": (
        ".softmax(dim=-1)",
        ".softmax(dim=0)",
        ".flatten().softmax(dim=0).view(len(x), len(x))",
    ),
}
_LINES = """\
import torch
import nonlocal_viz as nv

model = nv.load_model({model!r})
block, seen = model.block({block!r}), []
block.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
view = nv.Lens(model).open({opened})

def linear(conv, t):  # a 1x1 convolution: one sum, for each cell
    return t @ conv.weight.flatten(1).T + conv.bias

with torch.no_grad():
    x = seen[0].flatten(2).mT[0]  # N cells, C channels
    theta = linear(block.theta, x)  # queries
    phi = linear(block.phi, x)  # keys
    g = linear(block.g, x)  # values
    A = ({product}){softmax}  # N queries, N keys
    y = A @ g  # a weighted sum of the values
    W, bn = block.W
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    z = x + (linear(W, y) - bn.running_mean) * scale + bn.bias
"""
#: A map of N x N is held while it runs.
_ONE_AT_A_TIME = threading.Lock()


def lines(model: str, block: str, opened: str, product: int = 0, softmax: int = 0) -> str:
    """The text, with what stands in the gaps.

    Args:
        opened: what is opened, as :func:`example` or :func:`file` write it.

    Raises:
        OptionError: there is no such choice.
    """
    chosen = {}
    for gap, choice in (("product", product), ("softmax", softmax)):
        if type(choice) is not int or not 0 <= choice < len(GAPS[gap]):
            raise OptionError(f"The gap {gap!r} has the choices 0 to {len(GAPS[gap]) - 1}.")
        chosen[gap] = GAPS[gap][choice]
    return _LINES.format(model=model, block=block, opened=opened, **chosen)


def example(name: str) -> str:
    """A photo that comes with the package, as the lines open it."""
    return f"nv.examples()[{name!r}]"


def file(path: str, frames: int = 1) -> str:
    """A file, as the lines open it; of a clip with its count of frames."""
    return f"{path!r}" if frames == 1 else f"{path!r}, frames={frames}"


@dataclass(frozen=True)
class Computed:
    """What the lines computed. ``row``: (H, W), the row of A of the cell asked; ``map_difference`` and
    ``z_difference``: how far A and z are off the block's own at most, beside their greatest,
    ``map_greatest`` and ``z_greatest``."""

    row: Tensor
    map_difference: float
    z_difference: float
    map_greatest: float
    z_greatest: float


def run(text: str, block: str, x: float, y: float) -> Computed:
    """Run a text of :func:`lines`, and hold it against the block.

    Args:
        block: the name of the block that the text is of.
        x, y: the pixel of the photo whose row is wanted.

    Raises:
        QueryError: it lies outside.
        OptionError: the block is none that these lines are of.
    """
    names: dict[str, Any] = {}
    with _ONE_AT_A_TIME:
        try:
            exec(compile(text, "<a dozen lines>", "exec"), names)
        except (AttributeError, TypeError):
            raise OptionError(
                "These lines are those of an embedded Gaussian block, with theta, phi and a BatchNorm; "
                "this block is another."
            ) from None
        with torch.no_grad():
            own = names["block"].anatomy(names["seen"][0])
        grid = names["view"].query_grid(block)
        weights, z = names["A"], names["z"]
        dense = own.affinity.dense()[0]
        cell = grid.flat(grid.cell(x, y))
        return Computed(
            weights[cell].reshape(grid.cells[1:]).clone(),
            float((weights - dense).abs().max()),
            float((z - own.z[0]).abs().max()),
            float(dense.abs().max()),
            float(own.z[0].abs().max()),
        )
