"""A Ray cluster: one that runs, or one that is started here for a run and ends with it.

Ray's processes listen on the network, and who can talk to them can run code. So every cluster is
used with Ray's token authentication, and one that is started here has a token of its own, known to
no file, and talks over the loopback interface alone.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import asdict, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.running.executors.probe import Probed, ask
from lth_bench.running.provenance import describe
from lth_bench.system.devices import Devices, check_dtype, cores

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.executors.schedule import Schedule
    from lth_bench.running.executors.worker import WorkerConfig
    from lth_bench.running.plan import Planned
    from lth_bench.running.progress import Listener
    from lth_bench.running.request import Execution

MODE, TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""0 makes Ray use 127.0.0.1 as the address of its node, on every system."""
ANSWERING = 10.0
"""Seconds for a cluster's first answer."""
PROBING = 600.0
"""Seconds for a GPU's answer: an autoscaler may have to start its machine first."""


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address, at `RAY_ADDRESS`, or to one that is started
    here. UserError where there is none.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None and "://" in address:
        raise UserError(
            f"--address takes HOST:PORT of a cluster that this machine is a node of, or auto, but "
            f"got {address!r}; from elsewhere send the command itself: "
            f"`ray job submit --address http://HOST:8265 -- lth-bench run …`"
        )
    before = {name: os.environ.get(name) for name in (MODE, TOKEN, LOOPBACK)}
    try:
        if address is None:
            # before the import, which reads them
            os.environ[TOKEN] = _own_token()
            os.environ[LOOPBACK] = "0"
            os.environ[MODE] = "token"
        else:
            os.environ.setdefault(MODE, "token")
        ray = _imported()
        if ray.is_initialized():  # by whom called `lth_bench.run`, whose cluster it stays
            yield ray
            return
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        where: dict[str, Any] = {"address": address}
        if address is not None:
            _require_reachable(address)
        if address is None:
            where = {"address": "local", "num_cpus": workers or cores(), "include_dashboard": False}
        try:
            # Ray puts the current folder on the path of every worker: a stranger's random.py would
            # run there
            with chdir("/"):
                ray.init(**where, **quiet)
        except Exception as error:  # ConnectionError, RuntimeError, and Ray's own
            raise UserError(_why(error, address)) from error
        try:
            _keep_stdout(ray)
            yield ray
        finally:
            ray.shutdown()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _require_reachable(address: str) -> None:
    """UserError where nothing answers: Ray itself tries for more than eight minutes."""
    host, _, port = address.rpartition(":")
    if address in ("auto", "local"):
        return
    if not (host and port.isdigit()):
        raise UserError(f"--address takes HOST:PORT of a Ray cluster, or auto, but got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWERING).close()
    except (OSError, OverflowError) as error:
        raise UserError(_why(error, address)) from error


def _keep_stdout(ray: Any) -> None:
    """Ray prints what happens to nodes on stdout, with its logs off too; that is the command's. Its
    debugger silences it in the same way, since no option does.
    """
    if (worker := getattr(getattr(ray, "_private", None), "worker", None)) is not None:
        worker._worker_logs_enabled = False


@cache
def _own_token() -> str:
    """One for this process: Ray reads it once."""
    return secrets.token_hex(32)


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            '--executor ray needs Ray: pip install "ray>=2.60"; without it, '
            "--executor local uses this machine"
        ) from error
    return ray


def _why(error: Exception, address: str | None) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    what = f"{type(error).__name__}: {text}"
    if address is None:
        return f"no Ray cluster can be started here: {what}"
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) is not None:
        return (
            f"no Ray cluster can be reached at {address}: {what}. `ray status --address {address}` "
            f"tells more; `ray start --head` starts one"
        )
    return (
        f"the Ray cluster at {address} cannot be joined: {what}. If it was started with another "
        f"token, set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to it; `ray status --address {address}` "
        f"tells more"
    )


