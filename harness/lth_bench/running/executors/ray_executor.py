"""The Ray executor: the same workers and the same units of work, on the nodes of a cluster."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lth_bench.running.executors.coordinator import Executor
from lth_bench.running.executors.messages import (
    Ended,
    Message,
    WorkerReady,
    pack,
    to_plain,
    unpack,
)
from lth_bench.running.executors.ranks import on_device
from lth_bench.running.progress import Note

if TYPE_CHECKING:
    from lth_bench.running.executors.stopping import StopSignals
    from lth_bench.running.executors.worker import WorkerConfig

LOOK = 0.2
"""Seconds between looks for a signal: Ray cannot wait for one."""
PATIENCE = 60.0
"""Seconds without any worker, after which the run says what it waits for."""


class RayLink:
    """A worker on a node, through the actor that watches over it."""

    def __init__(self, ray: Any, actor: Any, device: str) -> None:
        self.name, self.host, self.ready = device, "", False
        self._ray, self._actor = ray, actor
        self._heard: deque[Message] = deque()
        self._ended: Ended | None = None
        self.hearing: Any = actor.hear.remote()
        """The answer to what the worker says next; None when it has ended."""

    def collect(self) -> None:
        """Take the answer that has come."""
        try:
            answer = json.loads(self._ray.get(self.hearing))
        except self._ray.exceptions.RayError as error:
            self.hearing = None
            reason = _short(error)
            self._heard.append(
                Ended(
                    how=f"could not be started: {reason}" if not self.ready else "was lost",
                    used=self.ready,
                    lost=f"{self.name} was lost" if self.ready else "",
                )
            )
            return
        self.name = answer["node"]
        self.host = self.name.partition(" ")[0]
        self._heard.extend(map(unpack, answer["said"]))
        dead = bool(self._heard) and isinstance(self._heard[-1], Ended)
        self.hearing = None if dead else self._actor.hear.remote()

    def send(self, message: Message) -> None:
        """Nothing is heard of it where the worker is dead."""
        self._actor.say.remote(json.dumps(pack(message)))

    def receive(self) -> Message | None:
        """The next message that has arrived."""
        while self._heard:
            message = self._heard.popleft()
            if isinstance(message, Ended):
                self._ended = message
                continue
            self.ready = self.ready or isinstance(message, WorkerReady)
            return message
        return None

    def ended(self) -> Ended | None:
        """How it ended, when all that it sent is received."""
        return None if self._heard else self._ended

    def terminate(self) -> None:
        """Let it save what it trains, and end. One that has no place yet has nothing to save."""
        if self.ready:
            self._actor.terminate.remote()
        else:
            self.kill()
            self.hearing, self._ended = None, Ended(how="was not needed", used=False)

    def kill(self) -> None:
        """End its actor; the worker follows, since its parent is gone."""
        self._ray.kill(self._actor)


class RayExecutor(Executor[RayLink]):
    """Feeds workers on a cluster, and hands their records on."""

    def __init__(
        self,
        ray: Any,
        config: WorkerConfig,
        devices: Sequence[str],
        resources: Mapping[str, float],
    ) -> None:
        """`resources` are those that Ray is to keep for each worker."""
        super().__init__(config, devices)
        self._ray, self._resources = ray, dict(resources)
        self._plugins = {str(file.absolute()): file.read_bytes() for file in config.plugins}
        own = {k: v for k, v in os.environ.items() if k.startswith("LTH_BENCH_")}
        # where this machine's things are is not where a node's are
        places = ("LTH_BENCH_DATA", "LTH_BENCH_CACHE", "LTH_BENCH_RESULTS")
        self._environment = {k: v for k, v in own.items() if k not in places}
        self._mark = f".shared-{uuid.uuid4().hex}"
        self._shelf: Any = None
        self._since = time.monotonic()

    def __enter__(self) -> RayExecutor:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from lth_bench.running.executors.ray_agent import Shelf

        artifacts = self.config.artifacts
        artifacts.mkdir(parents=True, exist_ok=True)
        (artifacts / self._mark).touch()
        here = self._ray.get_runtime_context().get_node_id()
        beside = NodeAffinitySchedulingStrategy(here, soft=False)
        options = {"num_cpus": 0, "scheduling_strategy": beside, "max_concurrency": 4}
        self._shelf = self._ray.remote(Shelf).options(**options).remote(str(artifacts))
        return self

    def __exit__(self, *_: object) -> None:
        (self.config.artifacts / self._mark).unlink(missing_ok=True)
        self._ray.kill(self._shelf)

    def start(self, device: str) -> RayLink:
        """A new actor. It waits until the cluster has a place for it."""
        from lth_bench.running.executors.ray_agent import Agent

        config = replace(on_device(self.config, device), plugins=())
        # `hear` waits on a thread of its own while others are called
        actor = (
            self._ray.remote(Agent)
            .options(**self._resources, max_concurrency=4, max_restarts=0)
            .remote(
                json.dumps(to_plain(config)),
                plugins=self._plugins,
                environment=self._environment,
                mark=self._mark,
                shelf=self._shelf,
            )
        )
        return RayLink(self._ray, actor, device)

    def wait(
        self, links: Sequence[RayLink], stop: StopSignals | None, seconds: float | None = None
    ) -> list[RayLink]:
        """The workers that said something or are lost."""
        end = None if seconds is None else time.monotonic() + seconds
        by_answer = {link.hearing: link for link in links if link.hearing is not None}
        while by_answer:
            found, _ = self._ray.wait(list(by_answer), num_returns=1, timeout=LOOK)
            if found:
                found, _ = self._ray.wait(list(by_answer), num_returns=len(by_answer), timeout=0)
            for answer in found:
                by_answer[answer].collect()
            if found or (stop is not None and stop.reader.poll()):
                return [by_answer[answer] for answer in found]
            if end is not None and time.monotonic() > end:
                return []
            self._tell_what_it_waits_for(links)
        return []

    def _tell_what_it_waits_for(self, links: Sequence[RayLink]) -> None:
        if any(link.ready for link in links):
            self._since = time.monotonic()
        elif time.monotonic() - self._since > PATIENCE:
            self._since = time.monotonic()
            free = self._ray.available_resources()
            have = ", ".join(f"{free.get(k, 0):g} {k}" for k in ("CPU", "GPU"))
            named = {"CPU": "num_cpus", "GPU": "num_gpus"}
            wanted = {k: self._resources.get(v, 0) for k, v in named.items()}
            each = " and ".join(f"{v:g} {k}" for k, v in wanted.items() if v)
            note = f"no worker has started yet; each takes {each}, and the cluster has {have} free"
            self.handle(Note(note))


def _short(error: Exception) -> str:
    """The last line of what Ray says of an actor that failed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
