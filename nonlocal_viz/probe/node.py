"""How a tensor of a network was made."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Node:
    """How a tensor was made: the operation, its arguments, and how each tensor among these was made; of
    what was put side by side, how each of the ``parts``."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    made: tuple["Node | None", ...]
    shape: tuple[int, ...]
    parts: tuple["Node | None", ...] = ()

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the arguments, in the order of ``made``."""
        return [a for a in self.args if isinstance(a, Tensor)]
