"""An image file's content to pixels: one function, so that every way of reading gives the same."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (19595, 38470, 7471)
"""ITU-R 601 luma in 1/65536, as Pillow rounds it; grey images keep their values exactly."""


class NotDecoded(ValueError):
    """An image that cannot be decoded, with the decoder's reason."""


@dataclass(frozen=True)
class Decoder:
    """Bytes to uint8 [C, H, W]. Safe in threads, which decode at the same time."""

    channels: int
    """3 for colour, 1 for grey."""
    size: int | None = None
    """Height and width of the result; None for the image's own."""
    resize: int | None = None
    """Length that the shorter side is scaled to before the middle is cut out; None for `size`."""

    def __call__(self, content: bytes) -> Tensor:
        """Raises NotDecoded."""
        pixels = _decode(content)
        if self.size is not None:
            pixels = _fit(pixels, self.size, self.resize or self.size)
        return pixels if self.channels == 3 else _grey(pixels)


def _decode(content: bytes) -> Tensor:
    """uint8 [3, H, W]."""
    operation = _torchvision()
    if operation is not None and content:
        try:
            # a copy: torch has no read-only tensors
            encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            pixels: Tensor = operation(encoded, 3, False)
            # 16-bit images come as uint16, animations with a further dimension
            if pixels.dtype == torch.uint8 and pixels.ndim == 3:
                return pixels
        except RuntimeError:
            pass  # a format of Pillow's, or damaged: Pillow says which
    return _pillow(content)


def _pillow(content: bytes) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as opened:
            image = opened.convert("RGB")
    except UnidentifiedImageError as error:  # its own message names an object in memory
        raise NotDecoded("its content is of no known format") from error
    except Exception as error:  # a damaged image raises anything
        raise NotDecoded(str(error) or type(error).__name__) from error
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@lru_cache(maxsize=1)
def _torchvision() -> Any:
    """torchvision's decoder of JPEG, PNG, WebP and GIF, or None in a release without it.

    With `_fit` 1.7 times as fast as Pillow on photographs, and as parallel: neither holds the GIL.
    Called below its Python wrapper, which warns at every image that it will move to another
    package. Pillow gives the same pixels of a JPEG or PNG (tested), so its absence costs time only.
    """
    import torchvision.io  # noqa: F401  # registers the operation; 1 s

    try:
        return torch.ops.image.decode_image
    except AttributeError:
        return None


def _fit(pixels: Tensor, size: int, resize: int) -> Tensor:
    """The middle [C, size, size] after scaling the shorter side.

    The bits of torchvision's Resize and CenterCrop, without their Python (70 µs an image, in which
    no other thread decodes).
    """
    channels, height, width = pixels.shape
    if (height, width) == (size, size) and resize == size:
        return pixels
    if height <= width:
        scaled = (resize, int(resize * width / height))
    else:
        scaled = (int(resize * height / width), resize)
    if scaled != (height, width):
        # decoders give [H, W, C] seen as [C, H, W]; with this stride the kernel sees that it need
        # not repack it, and takes a quarter less time
        strides = (pixels.numel(), *pixels.stride())
        batch = pixels.as_strided((1, channels, height, width), strides)
        pixels = F.interpolate(batch, scaled, mode="bilinear", align_corners=False, antialias=True)[
            0
        ]
    top, left = (round((side - size) / 2) for side in scaled)
    return pixels[:, top : top + size, left : left + size]


def _grey(pixels: Tensor) -> Tensor:
    """uint8 [3, H, W] to [1, H, W]."""
    weights = torch.tensor(GREY, dtype=torch.int32)[:, None, None]
    luma = (pixels.to(torch.int32) * weights).sum(0, keepdim=True, dtype=torch.int32)
    return ((luma + 0x8000) >> 16).to(torch.uint8)
