"""What is minimised: rows towards the walk's, features and logits towards the teacher's."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity, Factored
from nonlocal_viz.core.block import NonLocalBlock
from nonlocal_viz.core.modes import in_eval_mode
from nonlocal_viz.core.pairwise import Pairwise
from nonlocal_viz.core.precision import full_precision
from nonlocal_viz.errors import ShapeError
from nonlocal_viz.training.batches import Batch
from nonlocal_viz.training.config import Phase
from nonlocal_viz.training.student import Student

#: Stride of a residual stage of a plain ResNet.
_STRIDE = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
#: Below this score log softplus(s) is s, to the last digit of float32.
_LINEAR = -17.0
#: How many views the border loss looks at, and how far around a part, in pixels: as far as features
#: of stride 8 reach, 48, or 88 where their stage is dilated.
_BORDER_IMAGES, _REACH = 6, 88
#: Of a target row's greatest weight: what the outline loss takes for nothing.
_FLOOR = 0.02


def stride_of(block: str, output_stride: int = 32) -> int:
    """Pixels of the input a cell of a block such as ``"layer3.5"``, in a ResNet of this output stride:
    stages that would be coarser are dilated instead."""
    return min(_STRIDE[block.partition(".")[0]], output_stride)


def log_rows(affinity: Affinity, picked: Tensor | None = None) -> Tensor:
    """Logarithms (B, Q, M) of the rows as distributions over the keys, which a target can be held to:
    of all queries (Q = N), or of the ``picked`` (Q,) flat indices.

    Rows that are distributions are taken as they are. Others are signed, or do not sum to 1, so what
    stands for them is softplus(s_ij) / sum_k softplus(s_ik) of the scores s, scaled, before any ReLU.
    Where scores are large that is the row clamped at 0 and normalised to sum 1, in the same order. The
    clamp itself would give weights below 0 no gradient, and rows without a weight above 0 no meaning;
    here the gradient of the KL at a score is (row - target) times d log softplus / ds, which lies
    between 0 and 1 and goes to 1 as the score falls: a weight that is pushed below 0 by mistake always
    comes back.

    Raises:
        ShapeError: as :func:`_only_head`.
    """
    factored = _only_head(affinity)
    cells = factored.queries.cells
    picked = torch.arange(cells, device=factored.device) if picked is None else picked
    with full_precision(factored.device):
        if factored.is_distribution:
            weights = factored.pairwise.weights(_scores(factored, picked, factored.pairwise))
            return weights.clamp_min(1e-9).log()
        score = _scores(factored, picked, _unrectified(factored))
        # softplus underflows to 0 where its logarithm is still finite. The inner clamp keeps the
        # branch that is not chosen from putting a NaN into the gradient.
        log = torch.where(score > _LINEAR, F.softplus(score.clamp_min(_LINEAR)).log(), score)
        return log.log_softmax(-1)


def _only_head(affinity: Affinity) -> Factored:
    """The affinity, if it is of the kind that the losses are made for.

    Raises:
        ShapeError: it has several heads, whose mean is no row of any of them, or more than its scores
            goes into its rows (reach, bias, unary row, tokens on no cell).
    """
    if not isinstance(affinity, Factored) or affinity.heads != 1:
        raise ShapeError(f"Rows are trained of one head alone, not of {affinity.heads}.")
    extras = (affinity.reach, affinity.bias, affinity.unary)
    if any(e is not None for e in extras) or len(affinity.query_aside) or len(affinity.key_aside):
        raise ShapeError("Rows are trained of plain blocks, without reach, bias or further tokens.")
    return affinity


def _scores(affinity: Factored, picked: Tensor, pairwise: Pairwise) -> Tensor:
    """(B, Q, M) float32, of the picked (Q,) cells."""
    return pairwise.scores(affinity.query[:, :, picked].float(), affinity.key.float())[:, 0]


def _unrectified(affinity: Factored) -> Pairwise:
    return replace(affinity.pairwise, rectify=False)


def relational_loss(log_rows: Tensor, target: Tensor) -> Tensor:
    """KL(target || rows), mean over rows, in nats; logarithms of the rows and target (B, N, M)."""
    return (target * (target.clamp_min(1e-9).log() - log_rows)).sum(-1).mean()


def outline_loss(log_rows: Tensor, target: Tensor, grid: tuple[int, int]) -> Tensor:
    """How far the steps of a row from key to neighbouring key are from the target's, in nats a step.

    The relational loss weighs a key by what the target gives it, which is next to nothing beyond an
    object's outline: a row that runs over the outline by a cell costs it little. Here the differences
    of the logarithms between neighbours are compared, along both axes (as gradients are where depth is
    predicted: Li, Snavely, "MegaDepth", CVPR 2018), down to :data:`_FLOOR` of the target's greatest
    weight, below which all keys are as good as not looked at.

    Args:
        log_rows: logarithms (B, Q, M) of the rows.
        target: (B, Q, M).
        grid: (h, w) of the M keys.
    """
    floor = target.amax(-1, keepdim=True).clamp_min(1e-12) * _FLOOR
    wanted = (target + floor).log().unflatten(-1, grid)
    found = torch.logaddexp(log_rows.float(), floor.log()).unflatten(-1, grid)
    wrong = found - wanted
    steps = [wrong.diff(dim=-1), wrong.diff(dim=-2)]
    return torch.cat([step.square().flatten() for step in steps]).mean()


def cut_off(affinity: Affinity) -> Tensor:
    """How far below 1 the greatest score of a row lies, mean over rows, where scores go through a ReLU;
    else 0.

    :func:`log_rows` compares scores as if ReLU were soft. Far below 0 a score that is a sum gives
    exp(a_i + b_j), in whose normalised rows a_i is lost: nothing would keep the scores of a query from
    falling until ReLU cuts all of them off and its row is empty.

    Raises:
        ShapeError: as :func:`_only_head`.
    """
    factored = _only_head(affinity)
    if factored.is_distribution or not factored.pairwise.rectify:
        return factored.query.new_zeros(())
    if factored.pairwise.score == "sum":
        # The greatest of a row without the row: O(N + M).
        greatest = factored.query.float() + factored.key.float().amax(2, keepdim=True)
    else:
        cells = torch.arange(factored.queries.cells, device=factored.device)
        greatest = _scores(factored, cells, _unrectified(factored)).amax(-1)
    return F.relu(1 - greatest).mean()


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL of the softened classes, logits (B, classes) both, on the scale of the unsoftened."""
    softened = F.kl_div(
        F.log_softmax(logits / temperature, -1),
        F.log_softmax(teacher / temperature, -1),
        log_target=True,
        reduction="batchmean",
    )
    return softened * temperature**2


