"""From an image file's content to pixels: one function, so that all ways of reading agree."""

from __future__ import annotations

import io
import math
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.headers import (
    NotDecoded,
    jpeg_size,
    require_few_scans,
    require_moderate,
    tile_of,
)

GREY = (19595, 38470, 7471)
"""ITU-R 601 luma in 1/65536, rounded as in Pillow; grey images keep their values exactly."""


FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
"""Formats that are decoded, by Pillow's names. It has forty more, some of which start programs."""
LARGE = 1 << 24
"""Images with more pixels than this are decoded and scaled one at a time."""

_ONE_LARGE = RLock()  # entered twice by a JPEG that torchvision cannot decode and Pillow can


@dataclass(frozen=True)
class Decoder:
    """Bytes to uint8 [C, H, W]. Thread-safe; threads decode in parallel."""

    channels: int
    """3 for colour, 1 for greyscale."""
    size: int | None = None
    """Height and width of the result; None for the image's own."""
    resize: int | None = None
    """Length to which the shorter side is scaled before the centre crop; None for `size`."""

    def __call__(self, content: bytes) -> Tensor:
        """Raises NotDecoded."""
        with ExitStack() as alone:
            pixels = _decode(content, alone)
            if self.size is not None:
                pixels = _fit(pixels, self.size, self.resize or self.size)
            return pixels if self.channels == 3 else _grey(pixels)


def _decode(content: bytes, alone: ExitStack) -> Tensor:
    """uint8 [3, H, W]. NotDecoded, before decoding, for an image that would fill the memory; one
    that takes much of it keeps other such images out until `alone` ends.
    """
    size = jpeg_size(content)
    if size is None:
        return _pillow(content, alone)
    require_moderate(size)
    require_few_scans(size, content)
    if math.prod(size) > LARGE:
        alone.enter_context(_ONE_LARGE)
    return _jpeg(content, alone)


def _jpeg(content: bytes, alone: ExitStack) -> Tensor:
    """uint8 [3, H, W] of a JPEG whose header was checked."""
    operation = _torchvision()
    if operation is not None:
        try:
            # copied, since torch has no read-only tensors
            encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            pixels: Tensor = operation(encoded, 3, False)
            return pixels
        except RuntimeError:
            pass  # damaged or unusual: let Pillow decide
    return _pillow(content, alone)


def _pillow(content: bytes, alone: ExitStack) -> Tensor:
    """uint8 [3, H, W] of any supported format."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            require_moderate((opened.height, opened.width))
            if opened.format == "TIFF":
                require_moderate(tile_of(opened), "tiles of ")
            if math.prod(opened.size) > LARGE:
                alone.enter_context(_ONE_LARGE)
            opened.load()
            image = opened if opened.mode == "RGB" else opened.convert("RGB")
            pixels = np.array(image)
    except NotDecoded:
        raise
    except UnidentifiedImageError as error:  # its own message contains an object's address
        raise NotDecoded("its content is of no known format") from error
    except Exception as error:  # a damaged image may raise anything
        raise NotDecoded(str(error) or type(error).__name__) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


@lru_cache(maxsize=1)
def _torchvision() -> Any:
    """torchvision's JPEG decoder; None in a release without it.

    1.8 times as fast as Pillow on photographs and 4 times on images of CIFAR's size, and as
    parallel: neither holds the GIL. Called below its Python wrapper, which warns for every image
    that it will move to another package. Pillow gives the same pixels (tested), so its absence only
    costs time. For JPEGs only: damaged ones raise an error as in Pillow, whereas half of the
    damaged PNGs crashed the process.
    """
    import torchvision.io  # noqa: F401  # registers the operation; 1 s

    try:
        return torch.ops.image.decode_jpeg
    except AttributeError:
        return None


def _fit(pixels: Tensor, size: int, resize: int) -> Tensor:
    """The centre [C, size, size] after scaling the shorter side.

    Bit-identical to torchvision's Resize and CenterCrop, without their Python overhead (70 µs per
    image, during which no other thread decodes).
    """
    channels, height, width = pixels.shape
    if (height, width) == (size, size) and resize == size:
        return pixels
    if height <= width:
        scaled = (resize, int(resize * width / height))
    else:
        scaled = (int(resize * height / width), resize)
    if scaled != (height, width):
        # decoders return [H, W, C] viewed as [C, H, W]; with this stride the kernel need not
        # repack it and takes a quarter less time
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
