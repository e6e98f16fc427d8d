"""Files as strangers make them: damaged ones from a fixed seed, and small ones that promise much.

Loaded by `runpy.run_path`, as tests are no package.
"""

from __future__ import annotations

import bz2
import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF", "GIF")


class Damaged(NamedTuple):
    """A file, and what was done to it."""

    kind: str
    how: str
    content: bytes

    @property
    def ending(self) -> str:
        """Of its name."""
        return {"JPEG": ".jpg", "TIFF": ".tif"}.get(self.kind, f".{self.kind.lower()}")


def encoded(
    kind: str, mode: str = "RGB", size: tuple[int, int] = (61, 47), **options: Any
) -> bytes:
    """A picture of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize(size).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def whole(kind: str) -> list[bytes]:
    """Good files of a format, of its several ways to write one."""
    ways: dict[str, list[dict[str, Any]]] = {
        "PNG": [{}, {"mode": "P"}, {"mode": "RGBA"}, {"mode": "L"}, {"mode": "1"}, {"mode": "LA"},
                {"optimize": True}],
        "JPEG": [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}, {"quality": 20},
                 {"subsampling": 0, "restart_marker_blocks": 2}],
        "WEBP": [{}, {"lossless": True}, {"mode": "RGBA"}],
        "BMP": [{}, {"mode": "P"}, {"mode": "L"}, {"mode": "1"}],
        "PPM": [{}, {"mode": "L"}, {"mode": "1"}],
        "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"},
                 {"compression": "jpeg"}, {"compression": "packbits", "mode": "L"},
                 {"compression": "group4", "mode": "1"}],
        "GIF": [{}, {"mode": "P"}, {"mode": "L", "interlace": 0}],
    }  # fmt: skip
    return [encoded(kind, **way) for way in ways[kind]]


def spoilt(draws: random.Random, content: bytes) -> tuple[str, bytes]:
    """What was done, and what is left: a file whose bytes were changed in some places."""
    data, done = bytearray(content), []
    for _ in range(draws.choice((1, 1, 1, 2, 4, 16))):
        # headers are what decoders believe, so half of the damage is done there
        end = len(data) if draws.random() < 0.5 else min(len(data), 64)
        place = draws.randrange(max(1, end))
        how = draws.choice(("bit", "byte", "bytes", "cut", "lost", "doubled", "ones"))
        done.append(f"{how} at {place}")
        if how == "bit" and data:
            data[place] ^= 1 << draws.randrange(8)
        elif how == "byte" and data:
            data[place] = draws.randrange(256)
        elif how == "bytes":
            data[place : place + 8] = draws.randbytes(8)
        elif how == "ones":
            data[place : place + 4] = b"\xff" * 4
        elif how == "cut":
            del data[max(place, 8) :]
        elif how == "lost":
            del data[place : place + draws.randrange(1, 40)]
        else:
            data[place:place] = data[place : place + 40]
    return ", ".join(done), bytes(data)


def damaged_images(
    count: int, seed: int = 0, formats: tuple[str, ...] = FORMATS
) -> Iterator[Damaged]:
    """`count` of each format, the ones first that were met; the same ones every time."""
    for kind in formats:
        draws = random.Random(f"{seed} {kind}")
        good = whole(kind)
        first = list(known(kind))
        yield from first[:count]
        for number in range(count - len(first)):
            how, content = spoilt(draws, good[number % len(good)])
            yield Damaged(kind, how, content)


def known(kind: str) -> Iterator[Damaged]:
    """What ended a process, or took its memory."""
    good = whole(kind)[0]
    if kind == "PNG":
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 16
        yield Damaged(kind, "a flipped bit", bytes(flipped))
        noise = random.Random(1).randbytes(400)
        yield Damaged(kind, "random bytes", good[:33] + noise)
        yield Damaged(kind, "a lying header", relabelled(good, 4000, 3000))
        yield Damaged(kind, "a huge one", relabelled(good, 2**31 - 1, 2**31 - 1))
    if kind == "JPEG":
        yield Damaged(kind, "a lying header", jpeg_of(good, 65_500, 65_500))
        yield Damaged(kind, "no size", jpeg_of(good, 0, 0))
    yield Damaged(kind, "empty", b"")
    yield Damaged(kind, "half", good[: len(good) // 2])
    yield Damaged(kind, "one byte short", good[:-1])


def relabelled(png: bytes, width: int, height: int) -> bytes:
    """A PNG whose header says another size."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def jpeg_of(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame says another size."""
    place = next(i for i in range(len(jpeg)) if jpeg[i : i + 2] in (b"\xff\xc0", b"\xff\xc2"))
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


