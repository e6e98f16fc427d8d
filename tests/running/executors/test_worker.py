"""Experiments side by side in a worker: the same results as one after the other."""

from __future__ import annotations

import dataclasses
import gc
import random
import weakref
from collections import Counter
from unittest.mock import Mock

import pytest

from lth_bench.data.root import data_root
from lth_bench.errors import UserError
from lth_bench.running.executors.pool import Pool
from lth_bench.running.executors.worker import COMPANY, Worker, WorkerConfig
from lth_bench.running.plan import plan_suite
from lth_bench.running.progress import Note, Recorded
from lth_bench.running.request import Execution, RunRequest, prepare
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.keys import digest

SUITE = """
schema_version = 1
[suite]
name = "tiny"
version = 1
densities = [0.5, 0.2]
seeds = [0, 1]
[[tasks]]
model = [{ name = "mlp", hidden = [16] }, { name = "mlp", hidden = [12] }]
dataset = "digits"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 30
val_size = 97
eval_every = 10
[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
controls = ["reinit", "shuffle"]
[[strategies]]
use = "late_rewind"
params = { prune_rate = 0.5, rewind_step = 7 }
[[strategies]]
use = "early_bird"
params = { threshold = 1.0, window = 2, interval = 0.2 }
[[strategies]]
use = "rigl"
params = { update_every = 5 }
[[strategies]]
use = "snip"
params = { batch_size = 100 }
"""
COHORT_SIZE = 4


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """The registry, and the planned experiments of two tasks."""
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(SUITE)
    suite, registry = prepare(RunRequest.from_arguments(suite=path, no_plugins=True))
    plan = plan_suite(suite, registry, data_root())
    by_task = {}
    for item in plan.experiments:
        by_task.setdefault(item.experiment.model_label, []).append(item.experiment)
    first, second = by_task.values()
    return registry, first, second


class Run:
    """What came of experiments, and which trainings really ran."""

    def __init__(self, worker):
        self.worker, self.records, self.trained = worker, [], Counter()

    def keep(self, event):
        if isinstance(event, Recorded):
            self.records.append(event.record)

    def play(self, experiments, start_all=True):
        """All at once, or as many as there is room for."""
        waiting = list(experiments)
        if self.worker._alone:
            for experiment in waiting:
                self.worker.run(experiment, self.keep)
            return self
        while waiting or len(self.worker.pool):
            room = len(waiting) if start_all else max(self.worker.room, not len(self.worker.pool))
            now, waiting = waiting[:room], waiting[room:]
            self.worker.begin(now, self.keep)
            self.worker.serve()
        return self

    @property
    def rows(self):
        """Results of each round: no times, nor who of several paid."""
        found = {}
        for r in self.records:
            if r["record"] != "ticket":
                assert (r["status"], r["reason"]) == ("ok", None)
                continue
            cost = {k: v for k, v in r["cost"].items() if "seconds" not in k and "spent" not in k}
            kept = ("key", "role", "steps", "cohort_size")
            trainings = [tuple(t[k] for k in kept) for t in r["trainings"]]
            metrics = {k: v for k, v in r["metrics"].items() if "seconds" not in k}
            kept = ("layers", "curve", "weights", "matrices", "rewind_step", "density")
            found[r["ticket_id"]] = [metrics, cost, trainings, *(r.get(k) for k in kept)]
        return found

    @property
    def spent(self):
        return sum(r["cost"]["spent_steps"] for r in self.records if r["record"] == "ticket")


@pytest.fixture
def make_run(tasks, tmp_path, monkeypatch):
    """`make_run(folder, side_by_side, width, exact)`: a worker whose trainings are counted."""
    current = []
    run = Cohort.run

    def counted(self):
        run(self)
        for member in self.members:
            current[-1].trained[(member.start, member.step)] += 1

    monkeypatch.setattr(Cohort, "run", counted)

    def make(name, side_by_side=True, cohort_size=COHORT_SIZE, exact=False):
        config = WorkerConfig(
            device="cpu",
            artifacts=tmp_path / name,
            data_root=data_root(),
            execution=Execution(cohort_size=cohort_size, exact_cohort_size=exact),
        )
        made = Run(Worker(config, tasks[0], Pool() if side_by_side else None))
        current.append(made)
        return made

    return make


