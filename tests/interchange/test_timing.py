"""What fails on the way is the reason of its own row: all other forms and tickets are timed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import UserError
from lth_bench.interchange.forms import CSRLinear, DeployedForm, forms_of
from lth_bench.interchange.measuring import MeasureRequest, measure
from lth_bench.interchange.saved_ticket import SavedTicket, load_ticket
from lth_bench.interchange.timing import TimingOptions, _agreeing, time_ticket
from lth_bench.output.formats import render_board
from lth_bench.store.reading import reading

pytestmark = pytest.mark.usefixtures("short_blocks")
FEW = TimingOptions(repeats=5, batch_size=4)
CPU = torch.device("cpu")


def out_of_memory(*_: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


class Fragile(nn.Module):
    """Computes what a network computes, a number of times, and then is out of memory."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network = network
        self.calls = calls

    def forward(self, x: Tensor) -> Any:
        self.calls -= 1
        return self.network(x) if self.calls >= 0 else out_of_memory()


@pytest.fixture
def request_(home: Any, tmp_path: Path) -> MeasureRequest:
    """Of Early-Bird's ticket and then IMP's, in a copy of a finished run."""
    shutil.copytree(home.results.parent, tmp_path, dirs_exist_ok=True)
    return MeasureRequest(
        results=tmp_path / home.results.name,
        selection=Selection(densities=(0.2,)),
        strategies=("imp", "early_bird"),
        batch_sizes=(1, 4),
        options=FEW,
    )


def rows(results: Path) -> dict[tuple[str, int, str], dict[str, Any]]:
    """By label, batch size and form."""
    with reading(results) as con:
        found = leaderboard(con, Question(by="latency")).rows
    return {(r["label"], r["batch_size"], r["form"]): dict(r) for r in found}


def shown(results: Path) -> str:
    with reading(results) as con:
        return " ".join(render_board(leaderboard(con, Question(by="latency")), "table").split())


def of_early_bird(
    monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[Any], Any]
) -> None:
    """Change what a method of `SavedTicket` returns for Early-Bird's ticket."""
    real = getattr(SavedTicket, method)

    def changed(self: SavedTicket, *args: Any) -> Any:
        found = real(self, *args)
        return change(found) if self.recipe["strategy"] == "early_bird" else found

    monkeypatch.setattr(SavedTicket, method, changed)


