"""Archives of a stranger: nothing is unpacked beyond a limit, and no link is followed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import random
import runpy
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from thoroughness import some

from lth_bench.data import archives
from lth_bench.data.archives import BadArchive
from lth_bench.data.cifar import CIFAR10
from lth_bench.data.image_folder import ImageFolder
from lth_bench.data.mnist import FILES, MNIST
from lth_bench.data.pickles import read_pickle
from lth_bench.data.svhn import read_mat
from lth_bench.errors import UserError

DAMAGE = runpy.run_path(str(Path(__file__).with_name("damage.py")))
LIMIT = 1 << 20
PEAK = 50.0
"""Megabytes; each bomb has more."""
Peak = Callable[[Callable[[], object]], float]


def read_all(path: Path, limit: int = LIMIT) -> int:
    """Bytes of all images in an archive."""
    return sum(len(content) for _, content in archives.contents(path, lambda n: ".png" in n, limit))


def refused(path: Path, match: str, read: Callable[[Path], object] = read_all) -> None:
    with pytest.raises(BadArchive, match=match) as caught:
        read(path)
    assert str(path) in caught.value.message


BIG, GB = 1 << 28, 1 << 30
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip": (lambda: DAMAGE["zip_bomb"](BIG), "has more than 1,048,576 bytes"),
    "zip that lies": (lambda: DAMAGE["lying_zip"](BIG), "has more than|damaged"),
    "tar.gz": (lambda: DAMAGE["tar_bomb"](BIG), "has more than 1,048,576 bytes"),
    "a long name": (lambda: DAMAGE["tar_bomb"](BIG, kind=tarfile.GNUTYPE_LONGNAME), "of headers"),
    "a long attribute": (lambda: DAMAGE["tar_bomb"](BIG, kind=tarfile.XHDTYPE), "of headers"),
    "the same entry again": (lambda: DAMAGE["tar_of_entries"](60_000), "entries in"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_no_archive_takes_great_memory(tmp_path: Path, name: str, peak: Peak) -> None:
    make, said = BOMBS[name]
    path = tmp_path / "animals.archive"
    path.write_bytes(make())
    taken = peak(lambda: refused(path, said))
    print(f"{name}: {path.stat().st_size:,} bytes take {taken:.0f} MB")
    assert taken < PEAK


@pytest.mark.slow
@pytest.mark.parametrize("name", some(["zip", "bzip2 zip", "tar.gz"]))
def test_four_gigabytes_of_an_archive_take_no_great_memory(
    tmp_path: Path, name: str, peak: Peak
) -> None:
    """As the dataset reads it, whose limit is that of an image."""
    path = tmp_path / "animals.zip"
    method = zipfile.ZIP_BZIP2 if "bzip2" in name else zipfile.ZIP_DEFLATED
    bomb = DAMAGE["tar_bomb"](4 * GB) if "tar" in name else DAMAGE["zip_bomb"](4 * GB, method)
    path.write_bytes(bomb)

    def load() -> None:
        with pytest.raises(UserError, match="has more than 268,435,456 bytes"):
            ImageFolder(name="animals", size=32).load(tmp_path)

    taken = peak(load)
    print(f"{name}: {path.stat().st_size:,} bytes take {taken:.0f} MB")
    assert taken < PEAK


@pytest.mark.parametrize(
    "method", some([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
)
def test_what_unpacks_in_one_go_is_given_little(tmp_path: Path, method: int, peak: Peak) -> None:
    """An entry that says that it is small: 60 MB where 1 MB is allowed."""
    path = tmp_path / "animals.zip"
    path.write_bytes(DAMAGE["zip_bomb"](60 << 20, method))
    assert peak(lambda: refused(path, "has more than")) < PEAK
    assert read_all(path, 1 << 27) == 60 << 20  # and is read where that is allowed


def test_a_bzip2_is_unpacked_in_pieces(tmp_path: Path, peak: Peak) -> None:
    """Between two entries too: what is passed over takes its time, not its room."""
    path = tmp_path / "animals.tar.bz2"
    path.write_bytes(DAMAGE["bzip_bomb"](150 << 20))
    assert peak(lambda: read_all(path)) < PEAK


def test_an_xz_gets_no_more_memory_than_the_best_compression_needs(tmp_path: Path) -> None:
    tar = tar_of({"a/1.png": b"x"})
    path = tmp_path / "animals.tar.xz"

    def pack(data: bytes, dictionary: int) -> bytes:
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": dictionary}]
        return lzma.compress(data, filters=filters)

    path.write_bytes(pack(tar, 1 << 26))
    assert read_all(path) == 1
    # a second stream, so that looking at the first would not do
    path.write_bytes(pack(tar[:512], 1 << 26) + pack(tar[512:], 1 << 30))
    refused(path, "[Mm]emory usage limit")


def test_the_streams_of_an_xz_are_one_file(tmp_path: Path) -> None:
    """As xz makes them in parallel, with zeros between them."""
    tar = tar_of({"a/1.png": bytes(5000), "b/2.png": b"y" * 300_000})
    path = tmp_path / "animals.tar.xz"
    pieces = [lzma.compress(tar[i : i + 9000]) for i in range(0, len(tar), 9000)]
    path.write_bytes(bytes(8).join(pieces) + bytes(4))
    assert read_all(path) == 305_000
    path.write_bytes(b"".join(pieces)[:-40])
    refused(path, "damaged")


def tar_of(files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
        for info in more:
            opened.addfile(info)
    return buffer.getvalue()


def special(kind: bytes, name: str = "b/2.png", to: str = "a/1.png") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


LINKS = {"a link": tarfile.SYMTYPE, "a second name": tarfile.LNKTYPE, "a FIFO": tarfile.FIFOTYPE,
         "a device": tarfile.CHRTYPE, "a disk": tarfile.BLKTYPE}  # fmt: skip


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_in_a_tar_is_named(tmp_path: Path, kind: str) -> None:
    """It was left out, so that a class had an image less."""
    path = tmp_path / "animals.tar"
    path.write_bytes(tar_of({"a/1.png": b"x"}, special(LINKS[kind])))
    refused(path, r"'b/2\.png', which is a link or a device")
    path.write_bytes(tar_of({"a/1.png": b"x"}, special(LINKS[kind], "notes")))
    assert read_all(path) == 1  # what is not read may be anything


def test_a_link_in_a_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "animals.zip"
    with zipfile.ZipFile(path, "w") as packed:
        link = zipfile.ZipInfo("a/1.png")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    refused(path, r"'a/1\.png', which is a link or a device")


@pytest.mark.parametrize("name", ["../../up.png", "/etc/up.png", "a/\udce9.png", "é/ü.png"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    """Nothing is written, whatever it is called."""
    path = tmp_path / "in" / "animals.tar"
    path.parent.mkdir()
    path.write_bytes(tar_of({name: b"x"}))
    assert [n for n, _ in archives.contents(path, lambda n: True, LIMIT)] == [name]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["animals.tar", "in"]


def test_folders_within_each_other_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "animals.tar"
    path.write_bytes(tar_of({f"{'d/' * 5000}{i}.png": b"x" for i in range(3)}))
    with pytest.raises(UserError, match="lies in 5,000 folders within each other"):
        ImageFolder(name="animals").load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_in_place_of_an_archive_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "animals.tar")
    with pytest.raises(UserError, match="it is a FIFO, not a regular file"):
        ImageFolder(name="animals").load(tmp_path)


def packed() -> dict[str, bytes]:
    """Good archives of each kind."""
    tar = tar_of({f"{c}/{i}.png": os.urandom(0) + bytes([i]) * 700 for c in "ab" for i in range(4)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for i in range(8):
            made.writestr(f"a/{i}.png", bytes([i]) * 700)
    return {
        "zip": buffer.getvalue(), "tar": tar, "tar.gz": gzip.compress(tar, mtime=0),
        "tar.bz2": bz2.compress(tar), "tar.xz": lzma.compress(tar),
    }  # fmt: skip


@pytest.mark.parametrize("kind", packed())
@pytest.mark.parametrize("count", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_damaged_archive_is_read_or_named(tmp_path: Path, kind: str, count: int) -> None:
    good, draws = packed()[kind], random.Random(kind)
    path = tmp_path / f"animals.{kind}"
    failed = 0
    for _ in range(count):
        how, content = DAMAGE["spoilt"](draws, good)
        path.write_bytes(content)
        try:
            read_all(path)
        except BadArchive as error:
            assert str(path) in error.message, how  # noqa: PT017
            failed += 1
    assert failed > count / 4


def idx(shape: tuple[int, ...], content: bytes) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + content


@pytest.mark.parametrize("count", [1000, 350_000])
def test_a_packed_mnist_file_is_no_bomb(tmp_path: Path, count: int, peak: Peak) -> None:
    """256 MB of zeros in one of its files, promised or not."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / f"{name}.gz").write_bytes(gzip.compress(idx((1,), b"\0")))
    packing = zlib.compressobj(1, wbits=31)
    content = packing.compress(idx((count, 28, 28), b""))
    content += b"".join(packing.compress(bytes(1 << 24)) for _ in range(16)) + packing.flush()
    (raw / f"{FILES[0]}.gz").write_bytes(content)

    def load() -> None:
        with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz .*(promises|too long)"):
            MNIST(checksum=False).load(tmp_path)

    assert peak(load) < PEAK


