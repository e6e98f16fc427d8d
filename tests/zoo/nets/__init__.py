"""The networks by family. Importing this package fills `rows.ROWS`."""

from zoo.nets import (
    attention,
    convolutions,
    frozen,
    normed,
    odd,
    refused,
    shared,
    vision,
    wired,
    with_package,
)

__all__ = [
    "attention",
    "convolutions",
    "frozen",
    "normed",
    "odd",
    "refused",
    "shared",
    "vision",
    "wired",
    "with_package",
]
