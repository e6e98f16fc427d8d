"""A dataset that does not fit on the device: batches are read ahead of the training.

Pixels, order, augmentation and normalisation equal those of `ResidentData`: on a CPU a training has
the same bits either way, and each finds the other's finished trainings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays
from lth_bench.data.info import DatasetInfo
from lth_bench.data.reading import ImageReader, Images, InMemory, Stream
from lth_bench.data.splits import count_values, split
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.input.task_data import WHOLE, Examples, Share, TaskData
from lth_bench.training.recipe import Recipe

BLOCK = 256
"""Images read at a time when a whole split is read."""


class Source(Protocol):
    """A dataset whose images are read on demand."""

    @property
    def train(self) -> Images: ...
    @property
    def train_y(self) -> Tensor: ...
    @property
    def test(self) -> Images: ...
    @property
    def test_y(self) -> Tensor: ...
    @property
    def info(self) -> DatasetInfo: ...
    def fingerprint(self) -> str: ...
    def counts(self) -> Tensor: ...


class HostArrays:
    """Decoded arrays in host memory, as a source."""

    def __init__(self, arrays: Arrays) -> None:
        self.train, self.train_y = InMemory(arrays.train_x), arrays.train_y
        self.test, self.test_y = InMemory(arrays.test_x), arrays.test_y
        self.info = arrays.info
        self.fingerprint = arrays.fingerprint
        self._x = arrays.train_x

    def counts(self) -> Tensor:
        """Number of occurrences of each pixel value in the training split, int64 [C, 256]."""
        blocks = (self._x[i : i + BLOCK] for i in range(0, len(self._x), BLOCK))
        total = torch.zeros(self._x.shape[1], 256, dtype=torch.int64)
        for block in blocks:
            total += count_values(block)
        return total


class StreamedPixels:
    """Part of a source's images; replaces a tensor uint8 [N, C, H, W] on the device."""

    def __init__(
        self, images: Images, index: Tensor, reader: ImageReader, device: torch.device
    ) -> None:
        """`index`, int64 [N] on the CPU, selects the images."""
        self.images, self.index, self._reader, self._device = images, index, reader, device
        self.shape = (len(index), *images.shape[1:])
        self._sweep: Stream | None = None
        self._width = 0

    def __getitem__(self, index: slice | Tensor, /) -> Tensor:
        """Read these images. Consecutive slices, as in an evaluation, are read ahead."""
        if isinstance(index, Tensor):
            pixels = self._now(self.index[index.cpu()])
        else:
            pixels = self._slice(*index.indices(len(self.index)))
        return pixels.to(self._device, non_blocking=True)

    def take(self, index: Tensor) -> StreamedPixels:
        """The images at positions int64 [n], not read yet."""
        return StreamedPixels(self.images, self.index[index.cpu()], self._reader, self._device)

    def _slice(self, start: int, stop: int, step: int) -> Tensor:
        if not self._is_next(start, stop, step):
            size = stop - start
            if step != 1 or size < 1 or start % size:
                return self._now(self.index[start:stop:step])
            if self._sweep is not None:
                self._sweep.close()
            self._width = size
            depth = self._reader.depth(size)
            self._sweep = Stream(
                reader=self._reader,
                images=self.images,
                order=self._block,
                start=start // size,
                depth=depth,
            )
        assert self._sweep is not None
        return self._sweep.take()

    def _is_next(self, start: int, stop: int, step: int) -> bool:
        """Whether this slice has been read ahead."""
        if self._sweep is None or start != self._sweep.position * self._width:
            return False
        return step == 1 and start < stop == min(start + self._width, len(self.index))

    def _block(self, position: int) -> Tensor | None:
        block = self.index[position * self._width : (position + 1) * self._width]
        return block if len(block) else None

    def _now(self, index: Tensor) -> Tensor:
        return self._reader.begin(self.images, index).wait()


@dataclass(frozen=True)
class StreamedSplit:
    """One split: images read on demand, labels int64 [N] on the device."""

    x: StreamedPixels
    y: Tensor

    def __len__(self) -> int:
        return self.y.numel()

    def take(self, index: Tensor) -> StreamedSplit:
        """The examples at positions int64 [n], as a new split, not read yet."""
        return StreamedSplit(self.x.take(index), self.y[index.to(self.y.device)])


