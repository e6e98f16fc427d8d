"""What a result was made with: its data and numerics, which tell whether it still holds, and the
versions, machine and commit that its run records.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lth_bench.system.devices import cpu_name, installed_versions
from lth_bench.system.gpus import VISIBLE

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.running.executors.probe import Probed

PACKAGES = ("lth-bench", "torch", "torchvision", "torch-pruning", "pluggy", "duckdb", "numpy")


@dataclass(frozen=True)
class Provenance:
    """Today's provenance, as far as it is known."""

    numerics: Mapping[str, object]
    """`torch`, `engine` (its revision) and `device`."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Digest of a dataset's configuration → fingerprint of its content."""

    @classmethod
    def of(cls, device: object) -> Provenance:
        """The provenance of results that are trained on a device, by its name in the journal."""
        import torch

        from lth_bench.training.keys import ENGINE_REVISION

        return cls({"torch": torch.__version__, "engine": ENGINE_REVISION, "device": device})

    def fingerprint(self, experiment: Experiment) -> str | None:
        """Of the experiment's data, its source task's included; None where it is not known."""
        from lth_bench.training.keys import digest

        own = self.fingerprints.get(digest(experiment.dataset))
        if experiment.source_task is None or own is None:
            return own
        other = self.fingerprints.get(digest(experiment.source_task.dataset))
        return None if other is None else digest([own, other])


def describe(devices: Sequence[str], probed: Sequence[Probed] = ()) -> dict[str, Any]:
    """The environment of a run, as JSON; `probed` is what its GPUs have answered."""
    import torch

    cuda = [d for d in devices if d.startswith("cuda")]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": installed_versions(PACKAGES),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "device": device_name(devices),
        "devices": list(devices),
        "gpus": [one.as_dict() for one in probed],
        "visible": os.environ.get(VISIBLE) if cuda else None,
        "host": socket.gethostname(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": 1,
        "git": _git(),
    }


def device_name(devices: Sequence[str]) -> str:
    """What the devices are: the name of the first GPU, or `cpu`."""
    import torch

    cuda = [d for d in devices if d.startswith("cuda")]
    return torch.cuda.get_device_name(cuda[0]) if cuda else "cpu"


def _git() -> str | None:
    """The commit of the folder the run was started in, with `-dirty` where files differ.

    A folder that came as an archive brings a .git/config of its author's, and git runs what that
    names: to watch files, to filter their content, to fetch what is missing. None of it runs here;
    where content would be filtered, files are not compared.
    """
    commit = _ask_git("describe", "--always", "--abbrev=12")
    if commit is None or commit.returncode:
        return None
    names = _ask_git("config", "--list", "--includes", "--name-only", "--show-scope")
    filters = re.compile(r"^(local|worktree)\s+filter\.", re.MULTILINE)
    if names is None or names.returncode or filters.search(names.stdout):
        return commit.stdout.strip()
    differ = _ask_git(
        "diff", "--quiet", "--no-ext-diff", "--no-textconv", "--ignore-submodules", "HEAD"
    )
    dirty = differ is not None and differ.returncode == 1
    return commit.stdout.strip() + ("-dirty" if dirty else "")


def _ask_git(*command: str) -> subprocess.CompletedProcess[str] | None:
    """What git says; None where there is none, or it takes longer than 5 s."""
    shut = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", *command],
            env={**os.environ, **shut},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
