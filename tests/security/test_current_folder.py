"""A stranger's folder as the current one: nothing in it runs because a command was given there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.running import provenance
from lth_bench.running.executors import link, processes

LIBRARIES = {"numpy", "torch", "duckdb", "pluggy", "typer", "rich", "filelock", "sitecustomize",
             "lth_strategies", "sklearn", "scipy", "safetensors", "PIL", "torchvision", "optuna",
             "matplotlib", "platformdirs", "click", "usercustomize", "cupy", "triton"}  # fmt: skip
SPY = """
import os, sys
with open({log!r}, "a") as file:
    file.write(__name__ + " in " + " ".join(sys.orig_argv)[:200] + chr(10))
raise ValueError("a module of the current folder ran")
"""
SUITE = """
schema_version = 1
[suite]
name = "small"
densities = [0.5]
seeds = 2
[recipes.fast]
steps = 2
batch_size = 50
val_size = 97
[[tasks]]
model = { name = "mlp", hidden = [4] }
dataset = "digits"
recipe = "fast"
[[strategies]]
use = "imp"
"""
COMMAND = """
from lth_bench.cli import main
if __name__ == "__main__":
    main()
"""
STARTS = """
import os, sys
from lth_bench.running.executors import processes
from own_work import work

processes.METHOD, processes.IMPORTED = sys.argv[1], []
for _ in range(2):
    with processes.starting():
        worker = processes.worker_context().Process(target=work)
        worker.start()
    worker.join()
assert "PYTHONSAFEPATH" not in os.environ
"""
WORK = """
def work():
    import random, tempfile, decimal
    print("began", flush=True)
"""


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with a module for every name that somebody might import, and what they log to."""
    folder, log = tmp_path / "theirs", tmp_path / "ran.log"
    folder.mkdir()
    for name in sys.stdlib_module_names | LIBRARIES:
        (folder / f"{name}.py").write_text(SPY.format(log=str(log)))
    return folder, log


def elsewhere(tmp_path: Path, text: str, work: str = WORK) -> Path:
    """A script in a folder of its own, as the console script is, with what its workers run."""
    script = tmp_path / "bin" / "script.py"
    script.parent.mkdir()
    script.write_text(text)
    script.with_name("own_work.py").write_text(work)
    return script


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own variables about where modules come from would hide what is tested."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)


METHODS = [processes.METHOD] if processes.METHOD == "spawn" else ["forkserver", "spawn"]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("method", METHODS)
def test_no_way_to_start_a_worker_imports_a_module_from_there(
    hostile: tuple[Path, Path], tmp_path: Path, method: str
) -> None:
    folder, log = hostile
    command = [sys.executable, elsewhere(tmp_path, STARTS), method]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not log.exists(), log.read_text()
    assert done.stdout.split() == ["began", "began"], done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("bare")
def test_a_run_imports_no_module_from_there(hostile: tuple[Path, Path], tmp_path: Path) -> None:
    folder, log = hostile
    (tmp_path / "small.toml").write_text(SUITE)
    command = [sys.executable, elsewhere(tmp_path, COMMAND), "run", "../small.toml",
               "--results", "../r.duckdb", "--workers", "2", "--no-plugins"]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not log.exists(), log.read_text()
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("bare")
def test_as_a_module_it_leaves_the_current_folder_out_at_once(tmp_path: Path) -> None:
    """What `-m` imports before our first line is Python's own business; SECURITY.md says so."""
    (tmp_path / "random.py").write_text(SPY.format(log=str(tmp_path / "ran.log")))
    command = [sys.executable, "-m", "lth_bench", "schema"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert not (tmp_path / "ran.log").exists()


@pytest.mark.usefixtures("bare")
def test_what_the_user_puts_on_the_path_stays_hers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = tmp_path / "hers"
    hers.mkdir()
    (hers / "her_module.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(hers))
    script = elsewhere(tmp_path, STARTS, WORK.replace("import random,", "import her_module,"))
    for method in METHODS:
        done = subprocess.run([sys.executable, script, method], capture_output=True, text=True,
                              cwd=tmp_path, check=False)  # fmt: skip
        assert done.stdout.split() == ["began", "began"], done.stderr


@pytest.mark.parametrize("error", [EOFError(), OSError(11, "Resource temporarily unavailable")])
def test_a_worker_that_cannot_start_is_said_to_be_that(
    error: Exception,
) -> None:
    """Not `interrupted`, as an EOFError reads on its way out of the command line."""

    class Process:
        def __init__(self, **_: object) -> None:
            pass

        def start(self) -> None:
            raise error

    context = type("Context", (), {"Process": Process})
    with pytest.raises(UserError, match="no worker process can be started") as caught:
        link._started(context, (), (0.0,), daemon=True)
    assert (str(error) or "ended at once") in caught.value.message


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`clone(*command)`: git, in a folder with a commit whose attributes name a filter."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.chdir(tmp_path)

    def git(*command: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(["git", *who, *command], capture_output=True, text=True, check=True
                              ).stdout.strip()  # fmt: skip

    git("init", "-q")
    Path("file.txt").write_text("one")
    Path(".gitattributes").write_text("*.txt filter=theirs\n")
    git("add", ".")
    git("commit", "-qm", "one")
    return git


def test_the_commit_is_recorded_and_whether_files_differ(clone: Callable[..., str]) -> None:
    commit = clone("rev-parse", "--short=12", "HEAD")
    os.utime("file.txt", (1, 1))  # the same content at another time is no difference
    assert provenance._git() == commit
    Path("file.txt").write_text("two")
    assert provenance._git() == f"{commit}-dirty"


@pytest.mark.parametrize(
    "setting",
    ["core.fsmonitor", "filter.theirs.clean", "filter.theirs.process", "core.hooksPath",
     "diff.external"],
)  # fmt: skip
def test_git_runs_no_program_that_the_folder_names(
    clone: Callable[..., str], tmp_path: Path, setting: str
) -> None:
    program = tmp_path / "programs" / "post-index-change"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    clone("config", setting, str(program.parent if "hooks" in setting else program))
    commit = clone("rev-parse", "--short=12", "HEAD")
    Path("file.txt").write_text("two")
    (tmp_path / "ran").unlink(missing_ok=True)
    assert (provenance._git() or "").removesuffix("-dirty") == commit
    assert not (tmp_path / "ran").exists()