def test_a_ticket_that_does_not_fit_ends_nothing(
    request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(network: nn.Module) -> nn.Module:
        network.register_forward_pre_hook(lambda _, xs: out_of_memory() if len(xs[0]) > 1 else None)
        return network

    with monkeypatch.context() as patched:
        of_early_bird(patched, "module", too_large)
        lines: list[str] = []
        report = measure(request_, lines.append)
    assert (report.measured, report.without_values) == (2, ())
    assert "batch 4: masked not timed: OutOfMemoryError: CUDA out of memory" in lines[0]
    found = rows(request_.results)
    masked = found["early_bird", 4, "masked"]
    assert masked["n"] == 0
    assert str(masked["reason"]).startswith("OutOfMemoryError: CUDA out of memory")
    assert "OutOfMemoryError" in found["early_bird", 4, "csr"]["reason"]
    for timed in (("early_bird", 4, "dense"), ("early_bird", 1, "masked"), ("imp", 4, "csr")):
        assert found[timed]["n"] == 1
        assert found[timed]["median_seconds"] > 0
    told = shown(request_.results)
    assert "masked: not available for early_bird at 20.00%; OutOfMemoryError: CUDA out of" in told
    again = measure(replace(request_, batch_sizes=(4,)), lines.append)
    assert (again.measured, again.known) == (1, 1)  # only what failed is tried again
    assert rows(request_.results)["early_bird", 4, "csr"]["n"] == 1


def test_what_a_kernel_lacks_is_its_forms_reason(
    request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CSRLinear, "forward", out_of_memory)
    assert measure(request_, lambda _: None).measured == 2
    found = rows(request_.results)
    assert {row["n"] for (_, _, form), row in found.items() if form == "csr"} == {0}
    assert {row["n"] for (_, _, form), row in found.items() if form in ("dense", "masked")} == {1}
    assert "CSR: not available; OutOfMemoryError: CUDA out of memory" in shown(request_.results)


def test_without_the_dense_network_there_are_times_and_no_speed_ups(
    request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_early_bird(monkeypatch, "unpruned", out_of_memory)
    lines: list[str] = []
    assert measure(request_, lines.append).measured == 2
    assert "batch 1: dense not timed: OutOfMemoryError" in lines[0]
    assert "masked not timed" not in lines[0]
    found = rows(request_.results)
    assert found["early_bird", 1, "masked"]["median_seconds"] > 0
    assert found["early_bird", 1, "masked"]["speedup"] is None
    assert found["imp", 1, "masked"]["speedup"] > 0
    assert "dense: not available for early_bird at 20.00%" in shown(request_.results)


def test_a_ticket_whose_network_raises_is_tried_again(
    request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        of_early_bird(patched, "module", out_of_memory)
        report = measure(request_, lambda _: None)
    assert report.measured == 1
    (why,) = report.without_values
    assert "early_bird on mlp(hidden=[16])/digits, density 0.2, seed 3: OutOfMemoryError" in why
    found = rows(request_.results)
    assert found["early_bird", 1, "dense"]["reason"].startswith("OutOfMemoryError")
    assert found["imp", 4, "masked"]["n"] == 1
    again = measure(request_, lambda _: None)
    assert (again.measured, again.known, again.without_values) == (1, 1, ())
    assert rows(request_.results)["early_bird", 1, "dense"]["n"] == 1


def test_a_ticket_that_cannot_be_loaded_is_named_and_the_others_are_kept(
    request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter((load_ticket, out_of_memory))
    monkeypatch.setattr(
        "lth_bench.interchange.measuring.load_ticket", lambda *a, **k: next(calls)(*a, **k)
    )
    report = measure(request_, lambda _: None)
    assert report.measured == 1
    assert report.without_values[0].startswith("imp on mlp(hidden=[16])/digits")
    assert {label for label, _, _ in rows(request_.results)} == {"early_bird"}


def test_where_none_can_be_timed_the_rows_say_why_all_the_same(
    request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SavedTicket, "module", out_of_memory)
    with pytest.raises(UserError, match=r"no ticket can be timed: early_bird on .*OutOfMemoryEr"):
        measure(request_, lambda _: None)
    assert {row["n"] for row in rows(request_.results).values()} == {0}


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_a_form_that_fails_at_any_time_leaves_the_others(
    home: Any, ticket_id: Any, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """When its outputs are compared, when its block is sized, and in the rounds."""
    ticket = load_ticket(home.results, ticket_id("imp"))

    def forms(*args: Any) -> list[DeployedForm]:
        return [
            replace(form, network=Fragile(form.network, calls))
            if form.name == "csr" and form.network is not None
            else form
            for form in forms_of(*args)
        ]

    monkeypatch.setattr("lth_bench.interchange.timing.forms_of", forms)
    found = {form["form"]: form for form in time_ticket(ticket, FEW)}
    assert str(found["csr"]["reason"]).startswith("OutOfMemoryError")
    assert "median_seconds" not in found["csr"]
    assert found["dense"]["repeats"] == found["masked"]["repeats"] == 5


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (nn.Linear(3, 2), "its outputs differ from the masked network's by"),
        (nn.Linear(3, 4), "its outputs have shape [4, 4], not [4, 2]"),
        (Fragile(nn.Identity(), 0), "OutOfMemoryError: CUDA out of memory"),
    ],
)
def test_a_form_with_other_outputs_is_not_available(other: nn.Module, why: str) -> None:
    torch.manual_seed(0)
    forms = [
        DeployedForm(name="masked", network=nn.Linear(3, 2)),
        DeployedForm(name="csr", network=other),
    ]
    with torch.inference_mode():
        masked, found = _agreeing(forms, torch.randn(4, 3), CPU)
    assert masked.network is not None
    assert found.network is None
    assert str(found.reason).startswith(why)
