from __future__ import annotations

from typing import Any

import pytest
import torch

from lth_bench.data.arrays import Arrays, DatasetInfo


def make(**changes: Any) -> Arrays:
    parts = {
        "train_x": torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2),
        "train_y": torch.tensor([0, 1, 2, 0, 1, 2]),
        "test_x": torch.zeros(2, 1, 2, 2, dtype=torch.uint8),
        "test_y": torch.tensor([2, 0]),
        "classes": 3,
    }
    return Arrays(**{**parts, **changes})


def test_info() -> None:
    assert make().info == DatasetInfo((1, 2, 2), 3, 6, 2)


def test_fingerprint_is_of_the_content() -> None:
    base = make()
    assert base.fingerprint() == base.fingerprint() == make().fingerprint()
    # other strides, same content
    channels_last = base.train_x.contiguous(memory_format=torch.channels_last)
    assert make(train_x=channels_last).fingerprint() == base.fingerprint()
    others = [
        make(train_x=base.train_x + 1),
        make(train_y=torch.tensor([0, 1, 2, 0, 2, 1])),
        make(test_x=base.test_x + 1),
        make(test_y=torch.tensor([2, 1])),
        make(classes=4),
        make(seen=1),
        make(train_x=base.train_x.reshape(6, 1, 1, 4), test_x=base.test_x.reshape(2, 1, 1, 4)),
    ]
    assert len({base.fingerprint(), *(other.fingerprint() for other in others)}) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seen": 3}, "seen must be at most .* but got 3 of images"),
        ({"train_x": torch.zeros(6, 1, 2, 2)}, "train_x must be uint8 .* but got torch.float32"),
        ({"test_x": torch.zeros(2, 4, dtype=torch.uint8)}, r"test_x must be uint8 .*\[2, 4\]"),
        ({"train_y": torch.zeros(5, dtype=torch.int64)}, r"int64 \[6\], but got .*\[5\]"),
        ({"test_y": torch.tensor([0, 1], dtype=torch.int32)}, "int64"),
        ({"train_y": torch.tensor([0, 1, 2, 0, 1, 3])}, r"\[0, 2\], but ranges from 0 to 3"),
        ({"test_y": torch.tensor([-1, 0])}, "from -1 to 0"),
        (
            {
                "test_x": torch.zeros(0, 1, 2, 2, dtype=torch.uint8),
                "test_y": torch.zeros(0, dtype=torch.int64),
            },
            "test_x has no images",
        ),
        ({"test_x": torch.zeros(2, 3, 2, 2, dtype=torch.uint8)}, "the same shape"),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changes)