class RayCluster:
    """The nodes of a cluster: a worker a GPU, or a worker a CPU."""

    def __init__(self, ray: Any, execution: Execution) -> None:
        self._ray, self._asked = ray, execution.workers
        self._probed: list[Probed] = []
        total = ray.cluster_resources()
        self._gpus, self._cpus = total.get("GPU", 0.0), int(total.get("CPU", 0))
        self.devices = self._chosen(execution.device)
        self.gather(1)
        self.here = ["cpu"]
        """This machine reads the data, and trains only where it is a node too."""

    def gather(self, each: int) -> None:
        """Give every worker so many devices of one node. UserError where the cluster has fewer."""
        slots = int(self._gpus if self._on_gpus else self._cpus)
        count = self._asked or slots // each
        if count < 1:
            raise UserError(
                f"the cluster has {slots} {'GPUs' if self._on_gpus else 'CPUs'}, and a worker "
                f"takes {each} of one node; start more, or say how many workers to wait for "
                f"with --workers N"
            )
        names = [f"cuda:{i}" for i in range(each)] if self._on_gpus else ["cpu"] * each
        self._each, self.workers = each, [",".join(names)] * count
        note = (
            f"{self._share} workers share a GPU: {count} were asked for, and the cluster has "
            f"{self._gpus:g} GPUs now; for a GPU each, start when all have joined"
        )
        self.devices = replace(self.devices, notes=(note,) if self._share > 1 else ())

    @property
    def _on_gpus(self) -> bool:
        return self.devices.names != ("cpu",)

    def _chosen(self, asked: str) -> Devices:
        if asked == "cpu" or (asked == "auto" and not self._gpus):
            return Devices(("cpu",))
        if asked not in ("auto", "cuda"):
            raise UserError(
                f"--device takes auto, cpu or cuda with --executor ray, but got {asked!r}: Ray "
                f"chooses which GPU a worker has"
            )
        if not self._gpus and self._asked is None:
            raise UserError(
                "no node of the cluster has a GPU; use --device cpu, or, where an autoscaler "
                "starts nodes with GPUs, say how many workers with --workers N"
            )
        return Devices(("cuda:0",))  # as Ray shows a worker its own

    @property
    def resources(self) -> dict[str, float]:
        """What Ray keeps for each worker: part of a GPU where there are more workers than that."""
        if not self._on_gpus:
            return {"num_cpus": self._each}
        if self._each > 1:
            return {"num_cpus": self._each, "num_gpus": self._each}
        share = self._share
        return {"num_cpus": 1, "num_gpus": round(1 / share, 4) if share > 1 else 1}

    @property
    def _share(self) -> int:
        """Workers on one GPU."""
        alone = not self._on_gpus or self._each > 1 or not self._gpus
        return 1 if alone else math.ceil(len(self.workers) / self._gpus)

    def require_dtype(self, dtype: str, recipe: str) -> None:
        """Nodes are taken for alike; of their GPUs this machine knows nothing."""
        if not self._on_gpus:
            check_dtype(dtype, self.here, recipe)

    def probe(self) -> None:
        """Ask one GPU, which tells the kind; workers on another kind are left out later."""
        if not self._on_gpus or self._probed:
            return
        task = self._ray.remote(_probe).options(**self.resources).remote()
        try:
            found = Probed(**self._ray.get(task, timeout=PROBING))
        except self._ray.exceptions.RayError as error:
            raise UserError(f"no GPU of the cluster answered: {str(error)[:200]}") from error
        if found.error is not None:
            raise UserError(f"a GPU of the cluster cannot be used: {found.error}")
        self._probed = [found]

    def describe(self) -> dict[str, Any]:
        """The cluster, as the results record it."""
        self.probe()
        about = describe(("cpu",), self._probed)
        device = self._probed[0].name if self._probed else "cpu"
        nodes = [
            {"address": node["NodeManagerAddress"], "resources": _counts(node["Resources"])}
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        used = {"ray": self._ray.__version__, "nodes": nodes}
        return {**about, "device": device, "devices": self.workers, "cluster": used}

    def run(
        self,
        config: WorkerConfig,
        work: Sequence[Planned] | Schedule,
        handle: Listener,
        *,
        planned: Iterable[Planned],
        registry: Registry,
    ) -> None:
        """Run experiments on the nodes that have what this machine has."""
        from lth_bench.running.executors.needs import needed
        from lth_bench.running.executors.ray_executor import RayExecutor

        device = self._probed[0].name if self._probed else "cpu"
        needs = needed((item.experiment for item in planned), registry, device)
        config = replace(config, needs=needs, plugins=tuple(registry.files))
        with RayExecutor(self._ray, config, self.workers, self.resources) as executor:
            executor.run(work, handle)


def _probe() -> dict[str, Any]:
    """On a node: what its GPU answers."""
    return asdict(ask("cuda:0"))


def _counts(resources: dict[str, float]) -> dict[str, float]:
    return {name: resources[name] for name in ("CPU", "GPU") if name in resources}
