"""Images of a stranger: decoded, or refused in one sentence that names the file. Never a signal,
never much memory, never a wait.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
import torch

from lth_bench.data import pixels as decoding
from lth_bench.data.headers import NotDecoded, jpeg_size
from lth_bench.data.image_files import decoded
from lth_bench.data.image_folder import ImageFolder
from lth_bench.data.pixels import Decoder
from lth_bench.errors import UserError

FILE = Path(__file__).with_name("damage.py")
DAMAGE = runpy.run_path(str(FILE))
FAST, SLOW = 40, 600
"""Damaged images of each format."""
WHERE = Path("theirs")


def look_at(found: Any) -> bool:
    """Whether it is an image. AssertionError where it is neither that nor refused by name."""
    name = f"cat/1{found.ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about what it could still read
        try:
            pixels = decoded(WHERE, name, found.content, Decoder(3))
        except UserError as error:
            said = error.message
            assert repr(name) in said and "0x" not in said, found.how
            return False
    assert pixels.dtype == torch.uint8 and pixels.shape[0] == 3, found.how
    return True


@pytest.mark.parametrize("kind", DAMAGE["FORMATS"])
def test_a_damaged_image_is_an_image_or_named(kind: str) -> None:
    found = [look_at(image) for image in DAMAGE["damaged_images"](FAST, formats=(kind,))]
    assert len(found) == FAST
    assert not all(found)


@pytest.mark.parametrize("kind", DAMAGE["FORMATS"])
def test_what_is_whole_is_an_image(kind: str) -> None:
    """Or the test above would hold for a decoder that refuses everything."""
    assert all(look_at(DAMAGE["Damaged"](kind, "", good)) for good in DAMAGE["whole"](kind))


IN_A_PROCESS = """
import runpy, sys
from collections import Counter
here = runpy.run_path(sys.argv[1])
counts = Counter()
for image in here["DAMAGE"]["damaged_images"](int(sys.argv[2])):
    counts[image.kind, here["look_at"](image)] += 1
for (kind, whole), count in sorted(counts.items()):
    print(kind, "images" if whole else "refused", count)
"""


@pytest.mark.slow
def test_thousands_of_damaged_images_raise_no_signal() -> None:
    """In a process of their own, as a signal would end this one."""
    command = [sys.executable, "-c", IN_A_PROCESS, __file__, str(SLOW)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    counts: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        kind, _, count = line.split()
        counts[kind] += int(count)
    print(done.stdout)
    assert dict(counts) == dict.fromkeys(DAMAGE["FORMATS"], SLOW)


def refused(content: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(NotDecoded):
            Decoder(3, 32)(content)


@pytest.mark.parametrize("name", DAMAGE["IMAGE_BOMBS"])
def test_a_small_file_takes_no_great_memory(
    name: str, peak: Callable[[Callable[[], object]], float]
) -> None:
    content = DAMAGE["IMAGE_BOMBS"][name]()
    assert len(content) < 500_000
    refused(b"")  # what is imported for it is another's
    taken = peak(lambda: refused(content))
    print(f"{name}: {len(content):,} bytes take {taken:.0f} MB")
    assert taken < 100


@pytest.mark.slow
def test_the_largest_image_that_is_decoded_takes_less_than_a_gigabyte(
    peak: Callable[[Callable[[], object]], float],
) -> None:
    content = DAMAGE["png_of_zeros"](8192, 8192)
    taken = peak(lambda: Decoder(3, 32)(content))
    print(f"{len(content):,} bytes take {taken:.0f} MB")
    assert taken < 1000


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("large", [False, True])
def test_only_large_images_are_decoded_one_at_a_time(
    kind: str, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until they are scaled, too: a few at once would fill the memory."""
    monkeypatch.setattr(decoding, "LARGE", 10 if large else 1 << 24)
    both, fit = Barrier(2), decoding._fit

    def fit_together(*arguments: Any) -> Any:
        with contextlib.suppress(BrokenBarrierError):
            both.wait(timeout=0.3 if large else 60)
        return fit(*arguments)

    monkeypatch.setattr(decoding, "_fit", fit_together)
    content = picture(kind)
    with ThreadPoolExecutor(2) as threads:
        images = list(threads.map(Decoder(3, 4), [content] * 2))
    assert both.broken == large
    assert [tuple(image.shape) for image in images] == [(3, 4, 4)] * 2


def picture(kind: str) -> bytes:
    """Of 8 × 8 pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "way", [{}, {"progressive": True}, {"mode": "CMYK"}, {"comment": b"\xff\xc0"}]
)
def test_the_size_of_a_jpeg_is_the_decoder_s(way: dict[str, Any]) -> None:
    good = DAMAGE["encoded"]("JPEG", **way)
    assert jpeg_size(good) == (47, 61)
    assert jpeg_size(b"\xff\xd8junk" + b"\xff" * 9 + good[3:]) == (47, 61)  # as libjpeg reads it
    assert jpeg_size(good[:40]) is None
    assert jpeg_size(DAMAGE["encoded"]("PNG")) is None


def put(tree: Path, ending: str = ".png") -> Path:
    """A dataset of good images."""
    for name in ("train/a/1", "train/b/1", "test/a/1", "test/b/1"):
        file = tree / f"{name}{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(DAMAGE["encoded"]("PNG"))
    return tree


PLACES: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a folder that leads back": lambda path: path.symlink_to(path.parents[2]),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
@pytest.mark.parametrize("what", ["a FIFO", "a device"])
@pytest.mark.parametrize("how", ["load", "open"])
def test_what_is_no_file_is_neither_waited_for_nor_read(
    tmp_path: Path, what: str, how: str
) -> None:
    tree = put(tmp_path / "animals")
    PLACES[what](tree / "train" / "b" / "2.png")
    with pytest.raises(UserError, match=rf"b/2\.png.*{what}|{what}.*b/2\.png"):
        getattr(ImageFolder(name="animals"), how)(tmp_path)


def test_a_file_that_becomes_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    tree = put(tmp_path / "animals")
    opened = ImageFolder(name="animals").open(tmp_path)
    (tree / "train" / "a" / "1.png").unlink()
    os.mkfifo(tree / "train" / "a" / "1.png")
    out = torch.empty((1, 3, 47, 61), dtype=torch.uint8)
    with pytest.raises(UserError, match="it is a FIFO, not a regular file"):
        opened.train.read(torch.tensor([0]), out)


@pytest.mark.parametrize("count", [1, 2])
def test_folders_that_lead_back_end(tmp_path: Path, count: int) -> None:
    """Two of them are 2⁴⁰ ways."""
    tree = put(tmp_path / "animals")
    for number in range(count):
        (tree / "train" / "a" / f"loop{number}").symlink_to(tree)
    with pytest.raises(UserError, match=r"links lead to .* more than 30 times"):
        ImageFolder(name="animals").load(tmp_path)


def test_names_that_are_no_utf8_are_names(tmp_path: Path) -> None:
    """Beside good ones of another class; the split of the tree is made of the names."""
    tree = tmp_path / "animals"
    for kind in (b"caf\xe9", b"\xff\xfe", b"cat"):
        folder = os.path.join(os.fsencode(tree), kind)
        try:
            os.makedirs(folder)
        except OSError:
            pytest.skip("this file system takes only UTF-8")
        for number in range(10):
            with open(os.path.join(folder, b"\xe9%d.png" % number), "wb") as file:
                file.write(DAMAGE["encoded"]("PNG"))
    arrays = ImageFolder(name="animals").load(tmp_path)
    assert arrays.classes == 3
    assert len(arrays.train_y) == 24
