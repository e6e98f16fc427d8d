from __future__ import annotations

from typing import Any

import pytest
import torch

from lth_bench.training.input.batches import make_batch_source
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.input.streamed_batches import StreamedBatchSource
from lth_bench.training.input.streaming import HostArrays, StreamedData
from lth_bench.training.recipe import Recipe, ResizedCrop


@pytest.mark.parametrize("example_major", [False, True])
@pytest.mark.parametrize(
    "changes", [{}, {"crop": 2, "flip": True}, {"resized_crop": ResizedCrop()}]
)
def test_a_cohort_sees_the_same_bits(
    blobs: Any, example_major: bool, changes: dict[str, Any]
) -> None:
    cpu = torch.device("cpu")
    recipe = Recipe(steps=9, batch_size=16, val_size=60, **changes)
    resident = ResidentData(blobs, 60, cpu)
    streamed = StreamedData(source=HostArrays(blobs), val_size=60, device=cpu, threads=2)
    one = make_batch_source(resident, recipe, 4, example_major)
    other = make_batch_source(streamed, recipe, 4, example_major)
    assert isinstance(other, StreamedBatchSource)
    # two slots share a seed; one begins late, in another epoch; then the slots are used again
    for seeds, starts in (([3, 3, 5, 6], [0, 0, 0, 25]), ([6, 2, 3, 3], [0, 1, 2, 3])):
        one.begin(seeds, starts)
        other.begin(seeds, starts)
        for done in range(15):
            one.load(done)
            other.load(done)
            (x, y), (streamed_x, streamed_y) = one.batch(), other.batch()
            assert torch.equal(x, streamed_x)
            assert torch.equal(y, streamed_y)


def test_everything_stays_where_it_is(blobs: Any) -> None:
    """What was captured reads from these places."""
    recipe = Recipe(steps=9, batch_size=16, val_size=60, crop=1)
    streamed = StreamedData(source=HostArrays(blobs), val_size=60, device=torch.device("cpu"))
    batch_source = StreamedBatchSource(streamed, recipe, 2, False)
    batch_source.begin([1, 2], [0, 0])
    places = set()
    for done in range(14):
        batch_source.load(done)
        places.add(
            (
                batch_source._x.data_ptr(),
                batch_source._y.data_ptr(),
                batch_source._drawn.data_ptr(),
            )
        )
    assert len(places) == 1
