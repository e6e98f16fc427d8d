"""What `--device` names, and what is said where there is no such device."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from lth_bench.errors import UserError
from lth_bench.system import devices, gpus
from lth_bench.system.devices import Devices, all_of, choose, too_few, workers_for

H200, T400 = "NVIDIA H200", "NVIDIA T400"
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL: http://… Alternatively, …"
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`machine(H200, H200, said=…, built="13.2", driver=True)`: its GPUs, and CUDA's error."""
    monkeypatch.delenv(gpus.VISIBLE, raising=False)

    def make(*kinds: str, said: str = "", built: str | None = "13.2", driver: bool = True) -> None:
        def is_available() -> bool:
            if said:
                warnings.warn(f"CUDA initialization: {said}", stacklevel=2)
            return bool(kinds)

        def init() -> None:
            if said:
                raise RuntimeError(said)

        monkeypatch.setattr(torch.cuda, "is_available", is_available)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(kinds))
        monkeypatch.setattr(torch.cuda, "init", init)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: kinds[i])
        monkeypatch.setattr(
            torch.cuda,
            "get_device_properties",
            lambda i: SimpleNamespace(name=kinds[i], total_memory=141e9),
        )
        monkeypatch.setattr(torch.version, "cuda", built)
        monkeypatch.setattr(gpus, "driver", lambda: driver)

    return make


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("auto", ("cuda:0", "cuda:1")),
        ("cuda", ("cuda:0", "cuda:1")),
        ("cuda:1", ("cuda:1",)),
        ("cuda:1,cuda:0,cuda:1", ("cuda:1", "cuda:0")),
        ("cpu", ("cpu",)),
    ],
)
def test_two_gpus(machine: Callable[..., None], asked: str, names: tuple[str, ...]) -> None:
    machine(H200, H200)
    assert choose(asked) == Devices(names, (), named="cuda:" in asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("cuda:3", "no device 'cuda:3' on this machine; it has: cpu, cuda:0 (NVIDIA H200, 141 GB)"),
        ("cuda:0,cuda:2", "no device 'cuda:2'"),
        ("cuda:-1", "--device takes auto, cpu, cuda (every GPU of one kind), cuda:N, or several"),
        ("cuda:", "but got 'cuda:'; this machine has: cpu, cuda:0"),
        ("cuda:0,cpu", "--device takes"),
        ("gpu", "--device takes"),
        ("CUDA", "--device takes"),
        ("", "--device takes"),
        ("cuda:0,", "--device takes"),
    ],
)  # fmt: skip
def test_no_such_device(machine: Callable[..., None], asked: str, said: str) -> None:
    machine(H200, H200)
    with pytest.raises(UserError) as error:
        choose(asked)
    assert said in error.value.message
    assert "cuda:1 (NVIDIA H200, 141 GB)" in error.value.message
    assert error.value.exit_code == 4


@pytest.mark.parametrize("asked", ["mps", "MPS", "mps:0", "cuda:0,mps", "xpu", "rocm"])
def test_gpus_that_nothing_is_written_for(machine: Callable[..., None], asked: str) -> None:
    machine(H200, H200)
    with pytest.raises(UserError, match=r"on the CPU and on NVIDIA's GPUs, not on .+'s") as error:
        choose(asked)
    assert "use --device cpu" in error.value.message
    assert error.value.exit_code == 4


