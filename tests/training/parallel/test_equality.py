"""A training over two devices is that of one: to 1e-12 in float64, after 100 steps."""

from __future__ import annotations

import pytest
import torch

METHODS = {
    "dense": "",
    "RigL": 'use = "rigl"\nparams = { update_every = 20 }',
    "gradual": 'use = "gradual"\nparams = { prunings = 7, scope = "global" }',
    "SNIP": 'use = "snip"',
    "IMP": 'use = "imp"\nparams = { prune_rate = 0.5 }\ncontrols = ["reinit", "shuffle"]',
}


def require_equal(one, two):
    """The same values, masks and curves, but for rounding; and the same bits in every mask."""
    assert (one.status, one.reason) == (two.status, two.reason) == ("ok", None)
    assert len(one.trained) == len(two.trained) > 0
    for a, b in zip(one.trained, two.trained, strict=True):
        assert (a.step, a.start, a.best.step) == (b.step, b.start, b.best.step)
        for values, others in ((a.values, b.values), (a.best.values, b.best.values)):
            assert values.keys() == others.keys()
            for key, value in values.items():
                assert (value - others[key]).abs().max() < 1e-12, key
        for name, kept in a.mask.kept.items():
            assert torch.equal(kept, b.mask.kept[name])
            assert not b.values[f"{name}.weight"][~kept].any()
        for p, q in zip(a.curve, b.curve, strict=True):
            assert (p.train_loss, p.val_loss) == pytest.approx((q.train_loss, q.val_loss), rel=1e-12)
        assert a.variant != b.variant == "data_parallel"


@pytest.mark.parametrize("method", METHODS)
def test_methods(method, places):
    one, two = (places.run(n, use=METHODS[method]) for n in (1, 2))
    require_equal(one, two)
