"""What is minimised: rows towards the walk's, features and logits towards the teacher's."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.core.affinity import Affinity
from nonlocal_viz.training.batches import Batch
from nonlocal_viz.training.config import Phase
from nonlocal_viz.training.student import Student

#: Stride of a residual stage of a plain ResNet.
_STRIDE = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
#: Below this score log softplus(s) is s, to the last digit of float32.
_LINEAR = -17.0


def stride_of(block: str, output_stride: int = 32) -> int:
    """Pixels of the input a cell of a block such as ``"layer3.5"``, in a ResNet of this output stride:
    stages that would be coarser are dilated instead."""
    return min(_STRIDE[block.partition(".")[0]], output_stride)


def log_rows(affinity: Affinity, picked: Tensor | None = None) -> Tensor:
    """Logarithms (B, Q, M) of the rows as distributions over the keys, which a target can be held to:
    of all queries (Q = N), or of the ``picked`` (Q,) flat indices.

    Softmax instantiations: of their rows. The rows of ``dot_product`` are signed and those of
    ``concatenation`` do not sum to 1, so what stands for both is softplus(s_ij) / sum_k softplus(s_ik)
    of the scores s (theta_i . phi_j, and a_i + b_j before its ReLU). Where scores are large that is
    the row clamped at 0 and normalised to sum 1, in the same order. The clamp itself would give
    weights below 0 no gradient, and rows without a weight above 0 no meaning; here the gradient of
    the KL at a score is (row - target) times d log softplus / ds, which lies between 0 and 1 and goes
    to 1 as the score falls: a weight that is pushed below 0 by mistake always comes back.
    """
    if picked is not None:
        asking = affinity.query[:, picked]
        affinity = replace(affinity, query=asking, query_grid=(1, 1, len(picked)))
    if affinity.is_distribution:
        return affinity.dense().clamp_min(1e-9).log()
    with torch.autocast(affinity.query.device.type, enabled=False):
        query, key = affinity.query.float(), affinity.key.float().transpose(1, 2)
        score = query @ key if affinity.signed else query + key
        # softplus underflows to 0 where its logarithm is still finite. The inner clamp keeps the
        # branch that is not chosen from putting a NaN into the gradient.
        log = torch.where(score > _LINEAR, F.softplus(score.clamp_min(_LINEAR)).log(), score)
        return log.log_softmax(-1)


def relational_loss(log_rows: Tensor, target: Tensor) -> Tensor:
    """KL(target || rows), mean over rows, in nats; logarithms of the rows and target (B, N, M)."""
    return (target * (target.clamp_min(1e-9).log() - log_rows)).sum(-1).mean()


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL of the softened classes, logits (B, classes) both, on the scale of the unsoftened."""
    softened = F.kl_div(
        F.log_softmax(logits / temperature, -1),
        F.log_softmax(teacher / temperature, -1),
        log_target=True,
        reduction="batchmean",
    )
    return softened * temperature**2


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
            terms[f"rows {name}"] = phase.relational * relational_loss(
                log_rows(affinity, batch.queries[stride]), batch.rows[stride]
            )
        if phase.features > 0:
            terms[f"features {name}"] = phase.features * F.mse_loss(
                predictions[name].float(), batch.features[stride]
            )
    return terms
