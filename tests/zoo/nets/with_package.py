"""Models that come with the package, at small size, where no other family has their kind."""

from __future__ import annotations

from lth_bench.models.conv1d import Conv1D
from lth_bench.models.lstm import LSTM
from lth_bench.models.mlp_mixer import MLPMixer
from lth_bench.models.vit import ViT
from zoo.rows import CLASSES, SMALL, row

DEPTH, WIDTH, PLACES = 2, 4, 1 + 9


# scores and weighted values: no weight takes part in these products
@row("with the package", other_flops=DEPTH * 2 * 2 * PLACES**2 * WIDTH)
def package_vit():
    return ViT(patch=2, width=WIDTH, depth=DEPTH, heads=2, mlp=6).build(SMALL, CLASSES)


@row("with the package", other_flops=2 * 2 * PLACES**2 * WIDTH)
def package_vit_of_one_block():
    return ViT(patch=2, width=WIDTH, depth=1, heads=2, mlp=6).build(SMALL, CLASSES)


@row("with the package")
def package_mlp_mixer():
    config = MLPMixer(patch=2, width=WIDTH, depth=2, tokens_mlp=5, channels_mlp=6)
    return config.build(SMALL, CLASSES)


@row("with the package")
def package_lstm():
    return LSTM(hidden=5, layers=2).build(SMALL, CLASSES)


@row("with the package", relu=True)
def package_conv1d():
    return Conv1D(channels=(4, 5), kernels=(3, 3)).build(SMALL, CLASSES)
