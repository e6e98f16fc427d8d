from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.errors import UserError
from lth_bench.training.input.placement import Memory, choose, make_data, memory_of
from lth_bench.training.input.resident import ResidentData, ResidentSplit
from lth_bench.training.input.streaming import StreamedData, StreamedSplit

GB = 10**9
IMAGENET = DatasetInfo((3, 224, 224), 1000, 1_281_167, 50_000)  # 200.4 GB
SMALL = DatasetInfo((3, 32, 32), 10, 50_000, 10_000)  # 0.18 GB
DOWNSAMPLED = DatasetInfo((3, 64, 64), 1000, 1_281_167, 50_000)  # 16.4 GB
H200 = Memory(device=139 * GB, host=128 * GB, processes=1)
LITTLE_GPU = Memory(device=8 * GB, host=128 * GB, processes=1)
LAPTOP = Memory(device=16 * GB, host=16 * GB, processes=8, devices=0)
SERVER = Memory(device=64 * GB, host=64 * GB, processes=32, devices=0)


class Folder:
    """A dataset that can be read from disk."""

    def load(self, root: Path) -> str:
        return "arrays"

    def open(self, root: Path) -> str:
        return "files"


class Plain:
    """One that cannot."""

    def load(self, root: Path) -> str:
        return "arrays"


@pytest.mark.parametrize(
    ("info", "memory", "where"),
    [
        (SMALL, H200, "device"),
        (SMALL, LITTLE_GPU, "device"),
        (SMALL, LAPTOP, "device"),
        (DOWNSAMPLED, H200, "device"),
        (DOWNSAMPLED, LITTLE_GPU, "memory"),
        (DOWNSAMPLED, LAPTOP, "disk"),
        # one copy for all processes where each cannot have its own
        (DatasetInfo((3, 64, 64), 200, 100_000, 10_000), SERVER, "memory"),
        (IMAGENET, H200, "disk"),
        (IMAGENET, SERVER, "disk"),
    ],
)
def test_by_size(info: DatasetInfo, memory: Memory, where: str) -> None:
    assert choose("x", Folder(), info, memory, {}).where == where


def test_several_processes_share_a_device() -> None:
    info = DatasetInfo((3, 64, 64), 10, 200_000, 10_000)  # 2.6 GB
    for processes, where in ((1, "device"), (2, "memory")):
        memory = Memory(8 * GB, 128 * GB, processes, devices=1)
        assert choose("x", Folder(), info, memory, {}).where == where
    assert choose("x", Folder(), info, Memory(8 * GB, 128 * GB, 2, devices=2), {}).where == "device"


def test_it_says_so_where_it_streams() -> None:
    assert choose("x", Folder(), SMALL, H200, {}).note is None
    assert choose("imagenet", Folder(), IMAGENET, H200, {}).note == (
        "imagenet streams from disk: 200.4 GB decoded, the device has 139.0 GB, the host 128.0 GB"
    )
    assert choose("imagenet", Folder(), IMAGENET, SERVER, {}).note == (
        "imagenet streams from disk: 200.4 GB decoded, this machine has 64.0 GB for 32 processes"
    )
    forced = choose("x", Plain(), SMALL, H200, {"LTH_BENCH_STREAM": "always"})
    assert forced.note == (
        "x streams from the host's memory: 0.2 GB decoded, because LTH_BENCH_STREAM=always"
    )


def test_the_variable_overrules_sizes() -> None:
    always, never = ({"LTH_BENCH_STREAM": x} for x in ("always", "never"))
    assert choose("x", Folder(), SMALL, H200, always).where == "disk"
    assert choose("x", Plain(), SMALL, H200, always).where == "memory"
    assert choose("x", Folder(), IMAGENET, LAPTOP, never).where == "device"
    assert choose("x", Folder(), SMALL, H200, {"LTH_BENCH_STREAM": ""}).where == "device"
    with pytest.raises(UserError, match="one of auto, always, never, but got 'yes'"):
        choose("x", Folder(), SMALL, H200, {"LTH_BENCH_STREAM": "yes"})


def test_what_fits_nowhere_and_cannot_be_read_from_disk() -> None:
    with pytest.raises(UserError, match=r"'x' takes 200.4 GB decoded, but this machine has 64.0"):
        choose("x", Plain(), IMAGENET, SERVER, {})


def test_what_is_opened() -> None:
    root = Path()
    assert choose("x", Folder(), IMAGENET, H200, {}).opener(Folder())(root) == "files"
    assert choose("x", Folder(), SMALL, H200, {}).opener(Folder())(root) == "arrays"
    assert choose("x", Folder(), DOWNSAMPLED, LITTLE_GPU, {}).opener(Folder())(root) == "arrays"


def test_this_machine() -> None:
    assert memory_of(["cpu,cpu", "cpu,cpu"]).processes == 4  # a process for each of its devices
    memory = memory_of(["cpu"] * 3)
    assert memory.device == memory.host > GB // 4
    assert memory.sharers == 3


def test_what_is_made(blobs: Arrays) -> None:
    cpu = torch.device("cpu")
    here = choose("x", Plain(), blobs.info, H200, {})
    data, test = make_data(blobs, here, 60, cpu)
    assert isinstance(data, ResidentData)
    assert isinstance(test, ResidentSplit)
    assert torch.equal(test.x, blobs.test_x)
    always = {"LTH_BENCH_STREAM": "always"}
    data, test = make_data(blobs, choose("x", Plain(), blobs.info, H200, always), 60, cpu)
    assert isinstance(data, StreamedData)
    assert isinstance(data.val, ResidentSplit)  # it fits
    assert isinstance(test, ResidentSplit)
    tiny = choose("x", Plain(), blobs.info, Memory(16 * 90 * 36 - 16, 1, 1), always)
    data, test = make_data(blobs, tiny, 60, cpu)
    assert isinstance(data.val, ResidentSplit)
    assert isinstance(test, StreamedSplit)  # a little too large
    assert torch.equal(test.x[0:90], blobs.test_x)


FEATURES = DatasetInfo((1000,), 2, 10**6, 10**5, inputs="features")  # 8.8 GB


@pytest.mark.parametrize("wish", ["", "auto", "always", "never"])
def test_only_images_are_streamed(wish: str) -> None:
    found = choose("x", Plain(), FEATURES, H200, {"LTH_BENCH_STREAM": wish})
    assert (found.where, found.note) == ("device", None)


def test_features_that_fit_nowhere_are_refused_unless_they_are_insisted_on() -> None:
    with pytest.raises(UserError, match=r"takes 8.8 GB in memory, .* only images can be streamed"):
        choose("x", Plain(), FEATURES, LAPTOP, {})
    assert choose("x", Plain(), FEATURES, LAPTOP, {"LTH_BENCH_STREAM": "never"}).where == "device"
