"""Where the experiments of a run are trained: on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from lth_bench.running.provenance import describe
from lth_bench.suite.spec import devices_per_training
from lth_bench.system import devices
from lth_bench.system.devices import Devices

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.executors.probe import Probed
    from lth_bench.running.executors.schedule import Schedule
    from lth_bench.running.executors.worker import WorkerConfig
    from lth_bench.running.plan import Planned
    from lth_bench.running.progress import Listener
    from lth_bench.running.request import Execution
    from lth_bench.suite.spec import Suite


class Workplace(Protocol):
    """A machine, or several."""

    devices: Devices
    """Those to train on."""
    workers: list[str]
    """The device of each worker."""

    @property
    def here(self) -> list[str]:
        """Of those on this machine, for which the data is opened here first."""

    def require_dtype(self, dtype: str, recipe: str) -> None:
        """UserError where its devices have no units for the dtype that a recipe asks for."""

    def gather(self, each: int) -> None:
        """Give every worker so many devices. UserError where there are fewer."""

    def probe(self) -> None:
        """Leave out devices that cannot be used. UserError where none is left."""

    def describe(self) -> dict[str, Any]:
        """What the results say of it."""

    def run(
        self,
        config: WorkerConfig,
        work: Sequence[Planned] | Schedule,
        handle: Listener,
        *,
        planned: Iterable[Planned],
        registry: Registry,
    ) -> None:
        """Run experiments; `planned` are those, or the first of them, that workers must be able
        to run.
        """


class ThisMachine:
    """One process a GPU, or one a CPU core."""

    def __init__(self, execution: Execution) -> None:
        from lth_bench.running.executors.processes import get_ready

        get_ready()  # workers import while this process does
        self._asked = execution.workers
        self._each = 1
        self._probed: list[Probed] = []
        self.devices = devices.choose(execution.device)
        self.workers = devices.workers_for(self.devices.names, self._asked)

    @property
    def here(self) -> list[str]:
        """All of them."""
        return self.workers

    def require_dtype(self, dtype: str, recipe: str) -> None:
        """UserError where a device has no units for it."""
        devices.check_dtype(dtype, self.devices.names, recipe)

    def gather(self, each: int) -> None:
        """Give every worker so many devices. UserError where there are fewer."""
        self._each = each
        self.workers = devices.workers_for(self.devices.names, self._asked, each)

    def probe(self) -> None:
        """Ask every GPU."""
        from lth_bench.running.executors.probe import usable

        self.devices, self._probed = usable(self.devices)
        self.workers = devices.workers_for(self.devices.names, self._asked, self._each)

    def describe(self) -> dict[str, Any]:
        """This machine."""
        return describe(self.devices.names, self._probed)

    def run(
        self,
        config: WorkerConfig,
        work: Sequence[Planned] | Schedule,
        handle: Listener,
        *,
        planned: Iterable[Planned],
        registry: Registry,
    ) -> None:
        """Run experiments in worker processes, which have what this one has."""
        from lth_bench.running.executors.local import LocalExecutor

        del planned, registry
        LocalExecutor(config, self.workers).run(work, handle)


def require_hardware(place: Workplace, suite: Suite) -> None:
    """Arrange a place's devices as the suite's recipes need them. UserError where it cannot."""
    for task in suite.tasks:
        dtype = str(task.recipe.get("dtype", "float32"))
        place.require_dtype(dtype, task.recipe_name)
    place.gather(devices_per_training(suite))


@contextmanager
def open_place(execution: Execution) -> Iterator[Workplace]:
    """Where a run is to train. UserError where it cannot."""
    if execution.executor == "local":
        yield ThisMachine(execution)
        return
    from lth_bench.running.executors.ray_cluster import RayCluster, connected

    with connected(execution.address, execution.workers) as ray:
        yield RayCluster(ray, execution)
