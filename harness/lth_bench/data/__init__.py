"""Datasets: where they come from, how they are split, how they lie on the device.

A dataset is a frozen dataclass with two methods:

    info(root: Path) -> DatasetInfo     cheap, and without the files where sizes are known
    load(root: Path) -> Arrays          everything in memory, as uint8

and, where its images can be read one by one, a third:

    open(root: Path) -> ImageFiles      the same images, decoded when they are wanted

None normalises or holds anything out; the engine does both.
"""
