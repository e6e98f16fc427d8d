from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lth_bench.analysis.experiment import account, repeat
from lth_bench.errors import UserError
from lth_bench.output.account import shown, sparkline
from lth_bench.store import fold
from lth_bench.store.database import open_safe

Results = Callable[..., Any]


def printed(found: dict[str, Any], width: int = 100) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(shown(found))
    return captured.get()


@pytest.fixture
def con(results: Results) -> Any:
    return results(
        strategies=("dense", "imp"), seeds=(0, 1), controls=("reinit",), curve_points=80,
        outcomes={("imp", 1): ("failed", "ValueError: boom\nin line two")},
    )  # fmt: skip


def identity(con: Any, label: str, seed: int) -> str:
    ((found,),) = con.execute(
        "SELECT experiment_id FROM experiments WHERE label = ? AND seed = ?", [label, seed]
    ).fetchall()
    return str(found)


def test_the_account_of_an_experiment(con: Any) -> None:
    experiment = identity(con, "imp", 0)
    found = account(con, experiment[:10])
    json.dumps(found, allow_nan=False)
    assert found["experiment"]["experiment_id"] == experiment
    assert found["experiment"]["params"] == {"prune_rate": {"conv": 0.1}}
    assert found["run"]["environment"]["host"] == "lab"
    assert found["ticket_id"] is None
    assert [(t["round"], t["control"], t["reported"]) for t in found["tickets"]] == [
        (1, "none", False), (2, "none", True), (2, "reinit", True), (3, "none", True),
        (3, "reinit", True),
    ]  # fmt: skip
    ticket = found["tickets"][1]
    assert ticket["metrics"]["test_accuracy"] == ticket["test_accuracy"]
    assert [x["layer"] for x in ticket["layers"]] == ["conv1", "fc1", "fc2"]
    assert [x["role"] for x in ticket["trainings"]] == ["search", "train"]
    assert len(ticket["curve"]) == 80


@pytest.mark.parametrize("suites", [("first", "second"), ("second", "first")])
def test_of_suites_that_planned_it_in_the_same_millisecond_the_last_counts(
    tmp_path: Path, suites: tuple[str, str]
) -> None:
    records = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))

    class AtOnce(records["Scenario"]):  # type: ignore[misc]
        def records(self) -> Iterator[dict[str, Any]]:
            for record in super().records():
                yield {"at": "2026-01-01T00:00:00.000+00:00", **record}

    made = [
        AtOnce(suite=suite, run_id=f"run of {suite}", strategies=("dense",), seeds=(0,))
        for suite in suites
    ]
    paths = records["write"](tmp_path / "r.duckdb", *made)
    fold(paths)
    with open_safe(paths) as con:
        found = account(con, made[0].experiments()[0]["experiment_id"])
    assert found["experiment"]["suite"] == suites[1]
    assert found["experiment"]["run_id"] == f"run of {suites[1]}"


def test_the_printed_experiment(con: Any) -> None:
    text = printed(account(con, identity(con, "imp", 0)))
    for words in (
        "imp · mlp · digits · mlp · seed 0  ok", "12.5 s on cpu-0", "Python 3.11.7", "reinit",
        "interim", "conv1", "lth-bench run quickstart -s imp -m mlp -d digits --seeds 0,",
    ):  # fmt: skip
        assert words in text
    assert max(len(x.rstrip()) for x in text.splitlines()) <= 100
    assert "no ticket" not in text


def test_a_training_that_every_round_used_is_shown_once(con: Any) -> None:
    found = account(con, identity(con, "imp", 0))
    every = [t["key"] for ticket in found["tickets"] for t in ticket["trainings"]]
    assert every.count(every[0]) == 5
    text = printed(found).split("Trainings")[1]
    assert [text.count(key) for key in dict.fromkeys(every)] == [1] * 6


def test_a_ticket_is_found_by_its_id(con: Any) -> None:
    whole = account(con, identity(con, "imp", 0))
    ticket = whole["tickets"][1]["ticket_id"]
    found = account(con, ticket)
    assert found["ticket_id"] == ticket
    assert [t["ticket_id"] for t in found["tickets"]] == [ticket]
    text = printed(found)
    assert "search_flops_dense" in text
    assert "validation loss" in text
    assert "█" in text


def test_a_failed_experiment_shows_its_reason(con: Any) -> None:
    found = account(con, identity(con, "imp", 1))
    assert found["tickets"] == []
    text = printed(found)
    assert text.startswith(
        "imp · mlp · digits · mlp · seed 1  failed\nValueError: boom\nin line two"
    )
    assert "no ticket yet" in text


