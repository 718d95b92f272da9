"""What is minimised: rows towards the walk's, features and logits towards the teacher's."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nonlocal_viz.training.batches import Batch
from nonlocal_viz.training.config import Phase
from nonlocal_viz.training.student import Student

#: Output stride of a residual stage of a ResNet.
STRIDE = {"layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}


def relational_loss(rows: Tensor, target: Tensor) -> Tensor:
    """KL(target || rows), mean over rows (B, N, M), in nats."""
    log_ratio = target.clamp_min(1e-9).log() - rows.clamp_min(1e-9).log()
    return (target * log_ratio).sum(-1).mean()


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
    """The weighted terms of the phase, by name."""
    if phase.head:
        with torch.no_grad():
            features, _, _ = student.trunk(batch.pixels)
        logits = student.classify(features)
        return {"logits": distillation_loss(logits, batch.logits, temperature)}
    _, maps, predictions = student(batch.pixels, classify=False)
    terms = {}
    for name, affinity in maps.items():
        stride = STRIDE[name.partition(".")[0]]
        terms[f"rows {name}"] = phase.relational * relational_loss(
            affinity.dense(), batch.rows[stride]
        )
        terms[f"features {name}"] = phase.features * F.mse_loss(
            predictions[name].float(), batch.features[stride]
        )
    return terms
