"""A user's network that raises, wherever that is: its experiments fail with its line, and the
others go on. On a CPU and on a pretend GPU.
"""

from __future__ import annotations

import re
import signal
from itertools import count

import pytest

from lth_bench.data.root import data_root
from lth_bench.running.executors import worker as worker_module
from lth_bench.running.executors.pool import Pool
from lth_bench.running.executors.worker import Worker, WorkerConfig
from lth_bench.running.plan import plan_suite
from lth_bench.running.progress import Recorded
from lth_bench.running.request import Execution, RunRequest, prepare
from lth_bench.training.engine import cohort_size as widths

SUITE = """
schema_version = 1
[suite]
name = "flaky"
version = 1
densities = [0.5]
seeds = [0]
[[tasks]]
model = ["flaky", { name = "mlp", hidden = [8] }]
dataset = "digits"
recipe = "short"
[recipes.short]
lr = 0.1
batch_size = 50
steps = 6
val_size = 97
eval_every = 3
[[strategies]]
use = "dense"
[[strategies]]
use = "one_shot"
[[strategies]]
use = "snip"
params = { batch_size = 100 }
"""
MODEL = """
from dataclasses import dataclass
import torch
from torch import nn

class Stop(BaseException): pass

class Odd(Exception):
    def __str__(self):
        raise ValueError("no text")

class Cut(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h):
        return h * 1
    @staticmethod
    def backward(ctx, grad):
        raise ValueError("no way back")  # the backward line

class Middle(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 12)
    def forward(self, h):
        {line}
        return self.fc(h)

class Net(nn.Sequential): pass

@dataclass(frozen=True)
class Flaky:
    def build(self, input_shape, classes):
        return Net(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), Middle(), nn.Linear(12, classes))
"""
LAYER = "in layer '3'"
CASES = {
    "in training": ("if self.training: raise ValueError('not that')", "ValueError: not that"),
    "in evaluation": ("assert self.training or len(h) == 2", "AssertionError: "),
    "at a batch size": ("if len(h) == 97: raise IndexError(3)", "IndexError: 3"),
    "an index": ("if self.training: h = h[:, torch.tensor([12])]", "index 12 is out of bounds"),
    "sys.exit": ("if self.training: raise SystemExit(3)", "SystemExit: 3"),
    "no Exception": ("if self.training: raise Stop('now')", "Stop: now"),
    "a text that raises": ("if self.training: raise Odd", "Odd: its text raises ValueError"),
    "a long text": ("if self.training: raise ValueError('x' * 10**5)", "100,000 characters"),
    "odd characters": (r"if self.training: raise ValueError('\ud800\0')", r"\ud800\0"),
    "in backward": ("if self.training: h = Cut.apply(h)", "ValueError: no way back"),
}
_names = count()


@pytest.fixture
def play(install, tmp_path, monkeypatch):
    """`play(line, device, width)`: how each experiment ended, by model and strategy; and the number
    of the line in the network's file, whose name comes with it.
    """

    def run(line, device="cpu", width=1, source=MODEL, overrides=()):
        name = f"flaky{next(_names)}_x"
        source = source.replace("{line}", line)
        models = {"models": {"flaky": f"{name}:Flaky"}}
        install("lth-bench-flaky", models, **{name: source})
        suite, registry = prepare(RunRequest.from_arguments(suite=path, overrides=overrides))
        plan = plan_suite(suite, registry, data_root())
        experiments = [item.experiment for item in plan.experiments]
        config = WorkerConfig(
            device=device,
            artifacts=tmp_path / "kept",
            data_root=data_root(),
            execution=Execution(cohort_size=width),
        )
        worker = Worker(config, registry, Pool(device=device))
        records = []
        for model in ("flaky", "mlp"):
            mine = [e for e in experiments if e.model["name"] == model]
            assert len(mine) == 3
            worker.begin(mine, records.append)
            while len(worker.pool):
                assert worker.room >= 0
                worker.serve()
        ended = [e.record for e in records if isinstance(e, Recorded) and e.ends]
        ends = {r["experiment_id"]: r for r in ended}
        where = next((i for i, t in enumerate(source.split("\n"), 1) if line and line in t), 0)
        found = {(e.model["name"], e.label): ends[e.experiment_id] for e in experiments}
        return found, f"{name}.py", where

    path = tmp_path / "flaky.toml"
    path.write_text(SUITE)
    monkeypatch.setattr(worker_module, "cohort_sizes_file", lambda: tmp_path / "widths.json")
    monkeypatch.setattr(widths, "ON_GPU", (2, 4))
    monkeypatch.setattr(widths, "SECONDS", 0.0)
    return run


