"""What an image's header promises, looked at before anything is decoded.

A header costs nothing to write: 800 bytes can promise 65,500 × 65,500 pixels, and decoders make
room for what is promised.
"""

from __future__ import annotations

import math
from typing import Any

MAX_BYTES = 1 << 28
"""Of an image file, packed or not: more than one of `MAX_PIXELS` takes without any compression."""
MAX_PIXELS = 1 << 26
"""Of an image: 8,192 × 8,192, which takes half a gigabyte while it is decoded."""
MAX_SCANNED = 1 << 32
"""Pixels of a JPEG times the scans that it makes of them: half a minute's work. A progressive one
has some ten scans."""

SCAN = b"\xff\xda"
"""What begins one. In the compressed data between them it cannot occur."""
WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that nothing follows, and those that the size follows."""
TILE_WIDTH, TILE_LENGTH = 322, 323
"""Tags of a TIFF."""


class NotDecoded(ValueError):
    """An image that cannot be decoded, with the decoder's reason."""


def require_moderate(size: tuple[int, int], what: str = "") -> None:
    """NotDecoded beyond `MAX_PIXELS`. `size` is height and width."""
    height, width = size
    if height * width > MAX_PIXELS:
        raise NotDecoded(
            f"its header says {what}{height:,}×{width:,} pixels, and at most {MAX_PIXELS:,} are "
            f"decoded"
        )


def require_few_scans(size: tuple[int, int], jpeg: bytes) -> None:
    """NotDecoded for a JPEG that goes over its pixels so often that it takes minutes."""
    scans = jpeg.count(SCAN)
    if scans * math.prod(size) > MAX_SCANNED:
        raise NotDecoded(f"it goes over its {math.prod(size):,} pixels {scans:,} times")


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG, found as libjpeg finds them; None where there is none.

    Bytes between segments are passed over, and so is a segment of less than its own length.
    """
    if content[:2] != b"\xff\xd8":
        return None
    here = 2
    while (here := content.find(b"\xff", here)) >= 0:
        while content[here : here + 1] == b"\xff":
            here += 1
        marker = content[here] if here < len(content) else 0
        here += 1
        if marker == 0 or marker in WITHOUT_LENGTH:
            continue
        if marker in FRAMES:
            size = content[here + 3 : here + 7]
            return (int.from_bytes(size[:2]), int.from_bytes(size[2:])) if len(size) == 4 else None
        here += max(2, int.from_bytes(content[here : here + 2]))
    return None


def tile_of(tiff: Any) -> tuple[int, int]:
    """Height and width of a tile of a TIFF that Pillow has opened; 1×1 where it has none."""
    length, width = (tiff.tag_v2.get(tag, 1) for tag in (TILE_LENGTH, TILE_WIDTH))
    if not isinstance(length, int) or not isinstance(width, int):
        raise NotDecoded("its header says no size of a tile")
    return length, width