def test_auto_on_a_mac_says_that_its_gpu_is_not_used(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(built=None, driver=False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    chosen = choose("auto")
    assert chosen.names == ("cpu",)
    assert "Apple's GPU (mps)" in chosen.notes[0]


def test_what_the_variable_hides_is_said(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(H200)
    monkeypatch.setenv(gpus.VISIBLE, "GPU-8a1b")
    with pytest.raises(UserError, match=r"\(as CUDA_VISIBLE_DEVICES=GPU-8a1b leaves it\)"):
        choose("cuda:1")


def test_of_several_kinds_only_those_like_the_first(machine: Callable[..., None]) -> None:
    machine(H200, T400, H200)
    for asked in ("auto", "cuda"):
        chosen = choose(asked)
        assert chosen.names == ("cuda:0", "cuda:2")
        (note,) = chosen.notes
        assert note.startswith("cuda:1 (NVIDIA T400) is left out")
        assert "--device cuda:0,cuda:1" in note
    assert choose("cuda:0,cuda:1").names == ("cuda:0", "cuda:1")


@pytest.mark.parametrize(
    ("about", "visible", "said"),
    [
        (dict(built=None, driver=False), None, "is built without CUDA; install a build with it"),
        (dict(built=None), None, "there is an NVIDIA driver, but this torch"),
        (dict(said=TOO_OLD), None, "too old (found version 11040), and this torch"),
        (dict(said=TOO_OLD), None, "is built for CUDA 13.2; upgrade the driver, or install"),
        (dict(said="Found no NVIDIA driver on your system. Please check …", driver=False), None,
         "there is no NVIDIA driver"),
        (dict(said="No CUDA GPUs are available"), "", "is set to nothing, which hides every GPU"),
        (dict(said="No CUDA GPUs are available"), "7", "CUDA_VISIBLE_DEVICES=7 names no GPU"),
        (dict(said="No CUDA GPUs are available"), None, "the driver finds no GPU"),
        (dict(said="CUDA unknown error - this may be due to an incorrectly set up environment, "
                   "e.g. …"), None, "CUDA says: CUDA unknown error"),
        (dict(), None, "the driver finds no GPU"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "cuda:0,cuda:1"])
def test_why_there_is_none(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch, about: dict[str, object],
    visible: str | None, said: str, asked: str,
) -> None:  # fmt: skip
    machine(**about)
    if visible is not None:
        monkeypatch.setenv(gpus.VISIBLE, visible)
    with pytest.raises(UserError) as error:
        choose(asked)
    assert error.value.message.startswith(f"no device {asked!r}: ")
    assert said in error.value.message
    assert error.value.message.endswith("This machine has: cpu (or say auto)")
    assert "\n" not in error.value.message


def test_auto_says_so_where_a_gpu_was_expected(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(said=TOO_OLD)
    chosen = choose("auto")
    assert chosen.names == ("cpu",)
    assert chosen.notes[0].startswith("on the CPU: The NVIDIA driver on your system is too old")
    machine(said="Found no NVIDIA driver on your system. Please …", driver=False)
    assert choose("auto") == Devices(("cpu",))
    machine(said="No CUDA GPUs are available")
    monkeypatch.setenv(gpus.VISIBLE, "7")
    assert "names no GPU of this machine" in choose("auto").notes[0]
    for hidden in ("", "-1"):  # somebody wants the CPU
        monkeypatch.setenv(gpus.VISIBLE, hidden)
        assert choose("auto") == Devices(("cpu",))


def test_workers_go_round_the_devices() -> None:
    assert workers_for(("cuda:0", "cuda:2"), None) == ["cuda:0", "cuda:2"]
    assert workers_for(("cuda:0", "cuda:2"), 3) == ["cuda:0", "cuda:2", "cuda:0"]
    assert workers_for(("cpu",), 3) == ["cpu"] * 3
    assert len(workers_for(("cpu",), None)) == devices.cores()


def test_workers_with_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = ("cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:4")
    assert workers_for(gpus, None, 2) == ["cuda:0,cuda:1", "cuda:2,cuda:3"]  # one is left over
    assert workers_for(gpus, 1, 2) == ["cuda:0,cuda:1"]
    assert all_of(workers_for(gpus, None, 2)) == list(gpus[:4])
    monkeypatch.setattr(devices, "cores", lambda: 3)
    assert workers_for(("cpu",), None, 2) == ["cpu,cpu"]
    with pytest.raises(UserError, match=r"trains on 4 devices at once, but the run has 3 CPU c"):
        workers_for(("cpu",), None, 4)
    with pytest.raises(UserError, match=r"trains on 8 .* has cuda:0, cuda:1.*devices=5"):
        workers_for(gpus, None, 8)
    assert workers_for(gpus[:1], None, 2, imagined=True) == ["cuda:0,cuda:0"]
    assert len(too_few(gpus, 8)) == 1 and too_few(gpus, 5) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_this_machine() -> None:
    assert gpus.count() == 0
    assert gpus.described() == "cpu"
    why, do = gpus.why_none()
    assert why and do


def test_a_caller_s_settings_come_back() -> None:
    threads, tiny = torch.get_num_threads(), torch.tensor([1e-310], dtype=torch.float64)
    with devices.prepared("cpu"):
        assert torch.get_num_threads() == 1
        assert not float(tiny * 1)  # flushed
        torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads
    assert float(tiny * 1) > 0
