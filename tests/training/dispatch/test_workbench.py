"""Content addresses: the same training is never done twice, another one never taken for it."""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from lth_bench.data.arrays import Arrays
from lth_bench.errors import Diverged, TrainingNotKept
from lth_bench.masks import Mask
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Change

NET = MLP(hidden=(7,))
RECIPE = Recipe(lr=0.2, steps=30, batch_size=20, val_size=60, eval_every=10)
CALLBACKS = {"strategy": "test"}


@pytest.fixture
def trained_steps(monkeypatch):
    """The starts and ends of the trainings that really run."""
    runs = []
    run = Cohort.run

    def counted(self):
        runs.extend((m.start, m.end) for m in self.members)
        run(self)

    monkeypatch.setattr(Cohort, "run", counted)
    return runs


def equal(a, b):
    """Everything about two trainings but where they come from."""

    def same(x, y):
        return x.keys() == y.keys() and all(torch.equal(v, y[k]) for k, v in x.items())

    return (
        same(a.values, b.values)
        and same(a.best.values, b.best.values)
        and a.mask == b.mask
        and (a.step, a.best.step, a.curve, a.cost, a.stopped, a.key)
        == (b.step, b.best.step, b.curve, b.cost, b.stopped, b.key)
    )


@pytest.mark.parametrize("model", [NET, ConvBN()])
def test_the_same_request_is_trained_once(model, make_bench, half_mask, request_of, trained_steps):
    bench = make_bench(model, RECIPE)
    request = request_of(bench, mask=half_mask(bench))
    first = bench.fit(request)
    second = bench.fit(request)
    # another process, another suite: a fresh workbench over the same folder
    third = make_bench(model, RECIPE).fit(request)
    assert [t.reused for t in (first, second, third)] == [False, True, True]
    assert len(trained_steps) == 1
    assert equal(first, second)
    assert equal(first, third)


def test_what_changes_the_result_changes_the_key(make_bench, half_mask, request_of, blobs):
    bench = make_bench(NET, RECIPE)
    base = request_of(bench)
    values = {k: v.clone() for k, v in base.values.items()}
    values["fc2.bias"][1] += 1e-6
    held = {"fc1.bias": torch.tensor([False] + [True] * 6)}
    other_x = blobs.train_x.clone()
    other_x[0, 0, 0, 0] ^= 1
    altered = Arrays(other_x, blobs.train_y, blobs.test_x, blobs.test_y, classes=blobs.classes)
    half = half_mask(bench)
    keys = {
        "base": bench.key(base, None),
        "seed": bench.key(request_of(bench, seed=4, values=base.values), None),
        "mask": bench.key(request_of(bench, mask=half), None),
        "held": bench.key(request_of(bench, mask=Mask(base.mask.kept, held)), None),
        "values": bench.key(request_of(bench, values=values), None),
        "start": bench.key(request_of(bench, start=1), None),
        "end": bench.key(request_of(bench, end=29), None),
        "order": bench.key(request_of(bench, order=4), None),
        "frozen": bench.key(request_of(bench, mask=half.freezing(bench.initial(3).weights)), None),
        "cost": bench.key(request_of(bench, dense_gradients="always"), None),
        "callbacks": bench.key(base, CALLBACKS),
        "call": bench.key(base, {**CALLBACKS, "call": 1}),
        "dataset": make_bench(NET, RECIPE, arrays=altered).key(base, None),
        "model": make_bench(MLP(hidden=(7,), dropout=0.1), RECIPE).key(base, None),
    }
    for name, value in {
        "lr": 0.1,
        "steps": 31,
        "batch_size": 21,
        "momentum": 0.5,
        "weight_decay": 0.1,
        "schedule": "cosine",
        "warmup": 2.0,
        "label_smoothing": 0.1,
        "crop": 1,
        "flip": True,
        "eval_every": 11,
        "dtype": "float64",
        "bits": 8,
        "optimizer": "adam",
    }.items():
        changed = dataclasses.replace(RECIPE, **{name: value})
        keys[name] = bench.key(request_of(bench, recipe=changed), None)
    assert len(set(keys.values())) == len(keys)


