"""Images without their background, against the dense ones."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases

from lth_bench.training.input.sparse_images import SparseImages


def dense(lines, columns):
    """The matrix, value by value."""
    found = torch.zeros(len(lines.starts) - 1, columns, dtype=lines.values.dtype)
    for i in range(len(found)):
        for k in range(int(lines.starts[i]), int(lines.starts[i + 1])):
            assert found[i, int(lines.places[k])] == 0  # no place twice
            found[i, int(lines.places[k])] = lines.values[k]
    return found


@settings(max_examples=cases(60))
@given(
    images=st.integers(1, 11),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    background=st.sampled_from([0, 7, 255]),
    share=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    size=st.integers(1, 6),
    seed=st.integers(0, 9),
)
def test_a_batch_and_its_background_are_the_images(images, shape, background, share, size, seed):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (images, 1, *shape), generator=rng, dtype=torch.uint8)
    x[torch.rand(x.shape, generator=rng) < share] = background
    shades = torch.randn(256, generator=rng, dtype=torch.float64)
    sparse = SparseImages(x, background, shades)
    chosen = torch.randint(0, images, (int(torch.randint(1, 14, (), generator=rng)),))
    pixels = x[0].numel()
    seen = 0
    for batch in sparse.batches(chosen, size):
        by_image, by_pixel = dense(batch.by_image, pixels), dense(batch.by_pixel, size + 1)
        n = len(by_image) - 1
        expected = shades[x[chosen[seen : seen + n]].flatten(1).long()]
        assert torch.allclose(by_image[:n] + shades[background], expected, atol=1e-12)
        assert bool((by_image[n] == 1).all())
        assert torch.equal(by_pixel[:, : n + 1], by_image.t())
        seen += n
    assert seen == len(chosen)
    whole = [dense(lines, pixels)[:-1] for lines in sparse.in_order(size)]
    assert torch.allclose(
        torch.cat(whole) + shades[background], shades[x.flatten(1).long()], atol=1e-12
    )


@settings(max_examples=cases(40))
@given(
    lines=st.integers(1, 9),
    n=st.integers(1, 9),
    k=st.integers(1, 40),
    double=st.booleans(),
    seed=st.integers(0, 9),
)
def test_lines_multiply_as_their_matrix_does(lines, n, k, double, seed):
    rng = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    x = torch.randint(0, 256, (lines, 1, 1, n), generator=rng, dtype=torch.uint8)
    x[torch.rand(x.shape, generator=rng) < 0.7] = 0
    shades = torch.randn(256, generator=rng, dtype=dtype)
    (batch,) = SparseImages(x, 0, shades).batches(torch.arange(lines), lines)
    for matrix, columns in ((batch.by_image, n), (batch.by_pixel, lines + 1)):
        table = torch.randn(columns, k, generator=rng, dtype=dtype)
        far = (matrix.times(table) - dense(matrix, columns) @ table).abs().max()
        assert float(far) <= (1e-12 if double else 1e-4)
