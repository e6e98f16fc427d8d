"""`verify` stopped before it trains, at moments when it holds a temporary folder."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store.seed_rows import write_rows

AT = """
import os, sys
from pathlib import Path

place = Path(os.environ["TMPDIR"])
event, word, number = os.environ["SIGNAL_AT"].split()
sent = []

def look(name, given):
    if name != event or sent or word not in str(given[0]):
        return
    if any(folder.name.startswith("lth-bench-") for folder in place.iterdir()):
        sent.append(True)
        Path(os.environ["SIGNAL_SENT"]).touch()
        os.kill(os.getpid(), int(number))
        for _ in range(1000):
            pass

sys.addaudithook(look)
"""
"""Sends its process a signal at the first event (as of `sys.addaudithook`) that is about a word,
while there is a folder."""


@pytest.fixture(scope="module")
def rows(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write_rows(finished.results, "tiny", file, "lth-bench run tiny.toml")
    return file


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows ends processes otherwise")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("options", "event", "word"),
    [
        (("--rules",), "open", "rows.jsonl"),
        (("--rules",), "import", ""),
        pytest.param(("--sample", 1), "open", "again.journal", marks=pytest.mark.slow),
    ],
)
def test_no_folder_is_left(
    lth: Any, rows: Path, *, options: tuple[Any, ...], event: str, word: str, name: str
) -> None:
    place = lth.folder / "temporary"
    place.mkdir()
    lth.write("sitecustomize.py", AT)
    sent = lth.folder / "sent"
    number = int(getattr(signal, name))
    lth.env |= {"TMPDIR": str(place), "PYTHONPATH": str(lth.folder), "SIGNAL_SENT": str(sent),
                "SIGNAL_AT": f"{event} {word or '_'} {number}"}  # fmt: skip
    found = lth("verify", rows, *options, code=2)
    assert sent.exists()
    assert found.stderr.splitlines()[-1] == "interrupted"
    assert list(place.iterdir()) == []
