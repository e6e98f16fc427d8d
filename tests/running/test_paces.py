"""The pace of earlier runs, and the time of a plan at it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from close import close

from lth_bench.data.root import data_root
from lth_bench.plugins import load_registry
from lth_bench.running.estimate import estimate_plan, expected_seconds, simulated_time
from lth_bench.running.executors.simulated import Pace
from lth_bench.running.paces import measured_paces
from lth_bench.running.plan import Plan, Planned, plan_suite
from lth_bench.store.paths import Paths
from lth_bench.suite.load import suite_of

TEXT = """
schema_version = 1
[suite]
name = "paced"
densities = [0.5]
seeds = [0, 1]
[recipes.short]
steps = 100
batch_size = 50
val_size = 97
[[tasks]]
model = [{ name = "mlp", hidden = [10] }, { name = "mlp", hidden = [11] }]
dataset = "digits"
recipe = "short"
[[strategies]]
use = "one_shot"
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_suite(suite_of(TEXT, Path("paced.toml")), load_registry(), data_root())


def write(paths: Paths, plan: Plan, seconds: float, device: str = "cpu") -> None:
    """A journal in which the first task was trained: two trainings of 100 steps, four at a time."""
    task = plan.experiments[0].experiment.task
    done = [p.experiment for p in plan.experiments if p.experiment.task == task][:2]
    records: list[dict[str, object]] = [
        {"record": "run", "run_id": "r", "suite": "paced", "environment": {}, "plugins": []},
        {"record": "planned", "run_id": "r", "experiments": [e.planned_record() for e in done]},
    ]
    for e in done:
        training = {
            "key": e.experiment_id, "role": "train", "reused": False, "start": 0, "end": 100,
            "steps": 100, "seconds": seconds / 2, "device": "cpu", "cohort_size": 4,
            "device_name": device,
        }  # fmt: skip
        records.append(
            {
                "record": "ticket", "run_id": "r", "experiment_id": e.experiment_id,
                "ticket_id": e.experiment_id, "round": 1, "control": "none", "reported": True,
                "target_density": 0.5, "density": 0.5, "status": "ok", "metrics": {},
                "layers": [], "cost": {}, "trainings": [training], "curve": [],
            }
        )  # fmt: skip
    paths.make_folder()
    paths.journal.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_a_pace_is_that_of_the_tasks_own_trainings(tmp_path: Path, plan: Plan) -> None:
    paths, experiments = Paths(tmp_path / "r.duckdb"), [p.experiment for p in plan.experiments]
    assert measured_paces(paths, experiments, "cpu") == {}
    write(paths, plan, 8.0)
    # 8 s for 200 steps of members: 0.04 s each, so 0.16 s for a step of a cohort of four
    (task,) = found = measured_paces(paths, experiments, "cpu")
    assert task == experiments[0].task
    assert found[task].size == 4 and found[task].seconds == close(0.16)
    assert measured_paces(paths, experiments, "NVIDIA A100") == {}


def test_too_little_training_tells_nothing(tmp_path: Path, plan: Plan) -> None:
    paths = Paths(tmp_path / "r.duckdb")
    write(paths, plan, 0.5)
    assert measured_paces(paths, [p.experiment for p in plan.experiments], "cpu") == {}


def test_time_of_a_plan_on_more_workers(plan: Plan) -> None:
    # two tasks at two seeds: a dense run of 10 s, then a ticket of 10 s
    paces = {p.experiment.task: Pace(seconds=0.1) for p in plan.experiments}
    times = [simulated_time(plan, plan.experiments, paces, n) for n in (1, 2, 4, 8)]
    assert [seconds for seconds, _ in times] == [close(s) for s in (80, 40, 20, 20)]
    assert [busy for _, busy in times] == [close(b) for b in (1, 1, 1, 0.5)]
    assert simulated_time(plan, [], paces, 4) == (0.0, 1.0)


def test_a_run_expects_only_what_earlier_runs_tell(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is timed when a run begins."""
    monkeypatch.setattr("lth_bench.running.estimate._probe", lambda *_: pytest.fail("timed"))
    paths = Paths(tmp_path / "r.duckdb")

    def expects(planned: Sequence[Planned]) -> float | None:
        known = measured_paces(paths, (p.experiment for p in planned), "cpu")
        return expected_seconds(plan, planned, known, 1)

    assert expects(plan.experiments) is None
    write(paths, plan, 8.0)
    first = plan.experiments[0].experiment.task
    known = [p for p in plan.experiments if p.experiment.task == first]
    paces = {first: Pace(seconds=0.16, size=4)}
    expected, _ = simulated_time(plan, known, paces, 1)
    assert expects(known) == close(expected)
    # the other task was never trained
    assert expects(plan.experiments) is None


def test_only_tasks_without_a_history_are_timed(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path / "r.duckdb")
    write(paths, plan, 8.0)
    timed = []

    def probe(item, *_):
        timed.append(item.experiment.task)
        return Pace(seconds=0.5)

    monkeypatch.setattr("lth_bench.running.estimate._probe", probe)
    registry, devices = load_registry(), ["cpu"] * 4
    known = {"registry": registry, "root": data_root(), "devices": devices}
    found = estimate_plan(plan, set(), **known, paths=paths)
    assert timed == [plan.experiments[-1].experiment.task] and found.measured == 1
    # the first task in cohorts of four: both dense runs at once; the other's take 50 s each
    assert found.seconds == close(100) and found.workers == 4
    # at another cohort size the history tells nothing
    assert estimate_plan(plan, set(), **known, paths=paths, cohort_size=1).measured == 0
