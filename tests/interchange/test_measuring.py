"""Tickets are timed, recorded and shown."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lth_bench
from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import NothingSelected, UnknownName, UserError
from lth_bench.interchange.measuring import MeasureRequest, measure
from lth_bench.interchange.timing import TimingOptions, time_ticket
from lth_bench.interchange.watched import Doing
from lth_bench.store import Paths, rebuild
from lth_bench.store.export import export_snapshot
from lth_bench.store.reading import reading

FEW = TimingOptions(repeats=5)


@pytest.fixture(scope="module")
def results(home: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished run."""
    folder = tmp_path_factory.mktemp("measured")
    shutil.copytree(home.results.parent, folder, dirs_exist_ok=True)
    return folder / str(home.results.name)


@pytest.fixture(scope="module")
def request_(results: Path) -> MeasureRequest:
    """Of IMP and Early-Bird at one density."""
    return MeasureRequest(
        results=results,
        selection=Selection(densities=(0.2,)),
        strategies=("imp", "early_bird"),
        batch_sizes=(1, 4, 4),
        options=FEW,
    )


@pytest.fixture(scope="module")
def told(request_: MeasureRequest) -> list[str]:
    """What was said of the first measurement."""
    lines: list[str] = []
    report = measure(request_, lines.append)
    assert (report.measured, report.known, report.without_values) == (2, 0, ())
    return lines


def rows(results: Path) -> list[dict[str, Any]]:
    with reading(results) as con:
        return [dict(row) for row in leaderboard(con, Question(by="latency")).rows]


def test_a_line_for_every_ticket(told: list[str]) -> None:
    assert len(told) == 2
    assert told[0].startswith("1/2 early_bird on mlp(hidden=[16])/digits, density 0.2, seed 3")
    assert "batch 1: masked" in told[0]


def test_ctrl_c_keeps_what_is_measured(home: Any, tmp_path: Path, request_: MeasureRequest) -> None:
    """Pressed while the second ticket's last batch size is timed: the first size is kept too."""
    shutil.copytree(home.results.parent, tmp_path / "r")
    request = replace(request_, results=tmp_path / "r" / home.results.name)
    seen: list[Doing] = []

    def now(doing: Doing) -> None:
        seen.append(doing)
        if doing.number == 2 and doing.what.startswith("batch of 4: csr, round 3 of 5"):
            raise KeyboardInterrupt

    report = measure(request, lambda _: None, now)
    assert (report.measured, report.known, report.left) == (1, 0, 1)
    kept = {(r["label"], r["batch_size"]) for r in rows(request.results)}
    assert kept == {("early_bird", 1), ("early_bird", 4), ("imp", 1)}
    assert [d.share for d in seen] == sorted(d.share for d in seen)
    assert seen[-1].share == pytest.approx((3 + 2 / 5) / 4)
    first = [d.seconds_left for d in seen if d.number == 1 and d.what]
    assert set(first) == {None}  # no size after the first one has been timed
    assert all(d.seconds_left is not None for d in seen if d.number == 2)
    resumed: list[Doing] = []
    report = measure(request, lambda _: None, resumed.append)
    assert (report.measured, report.known, report.left) == (1, 1, 0)
    assert not any("batch of 1:" in d.what for d in resumed)
    assert resumed[-1].share == pytest.approx(1)


@pytest.mark.usefixtures("told")
def test_every_form_is_a_row_with_how_it_was_timed(results: Path) -> None:
    found = rows(results)
    assert {(r["label"], r["batch_size"]) for r in found} == {
        (label, size) for label in ("imp", "early_bird") for size in (1, 4)
    }
    for row in found:
        available = row["form"] not in ("2:4", "shrunk") or row["n"]
        assert (row["reason"] is None) is bool(available)
        if row["n"]:
            assert row["repeats"] == 5
            assert row["clock"] == "cpu"
            assert 0 < row["seconds_low"] <= row["median_seconds"] <= row["seconds_high"]
            assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"]
            assert row["faster"] == (row["speedup_low"] > 1)
    dense = [r for r in found if r["form"] == "dense"]
    assert [r["speedup"] for r in dense] == pytest.approx([1.0] * len(dense))
    shrunk = next(r for r in found if (r["label"], r["form"]) == ("early_bird", "shrunk"))
    assert shrunk["bytes"] < dense[0]["bytes"]


@pytest.mark.usefixtures("told")
def test_the_board_says_what_is_faster_and_what_never_is(results: Path) -> None:
    with reading(results) as con:
        board = leaderboard(con, Question(by="latency"))
    assert [table.title.split(" · ")[-1].partition(" on ")[0] for table in board.tables] == [
        "batch of 1", "batch of 4",
    ]  # fmt: skip
    notes = " ".join(board.tables[0].notes)
    assert "multiplied like any other number" in notes
    assert "CSR, against dense:" in notes
    assert "2:4: not available; this device has no kernels for 2:4 sparsity." in notes


