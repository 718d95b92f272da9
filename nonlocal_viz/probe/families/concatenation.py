"""Non-local blocks of the concatenation form that write every pair out: a 1x1 convolution and a ReLU over
theta_i beside phi_j, over the number of keys.

Wang et al., "Non-local Neural Networks", 2018, equation 6; mmcv's ``NonLocal1d``, ``2d`` and ``3d`` with
``mode="concatenation"`` have this structure. Its score is a sum, w_theta . theta_i + w_phi . phi_j, so the
map is made of one number a query and one a key.
"""

from typing import Any

import torch
from torch import Tensor, nn

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import INSTANTIATIONS
from nonlocal_viz.core.tokens import grid_of
from nonlocal_viz.probe.again import lowered
from nonlocal_viz.probe.arguments import first_tensor
from nonlocal_viz.probe.proving import proven
from nonlocal_viz.probe.records import Call, UnprovenError
from nonlocal_viz.probe.twins import twin_of

_PARTS = ("theta", "phi", "g", "concat_project", "conv_out")


def recognises(module: nn.Module) -> bool:
    """Whether it has the parts of such a block, and is set to this form."""
    has_parts = all(isinstance(getattr(module, name, None), nn.Module) for name in _PARTS)
    return has_parts and getattr(module, "mode", None) == "concatenation"


def read(call: Call, output: Any) -> Affinity:
    """The map of the numbers that the two halves of the convolution give. The proof: A g is what the
    output projection was given, and the module made again gives what it gave.

    Raises:
        UnprovenError: either differs.
    """
    first = first_tensor(call.args, call.kwargs)
    if first is None or first[1].ndim not in (3, 4, 5):
        raise UnprovenError("A block of the concatenation form is given (B, C, [T,] [H,] W).")
    x = first[1].detach()
    twin = twin_of(call.module, own_buffers=True)
    seen: list[Tensor] = []
    behind = twin.get_submodule("conv_out")
    behind.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.no_grad(), lowered(call, x):
        again = twin(x)
        theta, phi, g = (twin.get_submodule(name)(x) for name in ("theta", "phi", "g"))
    weight = next(p for p in twin.get_submodule("concat_project").parameters() if p.ndim > 1)
    of_query, of_key = weight.detach().flatten().float().split(theta.shape[1])
    query = (theta.flatten(2).mT.float() @ of_query)[:, None, :, None]
    key = (phi.flatten(2).mT.float() @ of_key)[:, None, :, None]
    found = Factored(
        INSTANTIATIONS["concatenation"],
        query,
        key,
        grid_of(x),
        grid_of(phi),
        instantiation="concatenation",
    )
    if not seen:
        raise UnprovenError("Its output projection was not called.")
    mixed = found.dense() @ g.flatten(2).mT.float()
    return proven(
        found,
        call.lowered or x.dtype,
        output=(again, output),
        rows=(mixed, seen[0].flatten(2).mT.float()),
    )


def example() -> tuple[nn.Module, Tensor]:
    """A block of 2 channels over a picture, its keys pooled."""
    torch.manual_seed(0)
    return _Example().eval(), torch.randn(2, 4, 6, 8)


class _Example(nn.Module):
    mode = "concatenation"

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Conv2d(4, 2, 1)
        self.phi = nn.Sequential(nn.Conv2d(4, 2, 1), nn.MaxPool2d(2))
        self.g = nn.Sequential(nn.Conv2d(4, 2, 1), nn.MaxPool2d(2))
        self.concat_project = nn.Sequential(nn.Conv2d(4, 1, 1, bias=False), nn.ReLU())
        self.conv_out = nn.Conv2d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g = (part(x).flatten(2) for part in (self.theta, self.phi, self.g))
        pairs = torch.broadcast_tensors(theta[..., None], phi[:, :, None])
        weights = self.concat_project(torch.cat(pairs, 1))[:, 0] / phi.shape[-1]
        mixed = (weights @ g.mT).mT.reshape(len(x), -1, *x.shape[2:])
        made: Tensor = x + self.conv_out(mixed)
        return made
