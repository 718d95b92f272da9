"""Non-local means (Buades, Coll, Morel, "A Non-Local Algorithm for Image Denoising", CVPR 2005).

The formula of the non-local block is older than the networks that it is built into: a mean of all places,
weighted by how alike they are. What changed is what "alike" means. Here it is the colours around a cell,
and the map is an affinity as any other: an embedded Gaussian whose theta and phi nobody learnt.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.factored import Factored
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.tokens import GridShape
from nonlocal_viz.errors import OptionError, ShapeError

#: What About and Affinity call it.
NAME = "nonlocal_means"


def nonlocal_means(image: Tensor, grid: GridShape, patch: int = 3, h: float = 0.2) -> Factored:
    """w_ij = exp(-|P_i - P_j|^2 / (d h^2)) / C_i, where P_i are the colours of the cells around cell i.

    Since |P_i - P_j|^2 = |P_i|^2 - 2 P_i . P_j + |P_j|^2, and |P_i|^2 is the same for all keys of i, this
    is a softmax of theta_i . phi_j with theta = (2 P / (d h^2), 1) and phi = (P, -|P|^2 / (d h^2)).

    Args:
        image: (T, H, W, 3) or (H, W, 3): RGB, uint8, or floats from 0 to 1.
        grid: (T, rows, columns) of cells; a cell has the mean colour of its pixels. T is that of the image.
        patch: cells on a side of a patch, odd; d = 3 patch^2 numbers. Beyond the border the last cell
            goes on. A patch lies within its frame.
        h: how different colours may be, as a part of the range of a colour.

    Returns:
        An affinity of one image, one head, D = d + 1 numbers a token.

    Raises:
        ShapeError: the image is none, has other frames than the grid, or the patch is even.
        OptionError: h is not above 0.
    """
    frames = image[None] if image.ndim == 3 else image
    if frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) != grid[0] or min(grid) < 1:
        raise ShapeError(
            f"An image of shape {tuple(image.shape)} is no (T, H, W, 3) of the frames of {grid}."
        )
    if patch < 1 or patch % 2 == 0:
        raise ShapeError(f"A patch has an odd number of cells on a side, not {patch}.")
    if not h > 0:
        raise OptionError(f"h is the width of a Gaussian, above 0, not {h}.")
    colours = frames.movedim(-1, 1).double()
    colours = colours / 255 if not image.is_floating_point() else colours
    cells = F.adaptive_avg_pool2d(colours, grid[1:])
    reach = patch // 2
    around = F.pad(cells, (reach,) * 4, mode="replicate") if reach else cells
    patches = F.unfold(around, patch).transpose(1, 2).reshape(grid[0] * grid[1] * grid[2], -1)
    # What all patches share cancels; without it the numbers are smaller, and hold in single precision.
    patches = patches - patches.mean(0)
    width = patches.shape[1] * h**2
    ones, squares = patches.new_ones(len(patches), 1), patches.square().sum(1, keepdim=True)
    query = torch.cat([2 * patches / width, ones], 1)
    key = torch.cat([patches, -squares / width], 1)
    return Factored(
        Pairwise(),
        query.float()[None, None],
        key.float()[None, None],
        grid,
        grid,
        instantiation=NAME,
    )