@pytest.mark.parametrize(
    ("beginning", "message"),
    [("zzz", "no experiment and no ticket has an id that begins with 'zzz'"),
     ("", "named by the beginning")],
)  # fmt: skip
def test_an_unknown_id_is_an_error_with_the_command_to_list_ids(
    con: Any, beginning: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        account(con, beginning)


def test_the_only_experiment_of_a_suite_with_a_label(results: Results) -> None:
    con = results(strategies=("dense", "imp"), seeds=(3,))
    assert account(con, "quickstart/imp") == account(con, identity(con, "imp", 3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("quickstart/snip", r"no experiment is 'quickstart/snip', as SUITE/LABEL; list them with"),
        ("dense/quickstart", "no experiment is"),
        ("/", "no experiment is"),
        ("quickstart/dense", r"2 experiments are .*\(mlp, digits, seed 1\); give the id of one"),
    ],
)
def test_a_label_that_names_none_or_several(con: Any, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        account(con, name)


def test_an_ambiguous_id_lists_the_matches(results: Results) -> None:
    con = results(seeds=range(40), densities=(0.5,), strategies=("dense",))
    first = identity(con, "dense", 0)[:1]
    with pytest.raises(UserError, match=rf"ids begin with '{first}'.*dense, seed \d+.*more of it"):
        account(con, first)


def test_a_full_id_is_preferred_to_longer_ones(results: Results, tmp_path: Any) -> None:
    from lth_bench.store import Journal, Paths, reading

    results(strategies=("dense",), seeds=(0,)).close()
    paths = Paths(tmp_path / "results.duckdb")
    plan = next(r for r, _ in Journal(paths).read() if r["record"] == "planned")
    short = {**plan["experiments"][0], "experiment_id": "abc", "seed": 1}
    long = {**plan["experiments"][0], "experiment_id": "abcdef", "seed": 2}
    with Journal(paths) as journal:
        journal.append({**plan, "experiments": [short, long]})
    with reading(paths.results) as con:
        assert account(con, "abc")["experiment"]["seed"] == 1
        assert account(con, "abcd")["experiment"]["seed"] == 2


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("lth-bench run quickstart", "lth-bench run quickstart"),
        ("lth-bench run a.toml -s imp -m x --seeds 3 --json --device cpu",
         "lth-bench run a.toml --device cpu"),
        ("lth-bench run 'my suite.toml' --seeds=0,1 --dataset=d --set a.b=1",
         "lth-bench run 'my suite.toml' --set a.b=1"),
    ],
)  # fmt: skip
def test_the_command_is_narrowed_down(command: str, expected: str) -> None:
    experiment = {"label": "my imp", "model": "mlp(hidden=[3])", "dataset": "digits", "seed": 4}
    assert repeat(command, experiment) == (
        f"{expected} -s 'my imp' -m 'mlp(hidden=[3])' -d digits --seeds 4,"
    )


def test_commands_that_cannot_be_narrowed_are_kept() -> None:
    assert repeat("lth-bench 'oh", {"label": "a"}) == "lth-bench 'oh"
    assert repeat("lth-bench tune quickstart", {"label": "imp#t3"}) == "lth-bench tune quickstart"


def test_control_characters_in_names_are_escaped(results: Results, tmp_path: Any) -> None:
    con = results(
        strategies=("imp\x1b[31m[bold]",), seeds=(0,), tasks=(("m\x07", "d", "r"),),
        outcomes={("imp\x1b[31m[bold]", 0): ("failed", "\x1b]0;title\x07")},
    )  # fmt: skip
    text = printed(account(con, identity(con, "imp\x1b[31m[bold]", 0)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold]" in text


@pytest.mark.parametrize(
    ("values", "line"),
    [([0, 1], "▁█"), ([1, 1], "▁▁"), ([], ""), ([None, 2.0, None], " ▁ "), ([0, 0.5, 1], "▁▅█")],
)
def test_sparklines(values: list[float | None], line: str) -> None:
    assert sparkline(values) in (line, line.replace("▅", "▄"))


def test_trials_and_tuned_experiments_are_marked(results: Results, search: Any) -> None:
    con = results(
        strategies=("dense", "imp", "imp-tuned"), tuned={"imp-tuned": "imp"}, searches=[search()]
    )
    tried = printed(account(con, identity(con, "imp#t3", 100)))
    assert "quickstart  — tried by tuning, on the validation split" in tried
    found = printed(account(con, identity(con, "imp-tuned", 0)))
    assert f"trial {search().best} of study {search().study_id}" in found
    assert "—" not in printed(account(con, identity(con, "imp", 0))).split("parameters")[0]
