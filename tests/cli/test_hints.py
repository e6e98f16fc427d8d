"""Commands that messages suggest can be pasted into a shell, whatever the paths are called."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
from pathlib import Path

import pytest

import lth_bench

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
                if COMMAND.search(before) and PATHS.search(shown) and "quote" not in shown:
                    found.append(f"{source.name}:{node.lineno}: {{{shown}}}")
                before += shown
    return found


@pytest.mark.parametrize("room", [".", *sorted(p.name for p in SOURCES.iterdir() if p.is_dir())])
def test_every_message_quotes_its_path(room: str) -> None:
    exempt = {"additions.py"}  # `--plugin FILE: …` says which option is meant
    found = SOURCES.glob("*.py") if room == "." else (SOURCES / room).rglob("*.py")
    sources = [s for s in found if s.name not in exempt]
    assert [line for source in sources for line in unquoted(source)] == []
