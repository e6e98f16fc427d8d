"""A training over two devices is that of one: to 1e-12 in float64, after 100 steps."""

from __future__ import annotations

import pytest

CONV_BN = ('tasks.0.model="conv_bn"', "recipes.short.steps=12", "recipes.short.eval_every=5")
RIGL = 'use = "rigl"\nparams = { update_every = 20 }'
METHODS = {
    "RigL": (RIGL,),
    "gradual": ('use = "gradual"\nparams = { prunings = 7, scope = "global" }',),
    "SNIP": ('use = "snip"',),
    "GraSP": ('use = "grasp"', 'recipes.short.optimizer="adam"', "recipes.short.momentum=0"),
    "IMP": ('use = "imp"\nparams = { prune_rate = 0.5 }\ncontrols = ["reinit", "shuffle"]',),
    "IMP, half of the data": (
        'use = "imp"\nparams = { prune_rate = 0.5 }\nablations = ["half_data"]',
    ),
    "batch norm": ('use = "one_shot"', *CONV_BN),
    "penalty": ('use = "slimming"', *CONV_BN, "suite.densities=[0.5]"),
}


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=[] if m == "RigL" else pytest.mark.slow) for m in METHODS]
)
def test_methods(method, places):
    use, *overrides = METHODS[method]
    one, two = (places.run(n, *overrides, use=use) for n in (1, 2))
    one.require_equal(two)
