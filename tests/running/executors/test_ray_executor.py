"""The Ray executor against a pretended Ray: actors that say what a test has them say."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.lottery import Experiment
from lth_bench.running.executors import ray_executor
from lth_bench.running.executors.coordinator import LOST
from lth_bench.running.executors.messages import (
    Begin,
    Ended,
    Message,
    Unfit,
    WorkerReady,
    pack,
    unpack,
)
from lth_bench.running.executors.ray_executor import RayExecutor
from lth_bench.running.executors.worker import WorkerConfig
from lth_bench.running.plan import Planned
from lth_bench.running.progress import ExperimentStarted, Note, Recorded, Retried


class Lost(Exception):
    """As of Ray's errors: lines of details, the last of which says why."""


class Actor:
    """On a node; `behave(actor, message)` is what it does on a message, and at first on None."""

    def __init__(self, node: str, behave: Callable[[Actor, Message | None], None]) -> None:
        self.node, self.behave, self.said, self.killed = node, behave, [], False
        self.error: Exception | None = None
        behave(self, None)

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self, f"on_{name}"))

    def on_hear(self) -> tuple[Actor, object]:
        """A reference of its own for each call."""
        return self, object()

    def on_say(self, text: str) -> None:
        self.behave(self, unpack(json.loads(text)))

    def on_terminate(self) -> None:
        self.said.append(Ended(how="ended with exit code 0"))


class PretendedRay:
    exceptions = SimpleNamespace(RayError=Lost)

    def __init__(self, actors: list[Callable[[], Actor]]) -> None:
        self.left, self.started = actors, []

    def remote(self, _: Any) -> Any:
        return self

    def options(self, **given: Any) -> Any:
        self.given = given
        return SimpleNamespace(remote=self._start)

    def _start(self, *_: Any, **__: Any) -> Actor:
        self.started.append(self.left.pop(0)())
        return self.started[-1]

    def wait(self, refs: list[Any], num_returns: int, timeout: float) -> Any:
        ready = [r for r in refs if r[0].said or r[0].error][:num_returns]
        return ready, [r for r in refs if r not in ready]

    def get(self, ref: Any) -> str:
        actor = ref[0]
        if not actor.said:
            raise actor.error
        said, actor.said = [pack(m) for m in actor.said], []
        return json.dumps({"node": f"{actor.node} cpu", "said": said})

    def kill(self, actor: Actor) -> None:
        actor.killed = True

    def available_resources(self) -> dict[str, float]:
        return {"CPU": 0.0}


def job(identity: str) -> Planned:
    experiment = Experiment(
        experiment_id=identity, config_id="c", suite="s", label="job", strategy="job", params={},
        model={"name": "mlp"}, model_label="mlp", dataset={"name": "digits"},
        dataset_label="digits", recipe_name="short", recipe={}, seed=int(identity),
        densities=(0.5,), controls=(), iterative=False, source_hash="h", plugin_version="1",
    )  # fmt: skip
    return Planned(experiment=experiment, fits=(1,), bytes=1)


def crashes(actor: Actor, message: Message | None) -> None:
    works(actor, None)
    if isinstance(message, Begin):
        running = message.experiments[0].experiment_id
        actor.said.append(Ended(how="was killed by SIGSEGV", running=running))


def works(actor: Actor, message: Message | None) -> None:
    if message is None:
        actor.said.append(WorkerReady())
    if isinstance(message, Begin):
        for e in message.experiments:
            record = {"record": "experiment", "experiment_id": e.experiment_id, "status": "ok"}
            actor.said.append(Recorded({**record, "worker": actor.node}))


def is_lost(actor: Actor, message: Message | None) -> None:
    if message is None:
        actor.said.append(WorkerReady())
    else:
        actor.error = Lost("The actor died.\n  Its node has died.")


def cannot_start(actor: Actor, message: Message | None) -> None:
    actor.error = Lost("in Agent.__init__\nModuleNotFoundError: No module named 'lth_bench'")


def lacks(actor: Actor, message: Message | None) -> None:
    actor.said += [Unfit("has torch 2.14.0, not 2.15.0"), Ended(how="ended with exit code 0")]


def waits(actor: Actor, message: Message | None) -> None:
    """It has no place in the cluster."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(behaviours, jobs)`: what was heard of workers that behave so, in the order in which
    they are started, two at a time.
    """
    monkeypatch.setattr(ray_executor, "LOOK", 0.01)

    def go(behaviours, jobs=6, patience=1e9):
        monkeypatch.setattr(ray_executor, "PATIENCE", patience)
        nodes = [(f"10.0.0.{i}", behave) for i, behave in enumerate(behaviours)]
        ray = PretendedRay([lambda n=n, b=b: Actor(n, b) for n, b in nodes])
        config = WorkerConfig(device="cpu", artifacts=tmp_path, data_root=tmp_path)
        executor = RayExecutor(ray, config, ["cpu"] * 2, {"num_cpus": 1})
        heard: list[Any] = []
        found = SimpleNamespace(heard=heard, ray=ray)
        try:
            executor.run([job(str(i)) for i in range(jobs)], heard.append)
        finally:
            assert all(actor.killed for actor in ray.started)  # or they would keep their CPUs
        found.ended = {
            e.record["experiment_id"]: e.record for e in heard if isinstance(e, Recorded)
        }
        found.retries = [e for e in heard if isinstance(e, Retried)]
        found.notes = [e.message for e in heard if isinstance(e, Note)]
        return found

    return go


