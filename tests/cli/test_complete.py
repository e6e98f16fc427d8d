"""What the shell offers after TAB, as bash asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lth_bench.cli import complete

ASK = "import sys; sys.argv[0] = 'lth-bench'; from lth_bench.cli import main; main()"


def offered(folder: Path, line: str) -> list[str]:
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True,
        timeout=120, env={
            **os.environ, "_LTH_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lth-bench lead", ["leaderboard"]),
        ("lth-bench run --ret", ["--retry"]),
        ("lth-bench run quick", ["quickstart"]),
        ("lth-bench run quickstart -s late", ["late_rewind"]),
        ("lth-bench query --format mark", ["markdown"]),
    ],
)
def test_commands_options_and_values_are_completed(
    tmp_path: Path, line: str, expected: list[str]
) -> None:
    assert offered(tmp_path, line) == expected


def test_suite_files_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine.toml", "mine.txt", ".hidden.toml"):
        (tmp_path / name).write_text("")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert complete.suite("m") == ["mnist_lenet", "missing_the_mark_2021", "mine.toml", "more/"]
    assert complete.suite("more/") == ["more/other.toml"]
    assert complete.suite("nowhere/") == []
    assert ".hidden.toml" not in complete.suite("")
    assert complete.suite(f"{tmp_path}/mi") == [f"{tmp_path}/mine.toml"]


def test_completion_can_be_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lth_bench", "--help"], capture_output=True, text=True, check=True,
        cwd=tmp_path, timeout=120, env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip
    assert "--install-completion" in done.stdout
