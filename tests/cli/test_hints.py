"""Commands that messages suggest can be pasted into a shell, whatever the paths are called."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
from collections import Counter
from pathlib import Path

import pytest

import lth_bench
from lth_bench.cli.conclusion import conclude
from lth_bench.running.recorder import RunSummary

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]
SOURCES = Path(lth_bench.__file__).parent
PATHS = re.compile(r"\b(results|path|output|folder|file|suite|given)\b")
COMMAND = re.compile(r"lth-bench [a-z]+ [^`)\]:;]*$|(?<=.)--(results|plugin|output) $")


def suggested(text: str) -> list[str]:
    (command,) = re.findall(r"`(lth-bench .+?)`", text)
    return shlex.split(command)


def test_suggested_commands_quote_the_path(capsys, monkeypatch, tmp_path: Path) -> None:
    results = tmp_path / "my results" / "it's.duckdb"
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    code, _, err = call(capsys, monkeypatch, "leaderboard")
    assert code == 4
    assert suggested(err) == ["lth-bench", "run", "quickstart", "--results", str(results)]


def test_the_suggested_rebuild_quotes_the_path(capsys, monkeypatch, tmp_path: Path) -> None:
    results = tmp_path / "my results.duckdb"
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    RECORDS["write"](results, RECORDS["Scenario"](strategies=("dense", "imp")))
    assert call(capsys, monkeypatch, "leaderboard")[0] == 0
    results.write_bytes(b"damaged " * 10_000)
    code, _, err = call(capsys, monkeypatch, "query", "SELECT 1")
    assert code == 4
    assert suggested(err) == ["lth-bench", "db", "rebuild", "--results", str(results)]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results that are not the default ones, in which a method failed everywhere."""
    results: Path = tmp_path_factory.mktemp("hints") / "my results.duckdb"
    failed = {("snip", seed): ("failed", "boom") for seed in range(3)}
    RECORDS["write"](results, RECORDS["Scenario"](outcomes=failed, controls=("shuffle",)))
    return results


def read_from(text: str) -> list[str]:
    """What each command in a text names as its results, "" where it has no --results. The suite's
    own run is repeated as it was typed.
    """
    reading = r"(?:leaderboard|query|show|ls runs|measure|run (?!quickstart)|db)\b"
    commands = " ".join(text.split()).split("lth-bench ")[1:]  # a note may be wrapped
    return [
        (re.findall(r"--results '([^']+)'", command) or [""])[0]
        for command in commands
        if re.match(reading, command)
    ]


@pytest.mark.parametrize(
    ("arguments", "commands"),
    [
        (["leaderboard"], 2),  # of the card, and below the table
        (["leaderboard", "--by", "matching"], 1),
        (["leaderboard", "--by", "cost"], 1),
        (["leaderboard", "--by", "speed"], 1),
        (["leaderboard", "--by", "latency"], 1),
        (["leaderboard", "--by", "budget"], 1),
        (["leaderboard", "--across"], 1),
        (["show"], 1),
        (["show", "ffff0000"], 1),
        (["show", "quickstart/none"], 1),
        (["why", "ffff0000"], 1),
        (["show", "--follow", "ffff0000"], 1),
    ],
)
def test_suggested_commands_read_the_same_results(
    capsys, monkeypatch, lost: Path, arguments: list[str], commands: int
) -> None:
    monkeypatch.delenv("LTH_BENCH_RESULTS", raising=False)
    _, out, err = call(capsys, monkeypatch, *arguments, "--results", lost)
    assert read_from(out + err) == [str(lost)] * commands


def test_a_run_s_ending_reads_the_same_results(capsys, monkeypatch, lost: Path) -> None:
    monkeypatch.delenv("LTH_BENCH_RESULTS", raising=False)
    summary = RunSummary(
        run_id="run-1", suite="quickstart", planned=9, reused=0, statuses=Counter(ok=6, failed=3)
    )
    conclude(summary, lost)
    out, err = capsys.readouterr()
    assert set(read_from(out + err)) == {str(lost)}
    (remark,) = re.findall(r"on these results: (lth-bench .+)", err)
    assert call(capsys, monkeypatch, *shlex.split(remark)[1:])[0] == 0


def test_the_default_results_are_not_named(capsys, monkeypatch, lost: Path) -> None:
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(lost))
    _, out, _ = call(capsys, monkeypatch, "leaderboard")
    assert set(read_from(out)) == {""}


def quoted(expression: str) -> bool:
    return "quote" in expression or expression.startswith("results_option(")


def unquoted(source: Path) -> list[str]:
    """f-strings that put a path into a command as it is."""
    found = []
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            before = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    before = (before + str(part.value))[-60:]
                    continue
                assert isinstance(part, ast.FormattedValue)
                shown = ast.unparse(part.value)
                if COMMAND.search(before) and PATHS.search(shown) and not quoted(shown):
                    found.append(f"{source.name}:{node.lineno}: {{{shown}}}")
                before += shown
    return found


@pytest.mark.parametrize("room", [".", *sorted(p.name for p in SOURCES.iterdir() if p.is_dir())])
def test_every_message_quotes_its_path(room: str) -> None:
    exempt = {"additions.py"}  # `--plugin FILE: …` says which option is meant
    found = SOURCES.glob("*.py") if room == "." else (SOURCES / room).rglob("*.py")
    sources = [s for s in found if s.name not in exempt]
    assert [line for source in sources for line in unquoted(source)] == []
