"""A training over two devices is that of one: to 1e-12 in float64, after 100 steps; and one that
resumes is the uninterrupted one, bit for bit.
"""

from __future__ import annotations

import pytest
import torch

from lth_bench.errors import Unwinding
from lth_bench.training.checkpoints.policy import CheckpointPolicy
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.request import Change, FitRequest

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
    "dropout": (
        'use = "imp"\nparams = { prune_rate = 0.5 }',
        'tasks.0.model={ name = "mlp", hidden = [16], dropout = 0.4 }',
    ),
    "penalty": ('use = "slimming"', *CONV_BN, "suite.densities=[0.5]"),
}


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=[] if m == "RigL" else pytest.mark.slow) for m in METHODS]
)
def test_methods(method, places):
    use, *overrides = METHODS[method]
    one, two = (places.run(n, *overrides, use=use) for n in (1, 2))
    one.require_equal(two)


class Killed(Unwinding):
    """As SIGKILL, but for the test's own process."""


def rewire(view):
    """As RigL does, at step 30: other weights, without their momentum; and what it remembers."""
    view.memo["seen"] = view.memo.get("seen", 0) + 1
    if view.step != 30:
        return None
    mask = view.mask.copy()
    for kept in mask.kept.values():
        kept.flatten()[: kept.numel() // 2] = False
    return Change(mask, reset_momentum=dict(mask.kept))


@pytest.mark.slow
def test_a_training_resumes_with_the_bits_of_an_uninterrupted_one(places, monkeypatch):
    """Before and after a callback's change; the followers are other processes by then."""
    places.leader(places.workers[2]).close()  # a process is in one group at a time
    worker, steps = places.worker(2), []
    worker._saving = CheckpointPolicy(0.0)  # after every step
    places.run_on(worker, 2, "recipes.short.steps=1", "recipes.short.eval_every=7")
    bench, advance = worker._bench[1], Cohort._advance

    def fit(name):
        steps.clear()
        request = FitRequest(
            values=bench.initial(4).values, mask=bench.dense_mask(), start=0, end=60, seed=4,
            recipe=bench.recipe, on_step=rewire, every=10,
        )  # fmt: skip
        return bench.fit(request, {"strategy": name})

    def counted(cohort, live):
        if len(steps) == fatal:
            raise Killed
        steps.append(cohort.done)
        advance(cohort, live)

    monkeypatch.setattr(Cohort, "_advance", counted)
    fatal = None
    whole = fit("uninterrupted")
    assert whole.memo == {"seen": 6}
    for stopped in (20, 45):
        fatal = stopped
        with pytest.raises(Killed):
            fit(stopped)
        fatal = None
        bench.forget()
        places.leader(worker).close()
        resumed = fit(stopped)
        assert steps[0] == stopped
        assert (resumed.curve, resumed.mask, resumed.memo) == (whole.curve, whole.mask, whole.memo)
        for ours, theirs in (
            (resumed.values, whole.values),
            (resumed.best.values, whole.best.values),
        ):
            assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    places.leader(worker).close()
