"""What a command's output is connected to: a terminal that knows ASCII alone, a reader that goes
away, a full disk, nothing at all. As a user's shell connects them.
"""

from __future__ import annotations

import json
import os
import runpy
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from thoroughness import some

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "no locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
READING = [
    "leaderboard", "leaderboard --by cost", "leaderboard --format markdown", "compare imp one_shot",
    "query 'FROM leaderboard'", "query \"SELECT '李 ─ é' AS Δ\"", "claims mnist_lenet",
    "why 5c1231582d821f4f", "show 5c1231582d821f4f", "db info", "gc", "doctor --no-plugins",
    "report --output r.html", "export parquet --output tables --force", "validate quickstart",
    "ls suites", "ls models", "plugin list", "plugin info rigl", "schema", "--help", "run --help",
    "merge none.duckdb", "plan quickstart --no-estimate", "plugin check nothing",
]  # fmt: skip
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("streams")
    scenario = RECORDS["Scenario"](strategies=("dense", "imp", "one_shot"))
    RECORDS["write"](path / "results.duckdb", scenario)
    return path


def shell(folder: Path, command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What `sh -c` makes of it; `lth` is the command, and the last line tells its exit code."""
    lth = f'lth() {{ {shlex.quote(sys.executable)} -m lth_bench "$@"; }}\n'
    return subprocess.run(
        ["sh", "-c", lth + command], cwd=folder, capture_output=True, text=True, timeout=240,
        encoding=env.get("PYTHONIOENCODING", "utf-8"),
        env={**os.environ, "LTH_BENCH_RESULTS": "results.duckdb", **env}, check=False,
    )  # fmt: skip


def whole(err: str) -> bool:
    return not any(word in err for word in ("internal error", "Traceback", "Exception ignored"))


@pytest.mark.parametrize("encoding", some(ENCODINGS, 2))
def test_characters_outside_the_encoding_are_replaced(folder: Path, encoding: str) -> None:
    done = shell(folder, "lth leaderboard", **ENCODINGS[encoding])
    assert (done.returncode, done.stderr) == (0, "")
    assert "-----" in done.stdout
    card, _, table = done.stdout.partition("quickstart ---")
    assert " one_shot " in card
    lines = [line for line in table.splitlines() if " one_shot " in line]
    assert len(lines) == 2
    assert (" ± " in lines[0]) == (encoding == "cp1252")
    assert len({len(line) for line in lines}) == 1, "columns are out of line"


def test_csv_and_json_keep_names_and_digits_in_ascii(folder: Path) -> None:
    sql = "SELECT 'é' AS a, 'e' AS b, 0.1 + 0.2::DOUBLE AS c"
    done = shell(folder, f'lth query "{sql}" --format csv', PYTHONIOENCODING="ascii")
    assert done.stdout.splitlines()[1].startswith("\\xe9,e,0.3")
    done = shell(folder, f'lth query "{sql}" --json', PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["rows"][0]["a"] == "é"


def in_turn(kinds: Sequence[str], n: int) -> list[Any]:
    """Each command with the next `n` of the kinds: every command with every kind would be hundreds
    of processes.
    """
    return [
        pytest.param(command, *(kinds[(i * n + k) % len(kinds)] for k in range(n)), id=command)
        for i, command in enumerate(READING)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "encoding"), in_turn(list(ENCODINGS), 1))
def test_every_command_in_an_encoding(folder: Path, command: str, encoding: str) -> None:
    done = shell(folder, f"lth {command}", **ENCODINGS[encoding])
    assert whole(done.stderr)
    assert done.returncode != 3, done.stderr
    assert done.stdout or done.stderr


CLOSED = (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full")


@pytest.mark.slow
@pytest.mark.parametrize(("command", "one", "other"), in_turn(CLOSED, 2))
def test_every_command_keeps_its_exit_code_with_closed_streams(
    folder: Path, command: str, one: str, other: str
) -> None:
    usual = shell(folder, f"lth {command}").returncode
    for streams in (one, other):
        done = shell(folder, f"lth {command} {streams}; echo code $?")
        assert done.stdout.splitlines()[-1] == f"code {usual}", streams
        assert whole(done.stderr)


@pytest.mark.parametrize(
    ("streams", "code"),
    some([(">&- 2>&- <&-", 0), (">&-", 0), ("2>&-", 0), ("2>/dev/null >&2", 0)]),
)
def test_closed_streams_are_no_error(folder: Path, streams: str, code: int) -> None:
    done = shell(folder, f"lth query 'SELECT 1' {streams}; echo code $?")
    assert done.stdout.splitlines()[-1] == f"code {code}"
    assert done.stderr == ""


def test_messages_do_not_go_to_stdout_where_stderr_is_closed(folder: Path) -> None:
    done = shell(folder, "lth query 'SELEC 1' 2>&-; echo code $?")
    assert done.stdout == "code 4\n"


def test_no_file_is_opened_as_a_closed_stream(folder: Path) -> None:
    """The journal would be opened as number 1, and get what others write there."""
    done = shell(folder, "lth db rebuild >&- 2>&- <&-; echo code $?; lth query 'SELECT 1 AS one'")
    assert done.stdout.startswith("code 0\none\n")


@full
def test_a_full_disk_at_stdout_is_one_error(folder: Path) -> None:
    done = shell(folder, "lth leaderboard >/dev/full")
    assert done.returncode == 4
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


@full
def test_a_full_disk_at_stderr_keeps_the_exit_code(folder: Path) -> None:
    done = shell(folder, "lth query 'SELEC 1' 2>/dev/full; echo code $?")
    assert done.stdout == "code 4\n"


@full
@pytest.mark.slow
def test_a_run_finishes_with_a_full_disk_at_both_streams(folder: Path, tiny: str) -> None:
    prints = (
        "from dataclasses import dataclass\n"
        "from lth_bench import hookimpl\n"
        "@dataclass(frozen=True, eq=False)\n"
        "class Loud:\n"
        "    iterative = True\n"
        "    @hookimpl\n"
        "    def select_mask(self, ticket):\n"
        "        print('─' * 100_000, flush=True)\n"
        "        return ticket.mask.shrink(abs(ticket.trained.weights), 0.5, ticket.target)\n"
    )
    (folder / "loud.py").write_text(prints, encoding="utf-8")
    suite = tiny.replace('use = "snip"', 'use = "loud"').replace("seeds = [0, 1]", "seeds = [0]")
    (folder / "loud.toml").write_text(suite)
    line = "lth run loud.toml -s loud --plugin loud.py --results loud.duckdb"
    done = shell(folder, f"{line} >/dev/full 2>/dev/full; echo code $?", PYTHONIOENCODING="ascii")
    sql = "SELECT DISTINCT status FROM experiments WHERE label = 'loud'"
    found = shell(folder, f'lth query "{sql}" --results loud.duckdb --json')
    assert found.stdout, found.stderr
    assert {r["status"] for r in json.loads(found.stdout)["rows"]} == {"ok"}
    assert done.stdout == "code 4\n"  # stdout is lost, the results are not


@pytest.mark.parametrize(
    "command", ["leaderboard", "query 'FROM range(100000000000)' --format csv"]
)
def test_a_closed_pipe_exits_with_0(folder: Path, command: str) -> None:
    done = shell(folder, f"(lth {command}; echo code $? >&2) | head -n 1")
    assert done.stderr == "code 0\n"
    assert len(done.stdout.splitlines()) == 1


def test_compare_keeps_exit_code_6_with_a_closed_pipe(folder: Path) -> None:
    line = "lth compare imp one_shot --fail-on worse"
    usual = shell(folder, f"{line} >/dev/null").returncode
    done = shell(folder, f"({line} 2>/dev/null; echo code $? >&2) | true")
    assert usual == 6
    assert done.stderr == "code 6\n"


def test_a_non_blocking_pipe_gets_the_whole_output(folder: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sql = "SELECT repeat('x', 1000) FROM range(1000)"  # more than a pipe holds
    with subprocess.Popen(
        [sys.executable, "-m", "lth_bench", "query", sql, "--format", "csv"], stdout=writer,
        stderr=subprocess.PIPE, env={**os.environ, "LTH_BENCH_RESULTS": "results.duckdb"},
        cwd=folder,
    ) as process:  # fmt: skip
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            size = len(pipe.read())
        assert process.communicate(timeout=120)[1] == b""
    assert process.returncode == 0
    assert size > 1_000_000


def test_queries_with_any_script_work_in_any_locale(folder: Path) -> None:
    done = shell(folder, "lth query \"SELECT '李明' AS x\" --json", **ENCODINGS["no locale"])
    assert json.loads(done.stdout)["rows"] == [{"x": "李明"}]
    done = shell(folder, "lth query \"$(printf 'SELECT \\377')\"")
    assert (done.returncode, done.stderr) == (4, "error: the query has bytes that are not UTF-8\n")


def test_plain_lines_are_encoded_too(folder: Path) -> None:
    """What commands print without a table, too."""
    done = shell(folder, "lth why 5c1231582d821f4f", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert " . " in done.stdout