@pytest.mark.usefixtures("short_blocks")
def test_a_batch_size_that_fails_fails_no_rerun(
    home: Any, tmp_path: Path, request_: MeasureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that does not fit the device: the other size has been timed by then."""

    def full(ticket: Any, options: TimingOptions, tell: Any) -> Any:
        if options.batch_size == 4:
            raise RuntimeError("out of memory")
        return time_ticket(ticket, options, tell)

    monkeypatch.setattr("lth_bench.interchange.measuring.time_ticket", full)
    shutil.copytree(home.results.parent, tmp_path / "r")
    request = replace(
        request_, results=tmp_path / "r" / home.results.name, strategies=("early_bird",)
    )
    report = measure(request, lambda _: None)
    assert (report.measured, report.without_values) == (1, ())
    again = measure(request, lambda _: None)
    (why,) = again.without_values
    assert again.measured == 0 and "out of memory" in why
    with pytest.raises(UserError, match=r"no ticket can be timed: .*out of memory"):
        measure(replace(request, batch_sizes=(4,)), lambda _: None)


@pytest.mark.usefixtures("told", "short_blocks")
def test_what_was_timed_is_left_out_unless_asked_for(
    request_: MeasureRequest, results: Path
) -> None:
    before = rows(results)
    report = measure(request_, lambda _: None)
    assert (report.measured, report.known) == (0, 2)
    again = replace(request_, strategies=("imp",), batch_sizes=(4,), again=True)
    assert measure(again, lambda _: None).measured == 1
    after = rows(results)
    assert len(after) == len(before)  # the last time on a device counts
    kept = [(r["label"], r["batch_size"], r["form"]) for r in before]
    assert [(r["label"], r["batch_size"], r["form"]) for r in after] == kept


@pytest.mark.usefixtures("told")
def test_the_rows_survive_a_rebuild_and_a_snapshot(results: Path, tmp_path: Path) -> None:
    before = rows(results)
    rebuild(Paths(results))
    assert rows(results) == before
    export_snapshot(results, tmp_path / "sent.duckdb", ["home"])
    with reading(tmp_path / "sent.duckdb") as con:
        assert len(leaderboard(con, Question(by="latency")).rows) == len(before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_sizes": (0,)}, "--batch must be at least 1 example, but got 0"),
        ({"options": TimingOptions(repeats=2)}, "--repeats must be at least 5.*but got 2"),
        ({"options": TimingOptions(threads=10_000)}, "--threads must be from 1 to .*but got 10000"),
        ({"seeds": 0}, "--seeds must be at least 1 of each label, but got 0"),
        ({"device": "tpu"}, "--device takes .* but got 'tpu'"),
    ],
)
def test_bad_numbers_are_refused_first(
    request_: MeasureRequest, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        measure(replace(request_, **change), lambda _: None)


def test_a_name_or_density_that_is_not_there(request_: MeasureRequest) -> None:
    with pytest.raises(UnknownName, match="unknown strategy 'impp'"):
        measure(replace(request_, strategies=("impp",)), lambda _: None)
    nowhere = Selection(densities=(0.123,))
    with pytest.raises(NothingSelected, match=r"no row with task any and density 0\.123"):
        measure(replace(request_, selection=nowhere), lambda _: None)


@pytest.mark.usefixtures("short_blocks")
def test_results_without_values_or_a_journal(
    request_: MeasureRequest, results: Path, tmp_path: Path
) -> None:
    here, there = Paths(results), Paths(tmp_path / "copied.duckdb")
    shutil.copy(here.journal, there.journal)
    copied = replace(request_, results=there.results, again=True)
    with pytest.raises(UserError, match=r"no ticket can be timed: the values of .* are not in"):
        measure(copied, lambda _: None)
    assert measure(replace(copied, artifacts=(here.artifacts,)), lambda _: None).measured == 2
    export_snapshot(results, tmp_path / "sent.duckdb")
    with pytest.raises(UserError, match="no journal beside it to record times in"):
        measure(replace(request_, results=tmp_path / "sent.duckdb"), lambda _: None)
    assert not Paths(tmp_path / "sent.duckdb").journal.exists()


def test_results_without_measurements_say_how_to_get_them(results: Path) -> None:
    with (
        reading(results) as con,
        pytest.raises(NothingSelected, match="`lth-bench measure` times them on this device"),
    ):
        leaderboard(con, Question(by="latency", selection=Selection(densities=(0.5,))))
    for option in ({"across": True}, {"margin": 0.1}, {"metric": "test_loss"}):
        with pytest.raises(UserError, match="has no meaning with --by latency"):
            Question(by="latency", **option)


def test_an_unpruned_network_is_of_the_same_size(home: Any, ticket_id: Any) -> None:
    ticket = lth_bench.load_ticket(home.results, ticket_id("imp"))
    shapes = {key: value.shape for key, value in ticket.unpruned().state_dict().items()}
    assert shapes == {key: value.shape for key, value in ticket.final.values.items()}


@pytest.mark.gpus(devices=1)
def test_on_a_gpu_memory_is_measured_too(home: Any, ticket_id: Any, pretend_gpu: Any) -> None:
    """On a pretend one, which has no sparse kernels; so what has none is said to be unavailable."""
    ticket = lth_bench.load_ticket(home.results, ticket_id("early_bird"))
    found = {t["form"]: t for t in time_ticket(ticket, TimingOptions(device="cuda:0", repeats=5))}
    assert found["shrunk"]["reason"] is None
    for form in ("dense", "masked", "shrunk"):
        assert found[form]["repeats"] == 5
        assert found[form]["peak_memory"] is not None
    assert found["2:4"]["reason"]
