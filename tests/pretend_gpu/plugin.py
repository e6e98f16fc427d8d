"""Fixtures of the pretend GPU, for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SITE = Path(__file__).parent / "site"


@pytest.fixture(scope="session")
def can_pretend() -> None:
    """Skips what needs a pretend GPU where this torch allows none, by name and with the reason."""
    from pretend_gpu.patches import unsupported

    if why := unsupported():
        pytest.skip(f"no GPU can be pretended here: {why}")


@pytest.fixture
def pretend_gpu(can_pretend: None, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The machine with one pretend GPU; `@pytest.mark.gpus(devices=2)` changes it. No race may be
    left at the end: where one is the point, the test clears `races`.
    """
    from pretend_gpu.patches import pretend

    mark = request.node.get_closest_marker("gpus")
    with pretend(**(mark.kwargs if mark else {})) as machine:
        yield machine
        assert not machine.races, machine.races


@pytest.fixture
def gpu_env(can_pretend: None, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """`gpu_env(devices=2, …)`: variables with which a Python process, its workers included, sees
    pretend GPUs. What they note lies in `tmp_path / "gpu.log"`, a line of JSON each.
    """
    from pretend_gpu.machine import Machine
    from pretend_gpu.patches import VARIABLE

    def make(**options: Any) -> dict[str, str]:
        options.setdefault("log", tmp_path / "gpu.log")
        before = os.environ.get("PYTHONPATH", "")
        return {
            VARIABLE: Machine(**options).as_text(),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(SITE), before])),
        }

    return make
