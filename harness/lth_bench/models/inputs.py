"""Inputs as sequences: an image's patches, and what recurrent and one-dimensional convolutional
networks read.
"""

from __future__ import annotations

from typing import Annotated, cast

from torch import Tensor, nn

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.models.building import require_images
from lth_bench.params import Range

PatchSize = Annotated[int, Range(1, 1024)]


def patches_of(model: str, input_shape: tuple[int, ...], patch: int) -> int:
    """How many patches of `patch` × `patch` pixels an image has.

    UserError for what is no image, and for one whose sides are not multiples of `patch`.
    """
    require_images(model, input_shape)
    _, height, width = input_shape
    if height % patch or width % patch:
        fitting = [n for n in range(1, min(height, width) + 1) if not height % n and not width % n]
        raise UserError(
            f"{model} cuts images into patches, so patch must divide both sides of {height}×"
            f"{width} pixels ({', '.join(map(str, fitting))}), but got {patch}"
        )
    return (height // patch) * (width // patch)


class Patches(nn.Module):
    """A linear map of every patch, as a convolution whose stride is its kernel size."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to [N, patches, width], row by row."""
        out: Tensor = self.conv(x)
        return out.flatten(2).transpose(1, 2)


class Sequence(nn.Module):
    """Inputs as sequences [N, places, width].

    Tokens are embedded. The rows of an image are its places, with the pixels of all channels.
    Features [T, F] are sequences already, and features [T] have one number at every place.
    """

    def __init__(self, model: str, input_shape: tuple[int, ...], embedding: int) -> None:
        """`embedding` is the width of tokens' embedding. UserError for features of three
        dimensions or more.
        """
        super().__init__()
        shape = InputShape.of(input_shape)
        self.kind, self.dimensions = shape.kind, len(shape)
        self.places = shape[0]
        self.width = embedding
        if shape.kind == "tokens":
            self.embedding = nn.Embedding(shape.vocabulary, embedding)
        elif shape.kind == "images":
            self.places, self.width = shape[1], shape[0] * shape[2]
        elif len(shape) <= 2:
            self.width = shape[1] if len(shape) == 2 else 1
        else:
            raise UserError(
                f"{model} takes images, tokens, or features of shape [T] or [T, F], but got "
                f"features of shape {list(shape)}; choose another model or dataset"
            )

    def forward(self, x: Tensor) -> Tensor:
        """Examples [N, …] to [N, places, width]."""
        if self.kind == "tokens":
            return cast(Tensor, self.embedding(x))
        if self.kind == "images":
            return x.transpose(1, 2).flatten(2)
        return x if self.dimensions == 2 else x[..., None]