class StreamedData(TaskData):
    """A task's training and validation splits, read from a source during training.

    Not thread-safe.
    """

    train: StreamedSplit

    def __init__(
        self,
        *,
        source: Source,
        val_size: int,
        device: torch.device,
        threads: int = 1,
        keep: int = 0,
    ) -> None:
        """`threads` is the number that read ahead. A validation split of at most `keep` bytes stays
        on the device.
        """
        self._reader = ImageReader(threads, str(device))
        self._source, self.threads, self.device = source, threads, device
        labels = source.train_y
        train, val = split(len(labels), labels, val_size, source.fingerprint())
        self.train = self._streamed(source.train, train, labels[train])
        held_out = self._streamed(source.train, val, labels[val])
        self.val = self._kept(held_out, keep)
        counts = source.counts()
        for i in range(0, val_size, BLOCK):
            # subtract the validation split's counts: it is the smaller split
            counts = counts - count_values(self.val.x[i : i + BLOCK])
        super().__init__(source.info, device, counts=counts)
        self._courses: list[_Course] = []
        self._most = 1

    def test(self, keep: int = 0) -> Examples:
        """The test split; stored on the device if it has at most `keep` bytes."""
        source = self._source
        index = torch.arange(len(source.test_y))
        return self._kept(self._streamed(source.test, index, source.test_y), keep)

    def with_splits(self, train: Examples, val: Examples) -> Self:
        """Other examples of the same source, prepared as these are and read by the same threads."""
        other = super().with_splits(train, val)
        other._courses = []
        return other

    def expect(self, streams: int) -> None:
        """Announce how many trainings with different seeds or steps will alternate."""
        self._most = max(self._most, streams)

    def pixels(self, step: int, seed: int, recipe: Recipe) -> Tensor:
        """This step's images, copied to the device."""
        return self.host_pixels(step, seed, recipe).to(self.device, non_blocking=True)

    def host_pixels(self, step: int, seed: int, recipe: Recipe, share: Share = WHOLE) -> Tensor:
        """This step's images on the CPU, in pinned memory if the device is a GPU; those of `share`,
        and no others are read.

        The following steps are read ahead. A training that continues finds them ready; one that
        starts, or has another seed, waits for its first batch. Repeated requests for the same step
        share one read.
        """
        kind = (seed, recipe.batch_size, share)
        course = next((c for c in self._courses if c.leads_to(step, kind)), None)
        if course is not None:
            self._courses.remove(course)
        else:
            while len(self._courses) >= self._most:
                self._courses.pop(0).stream.close()
            course = _Course(
                data=self, reader=self._reader, seed=seed, recipe=recipe, share=share, start=step
            )
        self._courses.append(course)  # most recently used last
        return course.at(step)

    def close(self) -> None:
        """Stop the threads. They also stop when the data is garbage-collected."""
        for course in self._courses:
            course.stream.close()
        self._reader.close()

    def _streamed(self, images: Images, index: Tensor, labels: Tensor) -> StreamedSplit:
        pixels = StreamedPixels(images, index, self._reader, self.device)
        return StreamedSplit(pixels, labels.to(self.device))

    def _kept(self, part: StreamedSplit, keep: int) -> Examples:
        if math.prod(part.x.shape) > keep:
            return part
        x = torch.empty(part.x.shape, dtype=torch.uint8, device=self.device)
        for i in range(0, len(x), BLOCK):
            x[i : i + BLOCK] = part.x[i : i + BLOCK]
        return ResidentSplit(x, part.y)


class _Course:
    """One training's sequence of batches."""

    def __init__(
        self,
        *,
        data: StreamedData,
        reader: ImageReader,
        seed: int,
        recipe: Recipe,
        share: Share,
        start: int,
    ) -> None:
        self._data, self._seed, self._size, self._share = data, seed, recipe.batch_size, share
        self._per_epoch = recipe.steps_per_epoch(len(data.train))
        self._epoch, self._order = -1, torch.empty(0)
        self._last: Tensor | None = None
        images, depth = data.train.x.images, reader.depth(share.size(self._size))
        self.stream = Stream(
            reader=reader, images=images, order=self._index, start=start, depth=depth
        )

    def leads_to(self, step: int, kind: tuple[int, int, Share]) -> bool:
        """Whether this step's batch is the next in sequence, or the one returned last. `kind`:
        seed, batch size and share.
        """
        if kind != (self._seed, self._size, self._share):
            return False
        next_one = self.stream.position
        return step == next_one or (step == next_one - 1 and self._last is not None)

    def at(self, step: int) -> Tensor:
        """The batch, uint8 [N, C, H, W] on the CPU."""
        if self._last is None or step == self.stream.position:
            self._last = self.stream.take()
        return self._last

    def _index(self, step: int) -> Tensor:
        epoch, position = divmod(step, self._per_epoch)
        if epoch != self._epoch:  # steps never go back
            self._epoch, self._order = epoch, self._data.host_order(self._seed, epoch)
        first = position * self._size + self._share.first(self._size)
        part = self._order[first : first + self._share.size(self._size)]
        return self._data.train.x.index[part]
