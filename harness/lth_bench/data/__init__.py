"""Datasets: where they come from, how they are read, and how they are split.

A dataset is a frozen dataclass with two methods:

    info(root: Path) -> DatasetInfo     cheap, and without the files where sizes are known
    load(root: Path) -> Arrays          everything in memory, as uint8

and, if its images can be read one by one, a third:

    open(root: Path) -> ImageFiles      the same images, decoded on demand

None normalises images or holds out a validation split; the engine does both.
"""