def test_side_by_side_equals_one_after_another_in_any_order(tasks, make_run):
    experiments = tasks[1]
    alone = make_run("alone", side_by_side=False).play(experiments)
    together = make_run("together").play(experiments)
    shuffled = random.Random(3).sample(experiments, len(experiments))
    other = make_run("other").play(shuffled, start_all=False)
    assert together.rows == alone.rows == other.rows
    assert len(alone.rows) > len(experiments)
    trained = [t for r in together.records for t in r.get("trainings", ())]
    # a constant rate: whatever its start, a training can be stacked
    assert {t["cohort_size"] for t in trained} == {COHORT_SIZE}
    for made in (alone, together, other):
        # every step that was trained is paid for once
        steps = sum((end - start) * n for (start, end), n in made.trained.items())
        assert made.spent == steps
    payers = {
        (r["experiment_id"], t["key"])
        for r in together.records if r["record"] == "ticket"
        for t in r["trainings"] if not t["reused"]
    }  # fmt: skip
    assert max(Counter(key for _, key in payers).values()) == 1


def test_equal_searches_are_trained_once(tasks, make_run):
    birds = [e for e in tasks[1] if e.label == "early_bird" and e.seed == 0]
    made = make_run("birds").play(birds)
    assert len(birds) == 2
    searches = [t for r in made.records for t in r.get("trainings", ()) if t["role"] == "search"]
    assert len(searches) == 2
    assert sorted(t["reused"] for t in searches) == [False, True]
    # one search, and the dense run that the survivors' fates are read from
    assert sum(n for (start, _), n in made.trained.items() if start == 0) == 2


def test_a_new_task_frees_the_one_before(tasks, make_run):
    _, first, second = tasks
    made = make_run("both").play(first[:3])
    assert made.worker.room == COMPANY * COHORT_SIZE
    bench = weakref.ref(made.worker._bench[1])
    assert bench().data is not None
    made.play(second[:3])
    gc.collect()
    assert bench() is None
    # and back again: everything is found
    trained = made.trained.total()
    made.play(first[:3])
    assert made.trained.total() == trained


def test_results_at_another_cohort_size_are_reused_unless_exact(tasks, make_run):
    snip = [e for e in tasks[1] if e.label == "snip"][:1]
    wide = make_run("kept").play(snip)
    assert wide.trained.total() == 2  # and the dense run, beside which its weights are set
    narrow = make_run("kept", cohort_size=2).play(snip)
    assert narrow.trained.total() == 0
    assert narrow.rows == wide.rows
    exact = make_run("kept", cohort_size=2, exact=True).play(snip)
    assert exact.trained.total() == 2
    widths = [t["cohort_size"] for r in exact.records if "trainings" in r for t in r["trainings"]]
    assert widths == [2]
    assert [r["cohort_size"] for r in exact.records if r["record"] == "experiment"] == [2]
    # and what it trained is what is kept
    assert make_run("kept", cohort_size=2, exact=True).play(snip).trained.total() == 0


def test_at_cohort_size_one_there_is_room_for_one(tasks, make_run):
    made = make_run("narrow", cohort_size=1)
    assert made.worker.cohort_size == 1
    assert made.worker.room == 1
    made.worker.begin(tasks[1][:1], made.keep)
    assert len(made.worker.pool) == 1
    assert made.worker.room == 0


