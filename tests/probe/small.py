"""Small modules that several tests look into."""

from torch import Tensor, nn


class Attends(nn.Module):
    """One head over tokens (B, N, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return (q @ k.mT).softmax(-1) @ v