def png_of_zeros(width: int, height: int) -> bytes:
    """A whole, right PNG, black and a thousandth of its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packing = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    body = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def many_scans(count: int) -> bytes:
    """A progressive JPEG that goes over its pixels again and again."""
    good = encoded("JPEG", size=(4000, 3000), progressive=True, quality=5)
    ends = [i for i in range(len(good)) if good[i : i + 2] == b"\xff\xda"]
    scan = good[ends[-1] : -2]
    return good[:-2] + scan * count + b"\xff\xd9"


def tiff_of_one_tile(side: int) -> bytes:
    """A small TIFF in tiles that are said to be large."""
    tags = [(256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
            (277, 3, 1, 1), (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8),
            (325, 4, 1, 4)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return (
        b"II*\0"
        + struct.pack("<I", 12)
        + b"data"
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def gif_of(width: int, height: int) -> bytes:
    return (
        b"GIF89a"
        + struct.pack("<HH", width, height)
        + b"\x80\0\0"
        + bytes(6)
        + (b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\x02\x02\x44\x01\0;")
    )


def bmp_of(width: int, height: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 58, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 4, 0, 0, 0, 0)
        + bytes(4)
    )


IMAGE_BOMBS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: jpeg_of(encoded("JPEG"), 65_500, 65_500),
    "progressive jpeg": lambda: jpeg_of(encoded("JPEG", progressive=True), 65_500, 65_500),
    "jpeg behind fill bytes": lambda: b"\xff\xd8" + b"junk\xff\0" + b"\xff" * 40 + jpeg_of(
        encoded("JPEG"), 65_500, 65_500)[3:],
    "scans": lambda: many_scans(2000),
    "png": lambda: relabelled(encoded("PNG"), 65_500, 65_500),
    "png of zeros": lambda: png_of_zeros(12_000, 12_000),
    "webp": lambda: b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8L" + struct.pack(
        "<IBI", 13, 0x2F, 0x0FFFFFFF) + bytes(9),
    "gif": lambda: gif_of(65_535, 65_535),
    "bmp": lambda: bmp_of(60_000, 60_000),
    "ppm": lambda: b"P6 60000 60000 255\n" + bytes(100),
    "tiff": lambda: tiff_of_one_tile(60_000),
}  # fmt: skip
"""Image files of some kilobytes, all of which are refused."""


def zip_bomb(size: int, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An entry of so many zeros."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", method, compresslevel=1) as packed,
        packed.open("train/a/1.png", "w", force_zip64=True) as entry,
    ):
        for start in range(0, size, 1 << 24):
            entry.write(bytes(min(1 << 24, size - start)))
    return buffer.getvalue()


def lying_zip(size: int) -> bytes:
    """The same, where the entry is said to have ten bytes."""
    content = bytearray(zip_bomb(size))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 10)
    return bytes(content)


def tar_bomb(size: int, name: str = "train/a/1.png", kind: bytes = tarfile.REGTYPE) -> bytes:
    """The same, packed by gzip. `kind` can be that of a header that goes before an entry."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="w", compresslevel=1) as packed:
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        for start in range(0, size, 1 << 24):
            packed.write(bytes(min(1 << 24, size - start)))
        packed.write(bytes(10_240))
    return buffer.getvalue()


def tar_of_entries(count: int) -> bytes:
    """So many empty files."""
    block = tarfile.TarInfo("train/a/1.png").tobuf()
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="w", compresslevel=1) as packed:
        for _ in range(0, count, 10_000):
            packed.write(block * 10_000)
    return buffer.getvalue()


def bzip_bomb(size: int) -> bytes:
    """A tar with an entry of so many zeros, packed by bzip2: 45 bytes hold 900,000."""
    info = tarfile.TarInfo("train/a/1.txt")
    info.size = size
    packing = bz2.BZ2Compressor()
    pieces = [packing.compress(info.tobuf())]
    pieces += [packing.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, packing.flush()])
