"""GPUs are asked by processes of their own; whatever becomes of those, there is an answer."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_bench.errors import UserError
from lth_bench.running.executors import probe as module
from lth_bench.running.executors.probe import Probed, probe, usable
from lth_bench.running.provenance import describe
from lth_bench.system.devices import Devices

PATIENCE = 240.0
"""Seconds that a busy machine has for answers that come."""
CHILD = """
import os, signal, time

def child(pipe, device, environment):
    what = environment["LTH_BENCH_TEST_ANSWERS"].split(",")[int(device[5:])]
    if what == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hangs":
        time.sleep(600)
    error = None if what == "well" else what
    pipe.send({"device": device, "name": "NVIDIA X", "uuid": "GPU-" + device[5:],
               "free": 9 * 10**9, "total": 10**10, "error": error})
"""


@pytest.fixture
def answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], list[str]]]:
    """`answers("well,dies")`: what each GPU answers; the names of them."""
    (tmp_path / "probed_by_tests.py").write_text(CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    fake = importlib.import_module("probed_by_tests")
    monkeypatch.setattr(module, "_child", fake.child)

    def make(what: str) -> list[str]:
        monkeypatch.setenv("LTH_BENCH_TEST_ANSWERS", what)
        return [f"cuda:{i}" for i in range(len(what.split(",")))]

    yield make
    assert multiprocessing.active_children() == []
    del sys.modules["probed_by_tests"]


def test_every_gpu_is_probed(answers: Callable[[str], list[str]]) -> None:
    found = probe(answers("well,dies,it is full"), deadline=PATIENCE)
    assert [p.device for p in found] == ["cuda:0", "cuda:1", "cuda:2"]
    assert [p.error for p in found] == [
        None, "asking it ended the process (code -11)", "it is full",
    ]  # fmt: skip
    assert (found[0].uuid, found[0].free) == ("GPU-0", 9 * 10**9)


def test_a_gpu_that_hangs_is_not_waited_for(answers: Callable[[str], list[str]]) -> None:
    found = probe(answers("hangs"), deadline=0.2)
    assert [p.error for p in found] == ["it did not answer within 0 s"]


def test_only_working_gpus_are_used(answers: Callable[[str], list[str]]) -> None:
    names = tuple(answers("it is full,well,well"))
    left, found = usable(Devices(names), PATIENCE)
    assert left.names == ("cuda:1", "cuda:2")
    assert left.notes == ("cuda:0 is left out: it is full",)
    assert [p.device for p in found] == ["cuda:1", "cuda:2"]


@pytest.mark.parametrize(("what", "named"), [("it is full,well", True), ("it is full", False)])
def test_a_gpu_named_by_the_user_must_work(
    answers: Callable[[str], list[str]], what: str, named: bool
) -> None:
    with pytest.raises(UserError) as error:
        usable(Devices(tuple(answers(what)), named=named), PATIENCE)
    message = error.value.message
    assert message.startswith("cuda:0 cannot be used: it is full. This machine has: cpu")
    assert ("cuda:1 (NVIDIA X, 9.0 of 10.0 GB free)" in message) == named


def test_a_cpu_is_not_probed() -> None:
    assert usable(Devices(("cpu",))) == (Devices(("cpu",)), [])


def told(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> Probed:
    monkeypatch.setattr("lth_bench.system.devices.use", lambda device: None)
    for name, function in functions.items():
        monkeypatch.setattr(torch.cuda, name, function)
    return module.ask("cuda:1")


def test_a_full_gpu_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB. GPU 1 …")

    assert told(monkeypatch, get_device_properties=full).error == "its memory is full"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_an_error() -> None:
    """By a real process."""
    (found,) = probe(["cuda:0"])
    assert found.device == "cuda:0"
    assert found.error
    assert "\n" not in found.error


def test_the_environment_of_a_run_names_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA X")
    one = Probed(device="cuda:0", name="NVIDIA X", uuid="GPU-7", capability="9.0", free=9, total=10)
    about = describe(["cuda:0"], [one])
    assert (about["device"], about["visible"]) == ("NVIDIA X", "1,3")
    assert about["gpus"] == [
        {"device": "cuda:0", "name": "NVIDIA X", "uuid": "GPU-7", "capability": "9.0", "free": 9,
         "total": 10}
    ]  # fmt: skip
    here = describe(["cpu"])
    assert (here["gpus"], here["visible"]) == ([], None)
