"""Checks of an image's header before anything is decoded.

A header can claim anything: 800 bytes can claim 65,500 × 65,500 pixels, and decoders allocate what
is claimed.
"""

from __future__ import annotations

import math
from typing import Any

MAX_BYTES = 1 << 28
"""Maximum bytes of an image file: more than an uncompressed image of `MAX_PIXELS`."""
MAX_PIXELS = 1 << 26
"""Maximum pixels of an image: 8,192 × 8,192, which takes half a gigabyte to decode."""
MAX_SCANNED = 1 << 32
"""Maximum pixels of a JPEG times its scans: half a minute's work. A progressive JPEG has about
ten scans."""

SCAN = b"\xff\xda"
"""The marker that starts a scan. It cannot occur within compressed data."""
WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that nothing follows, and those that the size follows."""
TILE_WIDTH, TILE_LENGTH = 322, 323
"""Tags of a TIFF."""


class NotDecoded(ValueError):
    """An image that cannot be decoded, with the decoder's reason."""


def require_moderate(size: tuple[int, int], what: str = "") -> None:
    """NotDecoded above `MAX_PIXELS`. `size` is (height, width)."""
    height, width = size
    if height * width > MAX_PIXELS:
        raise NotDecoded(
            f"its header says {what}{height:,}×{width:,} pixels, and at most {MAX_PIXELS:,} are "
            f"decoded"
        )


def require_few_scans(size: tuple[int, int], jpeg: bytes) -> None:
    """NotDecoded for a JPEG with so many scans that decoding takes minutes."""
    scans = jpeg.count(SCAN)
    if scans * math.prod(size) > MAX_SCANNED:
        raise NotDecoded(f"it has {scans:,} scans of its {math.prod(size):,} pixels")


def jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG, found as libjpeg finds them; None if there are none.

    Bytes between segments are skipped, and so are segments shorter than their own length field.
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
    """Height and width of a tile of a TIFF opened by Pillow; 1×1 if it has none."""
    length, width = (tiff.tag_v2.get(tag, 1) for tag in (TILE_LENGTH, TILE_WIDTH))
    if not isinstance(length, int) or not isinstance(width, int):
        raise NotDecoded("its header gives no tile size")
    return length, width