def test_actors_run_everything(run) -> None:
    done = run([works, works])
    assert {i: r["status"] for i, r in done.ended.items()} == dict.fromkeys("012345", "ok")
    assert {r["worker"] for r in done.ended.values()} == {"10.0.0.0", "10.0.0.1"}
    assert done.ray.given == {"num_cpus": 1, "max_concurrency": 4, "max_restarts": 0}
    assert not done.retries and not done.notes


def test_what_a_lost_node_ran_goes_elsewhere_uncharged(run) -> None:
    done = run([works, is_lost, is_lost, is_lost, works])
    assert {i: r["status"] for i, r in done.ended.items()} == dict.fromkeys("012345", "ok")
    assert {r.reason for r in done.retries} <= {f"10.0.0.{i} cpu was lost" for i in (1, 2, 3)}
    assert done.retries
    uses = done.heard[-1].uses
    assert {use.host for use in uses if use.slot == 1} >= {"10.0.0.1", "10.0.0.2"}
    assert sum(use.retries for use in uses) == sum(len(r.experiments) for r in done.retries)
    assert sum(use.experiments for use in uses) == 6
    again = {e.experiment_id for r in done.retries for e in r.experiments}
    started = [e.experiment.experiment_id for e in done.heard if isinstance(e, ExperimentStarted)]
    assert all(started.count(i) > 1 for i in again)


def test_many_lost_nodes_charge_no_experiment(run) -> None:
    """As of forty nodes in a long run: each is lost with its second experiment."""

    def later(actor: Actor, message: Message | None) -> None:
        if isinstance(message, Begin) and actor.began:
            actor.error = Lost("The actor died.\n  Its node has died.")
        else:
            works(actor, message)
        actor.began = isinstance(message, Begin)

    done = run([later] * 40 + [works, works], jobs=60)
    assert {r["status"] for r in done.ended.values()} == {"ok"} and len(done.ended) == 60
    assert len(done.retries) > 20
    assert all(r.reason.endswith(" cpu was lost") for r in done.retries)


def test_an_experiment_with_which_every_node_is_lost_is_given_up(run) -> None:
    def kills(actor: Actor, message: Message | None) -> None:
        if isinstance(message, Begin) and message.experiments[0].experiment_id == "0":
            actor.error = Lost("The actor died.\n  Its node has died.")
        else:
            works(actor, message)

    done = run([kills] * 30)
    assert done.ended.pop("0")["status"] == "failed"
    assert {i: r["status"] for i, r in done.ended.items()} == dict.fromkeys("12345", "ok")
    reasons = [r.reason for r in done.retries]
    assert all(reason.endswith(" cpu was lost") for reason in reasons[:LOST])
    assert all(reason == "the worker was lost" for reason in reasons[LOST:])


def test_who_waits_for_a_lost_nodes_place_is_not_counted_on_it(run) -> None:
    done = run([works, is_lost, waits])
    lost, waiting = (use for use in done.heard[-1].uses if use.slot == 1)
    assert (lost.host, lost.state, lost.processes) == ("10.0.0.1", "gone", 1)
    assert (waiting.host, waiting.state, waiting.processes) == ("", "starting", 1)
    assert lost.retries == 1 and waiting.starting_seconds > 0


def test_a_hook_that_crashes_its_worker_is_found(run) -> None:
    done = run([crashes, crashes, works, works], jobs=1)
    assert done.ended["0"]["status"] == "failed"
    assert done.ended["0"]["reason"] == (
        "the worker process died 2 times; the last one was killed by SIGSEGV"
    )


def test_a_node_that_differs_is_left_out_by_name(run) -> None:
    done = run([works, lacks])
    assert done.notes == ["left out: 10.0.0.1 cpu has torch 2.14.0, not 2.15.0"]
    assert {r["worker"] for r in done.ended.values()} == {"10.0.0.0"}
    assert len(done.ended) == 6 and not done.ray.left


def test_without_any_other_the_run_ends(run) -> None:
    with pytest.raises(UserError, match=r"no worker can run this: 10.0.0.0 cpu has torch 2.14"):
        run([lacks, lacks])


def test_actors_that_cannot_start_end_the_run(run) -> None:
    with pytest.raises(UserError, match=r"could not be started: ModuleNotFoundError.*fix this"):
        run([cannot_start] * 8)


def test_a_run_says_what_it_waits_for(run) -> None:
    calls = []

    def late(actor: Actor, message: Message | None) -> None:
        if message is not None:
            works(actor, message)

    ready = PretendedRay.available_resources

    def then(self):
        calls.append(1)
        for actor in self.started:
            actor.said.append(WorkerReady())
        return ready(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PretendedRay, "available_resources", then)
        done = run([late, late], patience=0.02)
    assert done.notes == [
        "no worker has started yet; each takes 1 CPU, and the cluster has 0 CPU, 0 GPU free"
    ]
    assert len(done.ended) == 6 and calls


def test_workers_without_a_place_are_not_waited_for_at_the_end(run) -> None:
    done = run([works, waits])
    assert {r["worker"] for r in done.ended.values()} == {"10.0.0.0"}
