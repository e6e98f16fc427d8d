"""What lth-bench runs on a node of a Ray cluster: an actor for each worker, which starts a worker
process like the local executor's and passes on what is said; and, where no folder is shared, one
actor beside the coordinator, which has the trainings.

All that travels is JSON and the files of trainings, by Ray's calls and its object store. The worker
is a process of its own so that a crash of a hook names its experiment, a time limit can end it, and
its numerics are those of a local run: Ray changes signals, streams and threads of its processes.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lth_bench.running.executors.link import ProcessLink
from lth_bench.running.executors.messages import from_plain, pack, unpack
from lth_bench.running.executors.worker import WorkerConfig
from lth_bench.training.checkpoints.elsewhere import (
    FETCH,
    HAVE,
    MISSING,
    OFFER,
    Files,
    store,
    take,
)
from lth_bench.training.keys import digest

LOOK = 0.5
"""Seconds between looks for experiments that take too long."""
OWN_FOLDER = "LTH_BENCH_NODE_ARTIFACTS"
"""Names the folder of a node that keeps trainings on a disk of its own."""


class Agent:
    """The actor that watches over a worker process."""

    def __init__(
        self,
        config: str,
        *,
        plugins: Mapping[str, bytes],
        environment: Mapping[str, str],
        mark: str,
        shelf: Any,
    ) -> None:
        """`config` is a WorkerConfig as JSON, whose one-file `plugins` are given as path → content;
        `environment` has the coordinator's variables, over which the node's own go. `mark` names a
        file in the coordinator's artifacts: who sees it shares the folder. Others ask the `shelf`.
        """
        os.environ.update({k: v for k, v in environment.items() if k not in os.environ})
        known: WorkerConfig = from_plain(WorkerConfig, json.loads(config))
        self._node = _node(known.device)
        artifacts, shared = _artifacts(known.artifacts, mark)
        known = replace(
            known,
            name=self._node,
            devices=_neighbours(known.device),
            artifacts=artifacts,
            data_root=_data_root(known.data_root),
            plugins=tuple(_plugin(Path(path), text) for path, text in plugins.items()),
        )
        theirs = None if shared else self._fetching(known, shelf)
        # no server to fork from: each actor has one worker
        self._link = ProcessLink(get_context("spawn"), known, theirs)

    def _fetching(self, config: WorkerConfig, shelf: Any) -> Connection:
        config.artifacts.mkdir(parents=True, exist_ok=True)
        starts = config.artifacts / "starts"
        starts.mkdir(exist_ok=True)
        for name, content in _ray_get(shelf.starts.remote(os.listdir(starts))).items():
            aside = starts / f".{name}.{os.getpid()}"
            aside.write_bytes(content)
            aside.rename(starts / Path(name).name)
        ours, theirs = get_context("spawn").Pipe()
        passing_on = (ours, config.artifacts / "trainings", shelf)
        threading.Thread(target=_pass_on, args=passing_on, daemon=True).start()
        return theirs

    def say(self, message: str) -> None:
        """Tell the worker something."""
        self._link.send(unpack(json.loads(message)))

    def hear(self) -> str:
        """What the worker has said since the last time, as soon as there is something; with the
        node's name, as JSON. The last message is an Ended.
        """
        link, said = self._link, list[dict[str, Any]]()
        while not said:
            wait([link.pipe, link.process.sentinel], LOOK)
            link.expire()
            while (message := link.receive()) is not None:
                said.append(pack(message))
            if (ended := link.ended()) is not None:
                said.append(pack(ended))
        return json.dumps({"node": self._node, "said": said})

    def terminate(self) -> None:
        """Let the worker save what it trains, and end."""
        self._link.terminate()


def _node(device: str) -> str:
    """What messages and records call this worker."""
    import ray

    ids = ray.get_gpu_ids() if device != "cpu" else []
    gpu = f"cuda:{ids[0]}" if ids else device
    return f"{ray.util.get_node_ip_address()} {gpu}"


def _neighbours(device: str) -> tuple[str, ...]:
    """The devices of all workers that this node has room for, which share its memory."""
    import ray

    here, kind = ray.get_runtime_context().get_node_id(), "CPU" if device == "cpu" else "GPU"
    nodes = [node for node in ray.nodes() if node["NodeID"] == here]
    return (device,) * max(1, int(sum(node["Resources"].get(kind, 0) for node in nodes)))


def _artifacts(theirs: Path, mark: str) -> tuple[Path, bool]:
    """The folder of trainings here, and whether it is the coordinator's."""
    if named := os.environ.get(OWN_FOLDER):
        return Path(named).expanduser().absolute(), False
    if (theirs / mark).is_file():
        return theirs, True
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"lth-bench-{user}" / digest([str(theirs)])[:16], False


def _data_root(theirs: Path) -> Path:
    """The node's own, if it names one; the coordinator's, if it is here; or the usual one."""
    from lth_bench.data.root import data_root

    if os.environ.get("LTH_BENCH_DATA") or not theirs.is_dir():
        return data_root().absolute()
    return theirs


def _plugin(path: Path, content: bytes) -> Path:
    """A one-file plugin: at its path, where the folder is shared, or a copy of the same name."""
    try:
        if path.read_bytes() == content:
            return path
    except OSError:
        pass
    copy = Path(tempfile.mkdtemp(prefix="lth-bench-plugin-")) / path.name
    copy.write_bytes(content)
    return copy


def _pass_on(way: Connection, root: Path, shelf: Any) -> None:
    """Answer a worker that wants a training, or has finished one, until it ends."""
    while True:
        try:
            what, _, key = way.recv_bytes().decode().partition(" ")
            answer = HAVE
            if what.encode() == FETCH:
                found = _ray_get(shelf.take.remote(key))
                if found is None:
                    answer = MISSING
                else:
                    store(root, key, *found)
            elif what.encode() == OFFER and _ray_get(shelf.has.remote(key)):
                pass
            elif (own := take(root, key)) is not None:
                answer = _ray_get(shelf.store.remote(key, *own)).encode() or HAVE
            way.send_bytes(answer)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except OSError as error:
            way.send_bytes(f"cannot store a training in {root}: {error}".encode())


def _ray_get(answer: Any) -> Any:
    import ray

    return ray.get(answer)


class Shelf:
    """The actor beside the coordinator that has its trainings."""

    def __init__(self, artifacts: str) -> None:
        self._artifacts = Path(artifacts)

    def starts(self, known: Sequence[str]) -> Files:
        """The files that trainings start from, but those known."""
        folder = self._artifacts / "starts"
        files = folder.iterdir() if folder.is_dir() else ()
        return {f.name: f.read_bytes() for f in files if f.name not in known and f.is_file()}

    def has(self, key: str) -> bool:
        """Whether a training is here."""
        return (self._artifacts / "trainings" / key / "training.json").is_file()

    def take(self, key: str) -> tuple[float, Files] | None:
        """A training."""
        return take(self._artifacts / "trainings", key)

    def store(self, key: str, at: float, files: Files) -> str:
        """Keep a training; what went wrong, or ""."""
        try:
            store(self._artifacts / "trainings", key, at, files)
        except OSError as error:
            return (
                f"cannot store a training in {self._artifacts}: {error}. Everything recorded "
                "before is safe. Free some space, then rerun the command to resume"
            )
        return ""