def test_an_experiment_given_back_resumes_in_another_worker(tasks, make_run):
    """Three ladders, a training of each in turn; two of them end in another worker."""
    ladders = [e for e in tasks[1] if e.label in ("imp", "late_rewind")][:3]
    alone = make_run("alone", side_by_side=False, cohort_size=1).play(ladders)
    here, there = make_run("moved", cohort_size=1), make_run("moved", cohort_size=1)
    here.worker.begin(ladders, here.keep)
    by_id = {e.experiment_id: e for e in ladders}
    moves = 0
    while len(here.worker.pool):
        for _ in range(3):  # a training each
            here.worker.serve()
        for identity in here.worker.give_back():
            moves += 1
            assert {r["experiment_id"] for r in here.records if r["record"] == "experiment"} <= (
                by_id.keys() - {identity}
            )
            there.play([by_id[identity]])
            assert there.trained.total() > 0
    assert moves == 2  # one of three, and one of the two that are left
    last = {r["ticket_id"]: r for r in here.records if r["record"] == "ticket"}
    both = make_run("unused", cohort_size=1)
    both.records = here.records + there.records
    assert both.rows == alone.rows
    last |= {r["ticket_id"]: r for r in there.records if r["record"] == "ticket"}
    ended = Counter(r["experiment_id"] for r in both.records if r["record"] == "experiment")
    assert ended == Counter(by_id.keys())
    spent = sum(r["cost"]["spent_steps"] for r in last.values())
    trained = here.trained + there.trained
    assert spent == sum((end - start) * n for (start, end), n in trained.items()) == alone.spent


def test_sys_exit_in_a_hook_fails_only_its_experiment(tasks, make_run, monkeypatch):
    """A hook that calls sys.exit() is an experiment's failure, and no worker's end."""
    from lth_strategies.snip import SNIP

    def leave(self, ticket):
        raise SystemExit(3)

    hook = SNIP.select_mask
    leave.__dict__.update(hook.__dict__)  # pluggy's mark
    monkeypatch.setattr(SNIP, "select_mask", leave)
    made = make_run("leaves").play(tasks[1])
    ends = {r["experiment_id"]: r for r in made.records if r["record"] == "experiment"}
    for experiment in tasks[1]:
        end = ends[experiment.experiment_id]
        if experiment.label == "snip":
            assert end["status"] == "failed"
            assert "select_mask: raised SystemExit: 3 (test_worker.py:" in end["reason"]
        else:
            assert end["status"] == "ok"


def test_data_that_changed_since_the_run_began_is_not_trained_on(tasks, tmp_path):
    experiment = tasks[1][0]
    config = WorkerConfig(
        device="cpu",
        artifacts=tmp_path / "kept",
        data_root=data_root(),
        fingerprints={digest(experiment.dataset): "another"},
    )
    with pytest.raises(UserError, match="dataset 'digits' has changed since the run began"):
        Worker(config, tasks[0]).bench(experiment)


def test_a_follower_keeps_the_two_tasks_that_it_used_last(tasks, make_run, monkeypatch):
    worker, made = make_run("follower").worker, []
    a, b = tasks[1][0], tasks[2][0]
    c = dataclasses.replace(a, model_label="a third")

    def make(task):
        made.append(task)
        return Mock(), None

    monkeypatch.setattr(worker, "_made", make)
    for task in (a, b, a, c, a, b):
        worker.followed(task, None)
    assert made == [a, b, c, b]


def test_what_a_user_should_know_of_a_layout_is_told(tasks, tmp_path, monkeypatch):
    config = WorkerConfig(device="cpu", artifacts=tmp_path / "a", data_root=data_root())
    for notes in (["mlp: its network draws", "rank 1 was killed"], []):
        leader = Mock()
        leader.take_notes.return_value = notes
        worker, told = Worker(config, tasks[0], leader=leader), []
        monkeypatch.setattr(worker, "_outcome", lambda *_: ("ok", None))
        worker.run(tasks[1][0], told.append)
        assert [event.message for event in told if isinstance(event, Note)] == notes


def test_a_worker_that_ends_ends_its_followers(tasks, tmp_path):
    leader = Mock()
    config = WorkerConfig(device="cpu", artifacts=tmp_path / "a", data_root=data_root())
    Worker(config, tasks[0], leader=leader).close()
    leader.close.assert_called_once_with()
    Worker(config, tasks[0]).close()  # has none