def test_what_does_not_change_the_result_does_not_change_the_key(make_bench, request_of):
    bench = make_bench(NET, RECIPE)
    base = request_of(bench)
    key = bench.key(base, None)
    negative = {k: torch.where(v == 0, -torch.zeros(()), v) for k, v in base.values.items()}
    assert any(bool((v.signbit() & (v == 0)).any()) for v in negative.values())
    assert bench.key(request_of(bench, values=negative), None) == key
    reordered = dict(reversed(base.values.items()))
    assert bench.key(request_of(bench, values=reordered), None) == key
    wanted = request_of(bench, checkpoints=frozenset({5}), until=lambda view: False)
    assert bench.key(wanted, None) == key
    assert bench.key(request_of(bench, order=3), None) == key  # its seed's own


def test_pruned_start_values_do_not_matter(make_bench, half_mask, request_of, trained_steps):
    bench = make_bench(NET, RECIPE)
    mask = half_mask(bench)
    first = bench.fit(request_of(bench, mask=mask))
    values = {k: v.clone() for k, v in bench.initial(3).values.items()}
    values["fc1.weight"].masked_fill_(~mask.kept["fc1"], 9.0)
    second = bench.fit(request_of(bench, mask=mask, values=values))
    assert second.reused
    assert second.key == first.key
    # the request's own tensors are left alone
    assert bool((values["fc1.weight"][~mask.kept["fc1"]] == 9).all())


def test_initial_values_depend_on_model_and_seed_alone(make_bench):
    a = make_bench(NET, RECIPE).initial(0).values
    torch.rand(7)
    b = make_bench(NET, dataclasses.replace(RECIPE, lr=0.7)).initial(0).values
    c = make_bench(NET, RECIPE).initial(1).values
    assert all(torch.equal(v, b[k]) for k, v in a.items())
    assert not torch.equal(a["fc1.weight"], c["fc1.weight"])


# ---- checkpoints ----------------------------------------------------------------------------


def test_a_kept_checkpoint_equals_a_training_up_to_there(make_bench, request_of, trained_steps):
    bench = make_bench(ConvBN(), RECIPE)
    whole = bench.fit(request_of(bench, checkpoints=frozenset({13})))
    kept = bench.checkpoint(whole.key, 13)
    assert bench.checkpoint(whole.key, 14) is None
    again = make_bench(ConvBN(), RECIPE).checkpoint(whole.key, 13)
    prefix = bench.fit(request_of(bench, end=13))
    assert trained_steps == [(0, 30), (0, 13)]
    assert kept.step == again.step == prefix.step == 13
    for key, value in prefix.values.items():
        assert torch.equal(value, kept.values[key])
        assert torch.equal(value, again.values[key])


def test_a_training_that_lacks_a_checkpoint_trains_again_and_keeps_both(
    make_bench, request_of, trained_steps
):
    bench = make_bench(NET, RECIPE)
    first = bench.fit(request_of(bench, checkpoints=frozenset({5})))
    bench.fit(request_of(bench, checkpoints=frozenset({20})))
    assert len(trained_steps) == 2
    for wanted in ({5}, {20}, {5, 20}, set()):
        for workbench in (bench, make_bench(NET, RECIPE)):
            assert workbench.fit(request_of(bench, checkpoints=frozenset(wanted))).reused
    assert len(trained_steps) == 2
    assert bench.checkpoint(first.key, 5) is not None