def border_loss(part: Tensor, whole: Tensor) -> Tensor:
    """How far the end of a picture shifts what cells are compared by, in all images alike; 0 if not at all.

    Args:
        part: (B, D, h, w) projections (theta, or phi) of parts that were cut out of views and seen alone.
        whole: (B, D, h, w) those of the same cells with their surroundings in sight.

    Padding tells a network where its input ends, and what it makes of that is much the same vector
    everywhere along a side: rows then show a straight line as many cells from the border as the network
    can see. This is the energy of that vector (the difference, averaged over the images and along the
    rows of cells, and along the columns) as a share of the projections' variance. What a cell misses of
    its own neighbourhood averages out and costs nothing, and so do smaller or larger projections.
    """
    part, whole = part.float(), whole.float()
    variance = whole.var((0, 2, 3)).sum()
    shift = part - whole
    energies = [shift.mean(along).square().sum(0).mean() for along in ((0, 2), (0, 3))]
    return torch.stack(energies).mean() / variance.clamp_min(1e-12)


def _border(student: Student, batch: Batch) -> Tensor | None:
    """The border loss of a few of the batch's views, mean of theta's and phi's; None where the first
    block has neither.

    The projections alone learn from it. The backbone could do the same, but has cheaper ways to a small
    loss than to forget its borders: larger variances for the running statistics, for one, which ruined
    its features within minutes.
    """
    block = student.net.block(student.net.block_names[0])
    if block.theta is None:
        return None
    pixels = batch.pixels[:_BORDER_IMAGES]
    top, left, side = batch.part
    starts = [max(at - _REACH, 0) for at in (top, left)]
    rows, columns = (
        slice(s, at + side + _REACH) for s, at in zip(starts, (top, left), strict=True)
    )
    with in_eval_mode(student.net):
        with torch.no_grad():
            whole = student.read(pixels[..., rows, columns])
            part = student.read(pixels[..., top : top + side, left : left + side])
        stride = side // part.shape[-1]
        row, column = ((at - s) // stride for s, at in zip(starts, (top, left), strict=True))
        height, width = part.shape[2:]
        cells = whole[..., row : row + height, column : column + width]
        pairs = zip(_compared(block, part), _compared(block, cells), strict=True)
        return torch.stack([border_loss(*pair) for pair in pairs]).mean()


def _compared(block: NonLocalBlock, features: Tensor) -> tuple[Tensor, Tensor]:
    """theta and phi (B, D, h, w) as scores are made of them (D = 1 where a score is a sum)."""
    affinity = block.attend(features)[1]
    size = features.shape[2:]
    query, key = (
        t[:, 0].transpose(1, 2).unflatten(2, size) for t in (affinity.query, affinity.key)
    )
    return query, key


def losses(student: Student, batch: Batch, phase: Phase, temperature: float) -> dict[str, Tensor]:
    """The weighted terms of the phase, by name; those of weight 0 are left out."""
    if phase.head:
        with torch.no_grad():
            features, _, _ = student.trunk(batch.pixels)
        logits = student.classify(features)
        return {"logits": distillation_loss(logits, batch.logits, temperature)}
    logits, maps, predictions = student(batch.pixels, classify=phase.logits > 0)
    terms = {}
    if logits is not None:
        terms["logits"] = phase.logits * distillation_loss(logits, batch.logits, temperature)
    for name, affinity in maps.items():
        stride = stride_of(name, student.net.output_stride)
        if phase.relational > 0:
            rows = log_rows(affinity, batch.queries[stride])
            loss = relational_loss(rows, batch.rows[stride]) + cut_off(affinity)
            terms[f"rows {name}"] = phase.relational * loss
            if phase.outline > 0:
                terms[f"outline {name}"] = phase.outline * outline_loss(
                    rows, batch.rows[stride], affinity.key_grid[1:]
                )
        if phase.features > 0:
            terms[f"features {name}"] = phase.features * F.mse_loss(
                predictions[name].float(), batch.features[stride]
            )
    border = _border(student, batch) if phase.border > 0 else None
    if border is not None:
        terms["border"] = phase.border * border
    return terms
