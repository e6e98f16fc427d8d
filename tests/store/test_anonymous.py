from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.store import Paths
from lth_bench.store.anonymous import Cleaner, anonymise
from lth_bench.store.journal import encode

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("lth-bench run /home/ann/my.toml --set a.b=c", "lth-bench run ~/my.toml --set a.b=c"),
        ("run x --results=/data/x/r.duckdb", "run x --results=r.duckdb"),
        ('File "/usr/lib/my python/a.py", line 3', 'File "a.py", line 3'),
        ("~/runs/r.duckdb", "~/r.duckdb"),
        ("C:\\Users\\ann\\r.duckdb", "r.duckdb"),
        ("in /home/ann", "in ~"),
        ("image_folder(root='/data/pets/cats')", "image_folder(root='cats')"),
        ("postgresql://u:p@db.local/x", "postgresql://…/x"),
    ],
)
def test_paths_and_servers_are_cut(text: str, clean: str) -> None:
    found = Cleaner().text(text)
    assert "ann" not in found and "data/" not in found and "db.local" not in found
    assert found.replace("~/", "") == clean.replace("~/", "")


@pytest.mark.parametrize(
    "text",
    [
        "mlp/digits/mlp",
        "imp/reinit",
        "1/2 and 3.5/4",
        "https://doi.org/10.1/2",
        "out/r.duckdb",
        "a",
    ],
)
def test_what_is_no_path_of_the_machine_stays(text: str) -> None:
    assert Cleaner().text(text) == text


def cleaned(record: dict[str, object], *hosts: str) -> dict[str, object]:
    found = json.loads(Cleaner(hosts).record(record))
    found.pop("at")
    return found  # type: ignore[no-any-return]


def test_machines_are_numbered_where_they_may_stand() -> None:
    record = {
        "record": "run",
        "command": "lth-bench run x --address head:6379 # on lab",
        "environment": {"host": "lab", "cpu": "lab's own", "platform": "Linux"},
        "suite": "lab",
        "label": "lab",
    }
    found = cleaned(record, "lab")
    assert found["command"] == "lth-bench run x --address … # on host-1"
    assert found["environment"] == {"host": "host-1", "cpu": "host-1's own", "platform": "Linux"}
    assert found["suite"] == found["label"] == "lab"  # a coincidence


def test_a_note_names_no_machine() -> None:
    record = {"record": "note", "run_id": "r", "message": "lab-7 is slow: /data/x on lab-7"}
    made = json.loads(Cleaner(["lab-7"]).record({**record, "at": "2026-01-31"}))
    assert made["message"] == "host-1 is slow: x on host-1"


def test_a_worker_s_address_goes_and_a_version_stays() -> None:
    record = {"record": "experiment", "worker": "10.0.0.7:cpu-0", "reason": "lab is down",
              "numerics": {"torch": "2.15.0"}}  # fmt: skip
    found = cleaned(record, "lab")
    assert found["worker"] == "…:cpu-0" and found["reason"] == "host-1 is down"
    assert found["numerics"] == {"torch": "2.15.0"}


def test_two_names_that_would_become_one_are_refused() -> None:
    both = [
        {"suite": "s", "model": "m", "dataset": f"folder(root='/{place}/pets')", "label": "imp"}
        for place in ("a/b", "a/c")
    ]
    with pytest.raises(UserError, match="two datasets would have one name"):
        Cleaner().record({"record": "planned", "experiments": both})


def test_a_journal_keeps_its_results(tmp_path: Path) -> None:
    scenario = RECORDS["Scenario"](outcomes={("imp", 1): ("failed", "no /tmp/x/y.npy on lab")})
    paths: Paths = RECORDS["write"](tmp_path / "results.duckdb", scenario)
    target = tmp_path / "clean.jsonl"
    anonymise(paths.journal, target)
    text = target.read_text()
    assert '"host":"host-1"' in text and "no y.npy on host-1" in text
    assert not re.search(r"\blab\b|/tmp", text)
    before, after = (
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in (paths.journal, target)
    )
    tickets = [record for record in before if record["record"] == "ticket"]
    assert tickets == [record for record in after if record["record"] == "ticket"]
    assert len(before) == len(after)


def test_a_half_line_is_left_out(tmp_path: Path) -> None:
    journal = tmp_path / "a.jsonl"
    journal.write_bytes(encode({"record": "run", "environment": {"host": "lab"}}) + b'{"record":')
    anonymise(journal, tmp_path / "b.jsonl")
    assert len((tmp_path / "b.jsonl").read_bytes().splitlines()) == 1
