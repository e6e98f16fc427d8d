"""A small recurrent network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor, nn

from lth_bench.data.info import InputShape
from lth_bench.models.inputs import Sequence
from lth_bench.models.transformer import Size
from lth_bench.params import Range


@dataclass(frozen=True)
class LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber, 1997) with forget gates (Gers, 2000).

    torch's layer and its initial values:

        i, f, g, o = σ, σ, tanh, σ of (W_ih x + b_ih + W_hh h + b_hh)
        c = f ∘ c + i ∘ g
        h = o ∘ tanh(c)

    `torch.func` has no stacked form of it, so that its trainings run one at a time. Where targets
    are tokens it answers at every place, and otherwise once, from the last one. Both matrices of
    every layer (`weight_ih_l0`, `weight_hh_l0`, …: the four gates stacked) and the head are
    prunable, biases and the embedding are not: 19,072 weights with the defaults on digits' rows.
    Places are the rows of an image, tokens (embedded), or the first dimension of features [T, F] or
    [T].
    """

    hidden: Size = 64
    """Width of the state."""
    layers: Annotated[int, Range(1, 16)] = 1
    """LSTM layers, one above the other."""
    embedding: Size = 32
    """Width of the embedding of tokens; without effect on other inputs."""

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Takes images, tokens or features; gives logits [N, classes], or [N, T, classes] where
        targets are tokens.
        """
        everywhere = InputShape.of(input_shape).targets == "tokens"
        return LSTMNet(self, Sequence("lstm", input_shape, self.embedding), classes, everywhere)


class LSTMNet(nn.Module):
    """Recurrent layers, head."""

    def __init__(self, config: LSTM, sequence: Sequence, outputs: int, everywhere: bool) -> None:
        super().__init__()
        self.sequence, self.everywhere = sequence, everywhere
        self.lstm = nn.LSTM(sequence.width, config.hidden, config.layers, batch_first=True)
        self.head = nn.Linear(config.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Examples [N, …] to logits [N, classes] or [N, T, classes]."""
        states, _ = self.lstm(self.sequence(x))
        out: Tensor = self.head(states if self.everywhere else states[:, -1])
        return out