def test_a_stopped_training_is_the_prefix_that_it_is(make_bench, request_of, trained_steps):
    bench = make_bench(NET, RECIPE)
    stopped = bench.fit(request_of(bench, until=lambda view: view.step == 12))
    assert stopped.key == bench.key(request_of(bench, end=12), None)
    prefix = bench.fit(request_of(bench, end=12))
    assert prefix.reused
    assert (stopped.stopped, prefix.stopped) == (True, False)
    assert len(trained_steps) == 1
    whole = bench.fit(request_of(bench))
    assert (whole.reused, whole.step, whole.stopped) == (False, 30, False)
    assert whole.key != stopped.key


# ---- what lies on disk ----------------------------------------------------------------------


def rewired(bench, half_mask, request_of):
    """A training whose mask changes after the validation loss was least."""
    last = half_mask(bench, 1)

    def on_step(view):
        return Change(last, replace_update=True) if view.step == 25 else None

    recipe = dataclasses.replace(RECIPE, lr=1e-9)  # the first evaluation stays the best
    return request_of(bench, mask=half_mask(bench), on_step=on_step, every=5, recipe=recipe)


def test_the_best_state_of_a_rewired_training_comes_back_whole(make_bench, half_mask, request_of):
    bench = make_bench(NET, RECIPE)
    request = rewired(bench, half_mask, request_of)
    trained = bench.fit(request, CALLBACKS)
    assert trained.best.step < 25
    lost = trained.best.values["fc1.weight"][~trained.mask.kept["fc1"]]
    assert bool((lost != 0).any())
    again = make_bench(NET, RECIPE).fit(request, CALLBACKS)
    assert again.reused
    assert equal(trained, again)


def test_nothing_on_disk_can_run_code(make_bench, half_mask, request_of, tmp_path):
    bench = make_bench(ConvBN(), RECIPE)
    mask = half_mask(bench)
    bench.fit(request_of(bench, mask=mask, checkpoints=frozenset({10})))
    files = [p for p in (tmp_path / "kept").rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".safetensors", ".json", ".lock"}
    for path in files:
        if path.suffix == ".safetensors":
            load_file(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
    # of a pruned weight nothing is stored
    sizes = {p.name: p.stat().st_size for p in files}
    whole = sum(v.numel() * v.element_size() for v in bench.initial(3).values.values())
    for name in ("final", "best", "step-10"):
        assert sizes[f"{name}.safetensors"] < 0.6 * whole
    assert sizes["mask.safetensors"] < 8_000


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        truncate,
        flip,
        os.remove,
        lambda p: p.write_bytes(b""),
        lambda p: p.write_text("{}"),
        lambda p: p.write_text("[1, 2]"),
    ],
    ids=["truncated", "a bit flipped", "gone", "empty", "{}", "a list"],
)
@pytest.mark.parametrize(
    "name",
    [
        "training.json",
        "final.safetensors",
        "best.safetensors",
        "mask.safetensors",
        "step-10.safetensors",
    ],
)
def test_a_damaged_training_is_trained_again(
    name, harm, make_bench, half_mask, request_of, trained_steps, tmp_path
):
    bench = make_bench(NET, RECIPE)
    request = request_of(bench, mask=half_mask(bench), checkpoints=frozenset({10}))
    first = bench.fit(request)
    harm(tmp_path / "kept" / first.key / name)
    for expected in (False, True):
        again = make_bench(NET, RECIPE).fit(request)
        assert again.reused is expected
        seconds = first.cost.seconds
        cost = dataclasses.replace(again.cost, seconds=seconds)
        assert equal(first, dataclasses.replace(again, cost=cost))
    assert len(trained_steps) == 2
    assert make_bench(NET, RECIPE).checkpoint(first.key, 10) is not None


def test_an_interrupted_training_leaves_nothing(
    make_bench, request_of, monkeypatch, tmp_path, trained_steps
):
    bench = make_bench(NET, RECIPE)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lth_bench.training.checkpoints.cache.save", full_disk)
        with pytest.raises(TrainingNotKept, match="No space"):
            bench.fit(request_of(bench))
    assert [p for p in (tmp_path / "kept").iterdir() if p.is_dir()] == []
    with pytest.raises(ZeroDivisionError):
        bench.fit(request_of(bench), on_eval=lambda point: 1 / 0)
    assert [p for p in (tmp_path / "kept").iterdir() if p.is_dir()] == []
    assert not bench.fit(request_of(bench)).reused


