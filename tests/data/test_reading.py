from __future__ import annotations

import gc
import threading
import time

import pytest
import torch

from lth_bench.data.reading import CHUNK, ImageReader, InMemory, Stream


class Numbered:
    """Images whose one pixel is their number; `broken` raises once, `slow` takes its time."""

    def __init__(self, n: int = 200, broken: int = -1, slow: int = -1) -> None:
        self.shape = (n, 1, 1, 1)
        self.broken, self.slow = broken, slow
        self.seen: list[int] = []

    def read(self, index: torch.Tensor, out: torch.Tensor) -> None:
        if self.slow in index.tolist():
            time.sleep(0.05)
        if self.broken in index.tolist():
            self.broken = -1
            raise ValueError("image is broken")
        self.seen += index.tolist()
        out.copy_(index.to(torch.uint8).view(-1, 1, 1, 1))


def by_tens(position: int) -> torch.Tensor | None:
    return torch.arange(10 * position, 10 * position + 10) if position < 20 else None


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_come_in_order_whatever_takes_long(threads: int) -> None:
    stream = Stream(
        reader=ImageReader(threads), images=Numbered(slow=35), order=by_tens, start=2, depth=4
    )
    for position in range(2, 20):
        assert stream.position == position
        assert stream.take().flatten().tolist() == list(range(10 * position, 10 * position + 10))
    with pytest.raises(IndexError, match="position 20"):
        stream.take()


def test_only_so_much_is_read_ahead() -> None:
    images, reader = Numbered(), ImageReader(2)
    stream = Stream(reader=reader, images=images, order=by_tens, start=0, depth=3)
    stream.take()
    reader.begin(images, torch.tensor([199])).wait()  # comes after all that was begun
    assert sorted(set(images.seen) - {199}) == list(range(40))


def test_a_large_batch_is_spread_over_the_threads() -> None:
    together = threading.Barrier(2, timeout=240)

    class Meeting(Numbered):
        def read(self, index: torch.Tensor, out: torch.Tensor) -> None:
            together.wait()
            super().read(index, out)

    pixels = ImageReader(2).begin(Meeting(), torch.arange(2 * CHUNK)).wait()
    assert pixels.flatten().tolist() == list(range(2 * CHUNK))


def test_what_reading_raised_comes_at_its_place_and_nothing_is_lost() -> None:
    stream = Stream(
        reader=ImageReader(2), images=Numbered(broken=25), order=by_tens, start=0, depth=4
    )
    for first in (0, 10):
        assert int(stream.take()[0]) == first
    with pytest.raises(ValueError, match="image is broken"):
        stream.take()
    assert stream.position == 2
    # mended by now
    for first in (20, 30):
        assert int(stream.take()[0]) == first


def test_closed_it_reads_no_more() -> None:
    images, reader = Numbered(slow=0), ImageReader(1)
    stream = Stream(reader=reader, images=images, order=by_tens, start=0, depth=10)
    stream.close()
    reader.begin(images, torch.tensor([199])).wait()
    assert set(images.seen) <= {*range(10), 199}


def test_threads_end_with_the_reader() -> None:
    def readers() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name.startswith("lth-bench-reader")}

    before = readers()  # of earlier tests, which may end meanwhile
    reader = ImageReader(2)
    reader.begin(Numbered(), torch.arange(100)).wait()
    ours = readers() - before
    assert ours
    del reader
    gc.collect()
    for thread in ours:
        thread.join(100)
    assert not any(thread.is_alive() for thread in ours)


def test_a_tensor_as_images() -> None:
    x = torch.arange(60, dtype=torch.uint8).view(10, 1, 2, 3)
    images = InMemory(x)
    assert images.shape == (10, 1, 2, 3)
    index = torch.tensor([7, 0, 7])
    assert torch.equal(ImageReader(1).begin(images, index).wait(), x[index])
