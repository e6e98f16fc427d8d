"""A folder in ImageNet's layout trains without ever being in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SUITE = """
schema_version = 1

[suite]
name = "photographs"
version = 1
densities = [0.5]
seeds = 1

[[tasks]]
model = "resnet20"
dataset = { name = "image_folder:photographs", size = 16, resize = 18 }
recipe = "short"

[recipes.short]
lr = 0.05
momentum = 0.9
batch_size = 12
steps = 10
val_size = 12
eval_every = 5
crop = 2
flip = true

[[strategies]]
use = "one_shot"
"""


def photographs(folder: Path) -> None:
    """Three classes, told by their colour, of 20 training and 4 test images of all sizes."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 20), ("val", 4)):
        for channel, wnid in enumerate(("n01440764", "n02102040", "n03000684")):
            (folder / part / wnid).mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 120, (*rng.integers(20, 60, 2), 3), dtype=np.uint8)
                pixels[..., channel] += 100
                Image.fromarray(pixels).save(folder / part / wnid / f"{wnid}_{i}.JPEG")


def test_streamed_data_trains_with_a_note(here) -> None:
    photographs(here.folder / "data" / "photographs")
    here.env |= {"LTH_BENCH_DATA": str(here.folder / "data"), "LTH_BENCH_STREAM": "always"}
    here.env["LTH_BENCH_CACHE"] = str(here.folder / "cache")
    done = here("run", here.write("suite.toml", SUITE))
    assert "photographs: 2 ok" in done.stderr
    assert "streams from disk: 0.1 MB decoded, because LTH_BENCH_STREAM=always" in done.stderr
    # no decoded copy: only what one reading of all images tells
    kept = {path.suffix for path in (here.folder / "cache" / "arrays").iterdir()}
    assert kept <= {".json", ".lock"}
    assert ".json" in kept