# ---- order, isolation -----------------------------------------------------------------------


def test_training_leaves_the_global_random_state_as_it_was(make_bench, request_of):
    bench = make_bench(MLP(hidden=(7,), dropout=0.3), RECIPE)
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    bench.fit(request_of(bench))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("where", ["on_step", "until", "penalty", "parametrize", "on_eval"])
def test_a_fit_inside_a_training_is_refused(where, make_bench, request_of):
    bench = make_bench(NET, RECIPE)

    def nested(*_):
        with torch.enable_grad():
            bench.fit(request_of(bench, end=3))

    given = {} if where == "on_eval" else {where: nested}
    on_eval = nested if where == "on_eval" else None
    with pytest.raises(ValueError, match="inside a training"):
        bench.fit(request_of(bench, **given), CALLBACKS, on_eval)
    assert bench.fit(request_of(bench)).step == 30


def test_a_training_that_raises_spoils_no_later_one(make_bench, request_of, tmp_path):
    bench = make_bench(NET, RECIPE)
    with pytest.raises(Diverged):
        bench.fit(request_of(bench, recipe=dataclasses.replace(RECIPE, lr=1e30)))
    a = bench.fit(request_of(bench))
    b = make_bench(NET, RECIPE, root=tmp_path / "fresh").fit(request_of(bench))
    assert all(torch.equal(v, b.values[k]) for k, v in a.values.items())


RACE = """
import sys, time
from pathlib import Path
import torch
from lth_bench.data.arrays import Arrays
from lth_bench.training.input.resident import ResidentData
from lth_bench.models.mlp import MLP
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from lth_bench.training.dispatch.workbench import Workbench

me, root = sys.argv[1], Path(sys.argv[2])
torch.set_num_threads(1)
x = torch.randint(0, 256, (90, 1, 6, 6), generator=torch.Generator().manual_seed(0))
x = x.to(torch.uint8)
arrays = Arrays(x, torch.arange(90) % 3, x[:3], torch.arange(3), classes=3)
recipe = Recipe(lr=0.1, steps=900, batch_size=20, val_size=20)
cpu = torch.device("cpu")
bench = Workbench(model=MLP(hidden=(7,)), model_config={"name": "mlp"},
                  data=ResidentData(arrays, 20, cpu), data_config={"name": "x"}, recipe=recipe,
                  device=cpu, cache=TrainingCache(root / "kept"))
request = FitRequest(values=bench.initial(0).values, mask=bench.dense_mask(), start=0, end=900,
                     seed=0, recipe=recipe)
(root / me).touch()
end = time.monotonic() + 240
while not ((root / "a").exists() and (root / "b").exists()):
    assert time.monotonic() < end
    time.sleep(0.005)
trained = bench.fit(request)
print(trained.key, trained.reused, trained.values["fc1.weight"].sum().item())
"""


@pytest.mark.slow
def test_two_processes_that_want_one_training_do_it_once(tmp_path, monkeypatch, capsys):
    """This process is one of them."""
    script = tmp_path / "race.py"
    script.write_text(RACE)
    with subprocess.Popen(
        [sys.executable, script, "b", tmp_path], stdout=subprocess.PIPE, text=True
    ) as other:
        monkeypatch.setattr(sys, "argv", ["race.py", "a", str(tmp_path)])
        runpy.run_path(str(script))
        theirs = other.communicate(timeout=240)[0]
    assert other.returncode == 0
    answers = [capsys.readouterr().out.split(), theirs.split()]
    assert sorted(reused for _, reused, _ in answers) == ["False", "True"]
    assert answers[0][0] == answers[1][0]
    assert answers[0][2] == answers[1][2]
