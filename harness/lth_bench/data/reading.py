"""Reads images that are not in memory ahead of time, in threads.

Threads rather than processes: neither Pillow's decoders nor torch's resizing holds the GIL (two
threads decode 1.9 times as fast as one), nothing is copied between processes or imported again,
and nothing is left behind when a run is killed.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Tensor

from lth_bench.system.devices import use

CHUNK = 16
"""Images per task of a thread: few enough that a batch is spread over all threads."""


class Images(Protocol):
    """The pixels of a split, wherever they are stored. `read` may be called by several threads at
    once.
    """

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """[N, C, H, W]."""
        ...

    def read(self, index: Tensor, out: Tensor) -> None:
        """Read the images at `index`, int64 [n], into `out`, uint8 [n, C, H, W]."""
        ...


class InMemory:
    """Images of a tensor uint8 [N, C, H, W] on the CPU."""

    def __init__(self, x: Tensor) -> None:
        self._x = x
        n, channels, height, width = x.shape
        self.shape = (n, channels, height, width)

    def read(self, index: Tensor, out: Tensor) -> None:
        """Gather them."""
        torch.index_select(self._x, 0, index, out=out)


class PendingImages:
    """Images being read."""

    def __init__(self, pixels: Tensor, tasks: list[Future[None]]) -> None:
        self._pixels, self._tasks = pixels, tasks

    def wait(self) -> Tensor:
        """uint8 [n, C, H, W]. Raises any error from reading them."""
        for task in self._tasks:
            task.result()
        return self._pixels

    def cancel(self) -> None:
        """Cancel what has not started."""
        for task in self._tasks:
            task.cancel()


class ImageReader:
    """Threads that read images into batches; they stop with the reader."""

    def __init__(self, threads: int, device: str = "cpu") -> None:
        """`device` is where the batches go, and each thread's current device."""
        self.threads, self._pinned = threads, device != "cpu"
        self._pool = ThreadPoolExecutor(
            threads, thread_name_prefix="lth-bench-reader", initializer=use, initargs=(device,)
        )
        self.close = weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    def begin(self, images: Images, index: Tensor) -> PendingImages:
        """Start reading the images at `index`, int64 [n] on the CPU."""
        # pinned, so that copying to a GPU overlaps with reading the next batch
        pixels = torch.empty(
            (len(index), *images.shape[1:]), dtype=torch.uint8, pin_memory=self._pinned
        )
        tasks = []
        for i in range(0, len(index), CHUNK):
            part = slice(i, i + CHUNK)
            tasks.append(self._pool.submit(images.read, index[part], pixels[part]))
        return PendingImages(pixels, tasks)

    def depth(self, size: int) -> int:
        """Number of batches of `size` to read ahead so that no thread is idle."""
        return 1 + -(-2 * self.threads * CHUNK // size)


class Stream:
    """Batches in a known order, always reading ahead."""

    def __init__(
        self,
        *,
        reader: ImageReader,
        images: Images,
        order: Callable[[int], Tensor | None],
        start: int,
        depth: int,
    ) -> None:
        """`order` maps a position, from `start` on, to image indices, or None after the end."""
        self._reader, self._images, self._order, self._depth = reader, images, order, depth
        self.position = start
        """The position that `take` returns next."""
        self._ahead: deque[PendingImages] = deque()
        self._next = start
        self._fill()

    def take(self) -> Tensor:
        """The batch at `position`, uint8 [n, C, H, W] on the CPU; advances `position`.

        If reading it fails, the error is raised and the next call reads it again. IndexError after
        the end.
        """
        self._fill()
        if not self._ahead:
            raise IndexError(f"no batch at position {self.position}")
        try:
            pixels = self._ahead[0].wait()
        except BaseException:
            self.close()
            self._next = self.position
            raise
        self._ahead.popleft()
        self.position += 1
        self._fill()
        return pixels

    def close(self) -> None:
        """Cancel what has not been read yet."""
        while self._ahead:
            self._ahead.pop().cancel()

    def _fill(self) -> None:
        while len(self._ahead) < self._depth:
            index = self._order(self._next)
            if index is None:
                return
            self._ahead.append(self._reader.begin(self._images, index))
            self._next += 1
