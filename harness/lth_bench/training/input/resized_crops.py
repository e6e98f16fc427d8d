"""Crops of random size and shape, scaled to the size that networks see (Szegedy et al., 2015,
"Going deeper with convolutions", section 6), as torchvision's RandomResizedCrop makes them.

Boxes have torchvision's distribution, and pixels are those of its `v2.functional.resized_crop` of
uint8 tensors (bilinear, antialiased), to the bit. On a CPU the same kernel is called for each
image: 5,700 images a second from 256 to 224 pixels on one core, where operations on the whole batch
make 150 and `grid_sample`, which does not antialias, 1,100. A GPU has no kernel for uint8, and one
launch an image would be slow: there the batch is scaled at once, in the same fixed-point numbers,
so that pixels are the same. (Computed in floating point and rounded, a fifth would differ by 1.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.training.recipe import ResizedCrop

ATTEMPTS = 10
"""Boxes that are tried for an image before its centre is taken, as in torchvision."""


class ResizedCrops:
    """A box of every image, scaled to one size; and mirroring."""

    numbers = 5

    def __init__(self, crop: ResizedCrop, *, stored: Sequence[int], shape: Sequence[int]) -> None:
        """`stored`: [C, H, W] that boxes are cut from; `shape`: [C, H, W] that networks see."""
        self._crop, self._stored, self._size = crop, (stored[1], stored[2]), (shape[1], shape[2])

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """First row, first column, height and width of the box, in pixels."""
        return draw_boxes(n, self._crop, self._stored, rng)

    def __call__(self, x: Tensor, drawn: Tensor) -> Tensor:
        scale = scale_each if x.device.type == "cpu" else scale_at_once
        return scale(x, drawn, self._size)


def draw_boxes(n: int, crop: ResizedCrop, stored: tuple[int, int], rng: torch.Generator) -> Tensor:
    """First row, first column, height and width of `n` boxes in images of `stored` (height, width)
    pixels: int64 [4, n].

    The share of the area is uniform, the ratio of width to height uniform in its logarithm. A box
    that does not fit is drawn again, ten times at most; then it is the largest one in the middle
    whose ratio is allowed. Every image takes ten draws, so that none depends on the others'.
    """
    height, width = stored
    (least, most), ratios = crop.scale, tuple(map(math.log, crop.ratio))
    found = torch.tensor(_largest(crop, stored))[:, None].repeat(1, n)
    open_ = torch.ones(n, dtype=torch.bool)
    for _ in range(ATTEMPTS):
        # in float64, so that rounding to pixels hardly depends on the machine
        share, ratio = torch.rand(2, n, generator=rng, dtype=torch.float64)
        area = height * width * (least + (most - least) * share)
        ratio = torch.exp(ratios[0] + (ratios[1] - ratios[0]) * ratio)
        box = torch.stack(((area / ratio).sqrt(), (area * ratio).sqrt())).round().long()
        fits = open_ & (box > 0).all(0) & (box[0] <= height) & (box[1] <= width)
        found, open_ = torch.where(fits, box, found), open_ & ~fits
    spare = torch.tensor([[height], [width]]) - found
    place = torch.rand(2, n, generator=rng, dtype=torch.float64)
    first = torch.where(open_, spare // 2, (place * (spare + 1)).long())
    return torch.cat((first, found))


def _largest(crop: ResizedCrop, stored: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest box of an allowed ratio."""
    height, width = stored
    if width / height < crop.ratio[0]:
        return max(1, round(width / crop.ratio[0])), width
    if width / height > crop.ratio[1]:
        return height, max(1, round(height * crop.ratio[1]))
    return height, width


def scale_each(x: Tensor, drawn: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes of images uint8 [N, C, H, W] on the CPU, scaled to `size` (height, width), one by one.

    `drawn` is int64 [5, N]: the boxes, and whether mirrored.
    """
    out = x.new_empty((*x.shape[:2], *size))
    for i, (top, left, height, width, flipped) in enumerate(drawn.T.tolist()):
        box = x[i : i + 1, :, top : top + height, left : left + width]
        scaled = F.interpolate(box, size, mode="bilinear", align_corners=False, antialias=True)
        out[i] = scaled[0].flip(2) if flipped else scaled[0]
    return out


def scale_at_once(x: Tensor, drawn: Tensor, size: tuple[int, int]) -> Tensor:
    """The same of a whole batch on any device, with the same bits, without a word to the host."""
    top, left, height, width, flipped = drawn
    n, channels, stored_height, stored_width = x.shape
    across, down = (
        _taps(left, width, size[1], stored_width),
        _taps(top, height, size[0], stored_height),
    )
    mirrored = flipped[:, None, None] != 0
    columns, shares = (torch.where(mirrored, t.flip(1), t) for t in across[:2])
    taps = columns[:, None, None], shares[:, None, None], across[2]
    x = _weighted(x, 3, taps, (n, channels, stored_height, size[1]))
    taps = down[0][:, None, :, None], down[1][:, None, :, None], down[2]
    return _weighted(x, 2, taps, (n, channels, *size))


def _taps(first: Tensor, length: Tensor, out: int, stored: int) -> tuple[Tensor, Tensor, Tensor]:
    """What each of `out` pixels along one side is made of: pixels of a side of `stored`, int64
    [N, out, K], their weights, int32 [N, out, K] in units of 2^−bits, and bits, int32 [N].

    The weights of torch's kernel for uint8 images (aten/native/cpu/UpSampleKernel.cpp): a triangle
    as wide as two pixels of the coarser of both sides, cut at the box, in float64; then as many
    bits as the largest leaves in 16.
    """
    device = length.device
    scale = length.double()[:, None] / out  # [N, 1]
    reach = scale.clamp(min=1)
    middle = scale * (torch.arange(out, device=device) + 0.5)  # [N, out], in pixels of the box
    begin = (middle - reach + 0.5).long().clamp(min=0)
    end = torch.minimum((middle + reach + 0.5).long(), length[:, None])
    most = math.ceil(2 * max(1.0, stored / out))
    pixel = begin[..., None] + torch.arange(most, device=device)  # [N, out, K]
    away = (pixel - middle[..., None] + 0.5) * (1 / reach[..., None])
    weight = (1 - away.abs()).clamp(min=0) * (pixel < end[..., None])
    weight = weight / weight.sum(-1, keepdim=True)
    powers = 2.0 ** torch.arange(1, 23, device=device, dtype=torch.float64)
    fine = (weight.amax((1, 2))[:, None] * powers + 0.5).long() < 1 << 15  # [N, 22]
    bits = fine.long().cumprod(1).sum(1).int()
    units = (weight * (2.0 ** bits.double())[:, None, None] + 0.5).int()
    inside = torch.minimum(pixel, length[:, None, None] - 1)
    return first[:, None, None] + inside, units, bits


def _weighted(
    x: Tensor, side: int, taps: tuple[Tensor, Tensor, Tensor], shape: tuple[int, ...]
) -> Tensor:
    """Sums of pixels along dimension `side` of uint8 [N, C, H, W], rounded to uint8 of `shape`.

    `taps` are those of `_taps`, the first two with dimensions of size 1 for what they hold for.
    """
    pixels, weights, bits = taps[0], taps[1], taps[2][:, None, None, None]
    total = (1 << (bits - 1)).expand(shape).contiguous()
    for k in range(pixels.shape[-1]):
        part = x.gather(side, pixels[..., k].expand(shape)).int()
        total += part.mul_(weights[..., k])
    return (total >> bits).clamp_(0, 255).to(torch.uint8)