@pytest.fixture
def device(request):
    if request.param != "cpu":
        for fixture in ("pretend_gpu", "few_steps_a_graph"):
            request.getfixturevalue(fixture)
    return request.param


def each(names, often):
    """Cases on both devices; on the pretend GPU, which is slow, those that are not `often` among
    the slow tests.
    """
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), where, marks=marks)
        for case in names
        for where, marks in (("cpu", []), ("cuda:0", [] if case in often else pytest.mark.slow))
    ]


def check(ended, file, line, what):
    """The network's experiments failed by it, the others are ok."""
    for (model, label), end in ended.items():
        if model == "mlp":
            assert (end["status"], end["reason"]) == ("ok", None)
            continue
        assert end["status"] == "failed", (label, end)
        assert what in end["reason"]
        assert f"({file}:{line}" in end["reason"]
        assert re.match(r"the network raised \w+: ", end["reason"]), end["reason"]


@pytest.mark.parametrize(
    ("case", "device"),
    each(CASES, ("in training", "sys.exit")),
    indirect=["device"],
)
def test_exceptions_of_a_network_fail_its_experiments(case, device, play):
    line, what = CASES[case]
    ended, file, number = play(line, device)
    if case == "in backward":
        number = MODEL.split("\n").index(next(t for t in MODEL.split("\n") if "no way" in t)) + 1
    check(ended, file, number, what)
    if case != "in backward":
        assert all(LAYER in e["reason"] for (m, _), e in ended.items() if m == "flaky")


@pytest.mark.parametrize(
    ("case", "width", "device"),
    each(
        [
            (case, width)
            for case in ("in training", "in evaluation", "sys.exit", "in backward")
            for width in (4, None)
        ],
        [("in training", 4)],
    ),
    indirect=["device"],
)
def test_exceptions_of_a_network_at_any_cohort_size(case, width, device, play):
    line, what = CASES[case]
    ended, file, _ = play(line, device, width)
    for (model, _), end in ended.items():
        assert end["status"] == ("failed" if model == "flaky" else "ok"), end
        if model == "flaky":
            assert what in end["reason"] and f"({file}:" in end["reason"]
            assert end["reason"].startswith("the network raised ")


@pytest.mark.parametrize("ignored", [True, False])
def test_keyboard_interrupt_ends_the_run_unless_sigint_is_ignored(ignored, play):
    """As it is in a worker, where a KeyboardInterrupt is the network's own."""
    line = "if self.training: raise KeyboardInterrupt"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        if ignored:
            check(*play(line), "KeyboardInterrupt: ")
        else:
            with pytest.raises(KeyboardInterrupt):
                play(line)
    finally:
        signal.signal(signal.SIGINT, before)


def test_exceptions_in_torch_name_the_layer_and_build(play):
    source = MODEL.replace("Middle()", "nn.BatchNorm1d(12)")
    ended, file, _ = play("pass", source=source, overrides=["recipes.short.batch_size=1"])
    number = source.split("\n").index(next(t for t in source.split("\n") if "def build" in t)) + 1
    for (model, _), end in ended.items():
        assert end["status"] == ("failed" if model == "flaky" else "ok")
        if model == "flaky":
            what = "the network raised ValueError: Expected more than 1 value per channel"
            assert end["reason"].startswith(what)
            assert end["reason"].endswith(f"(built in {file}:{number}, in layer '3')")


def test_a_network_that_cannot_be_built_in_a_worker(play):
    """A constructor that raises in a worker's thread, though not where the run is planned."""
    line = "threading.current_thread() is threading.main_thread() or 1 / 0"
    source = MODEL.replace("import torch\n", "import threading\nimport torch\n", 1)
    source = source.replace("super().__init__()", f"super().__init__(); {line}", 1)
    ended, file, number = play("pass", source=source)
    number = source.split("\n").index(next(t for t in source.split("\n") if line in t)) + 1
    for (model, _), end in ended.items():
        assert end["status"] == ("failed" if model == "flaky" else "ok")
        if model == "flaky":
            what = "the network could not be built: ZeroDivisionError: division by zero"
            assert end["reason"] == f"{what} ({file}:{number})"