def test_a_matlab_file_is_no_bomb(peak: Peak) -> None:
    packing = zlib.compressobj(1)
    inner = struct.pack("<II", 14, BIG) + b"".join([
        struct.pack("<IIII", 6, 8, 9, 0),  # an array of bytes
        struct.pack("<II4i", 5, 16, 32, 32, 3, BIG // 3072),
        struct.pack("<II", 0x10001, 0x58),  # called X
        struct.pack("<II", 2, BIG),
    ])  # fmt: skip
    body = packing.compress(inner)
    body += b"".join(packing.compress(bytes(1 << 24)) for _ in range(16)) + packing.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    content = head + struct.pack("<II", 15, len(body)) + body

    def read() -> None:
        with pytest.raises(ValueError, match="a variable of more than"):
            read_mat(content)

    assert peak(read) < PEAK


def test_a_matlab_file_of_lists_is_not_read(peak: Peak) -> None:
    """Room is made for as many as it says."""
    cells = np.empty((1, 1), object)
    cells[0, 0] = 1
    buffer = io.BytesIO()
    savemat(buffer, {"X": cells, "y": np.zeros((1, 1))})
    with pytest.raises(ValueError, match="X must be an array of numbers, but is cell"):
        read_mat(buffer.getvalue())
    plain = io.BytesIO()
    savemat(plain, {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((2, 1))})
    x, y = read_mat(plain.getvalue())
    assert x.shape == (32, 32, 3, 2)
    assert y.tolist() == [1, 1]


class Encode:
    """Python 3's way to write bytes for Python 2."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> Any:
        import _codecs

        return _codecs.encode, (self.text, "latin1")


def test_a_pickle_that_copies_its_text_again_and_again_is_no_bomb(peak: Peak) -> None:
    text = "x" * 1_000_000
    content = pickle.dumps({"data": [Encode(text) for _ in range(2000)]}, 2)
    assert len(content) < 1_100_000

    def read() -> None:
        with pytest.raises(ValueError, match="asks for more bytes than it has"):
            read_pickle(content)

    assert peak(read) < PEAK


def test_lists_of_lists_are_no_labels(tmp_path: Path, peak: Peak) -> None:
    """Ten of ten of ten …: a hundred bytes, and more numbers than there is memory."""
    nested: list[Any] = [0] * 10
    for _ in range(8):
        nested = [nested] * 10
    folder = tmp_path / CIFAR10.folder
    folder.mkdir()
    batch = {"data": np.zeros((2, 3072), np.uint8), "labels": nested}
    for name in (*CIFAR10.train, *CIFAR10.test):
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    assert (folder / "test_batch").stat().st_size < 10_000

    def load() -> None:
        with pytest.raises(UserError, match="'labels' must be 2 integers"):
            CIFAR10(checksum=False).load(tmp_path)

    assert peak(load) < PEAK
