"""Two machines tune one study in a PostgreSQL database: one is killed, and both are merged."""

from __future__ import annotations

import json
import os
import signal

import postgres
import pytest

from .test_tune import TUNE

TRIALS = 8
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url():
    with postgres.server() as found:
        yield found


def test_the_comparison_waits_for_the_whole_study(lth, here, tiny, url):
    suite = lth.write("tiny.toml", tiny + TUNE.replace("trials = 2", f"trials = {TRIALS}"))
    own = {name: lth.folder / name / "results.duckdb" for name in "ab"}

    def tune(name):
        return lth.start(
            "tune", suite, "--device", "cpu", "--workers", 1, "--storage", url,
            "--results", own[name],
        )  # fmt: skip

    second = tune("b")
    said = []
    for line in second.stderr:  # until it has finished something
        said.append(line)
        if "complete" in line:
            break
    else:
        pytest.fail(f"nothing was finished: {said}")
    first = tune("a")  # not before, or it could finish all while the other starts
    os.kill(second.pid, signal.SIGKILL)
    said.append(second.communicate()[1])
    again = tune("b")
    outputs = [*first.communicate(timeout=280), *again.communicate(timeout=280), *said]
    assert (first.returncode, again.returncode) == (0, 0), outputs
    if all("still running in other processes" in text for text in (outputs[1], outputs[3])):
        pytest.fail("none of them compared anything")

    merged = lth.folder / "merged.duckdb"
    here("merge", own["a"], own["b"], "--results", merged)

    def rows(query, results=merged):
        found = here("query", query, "--format", "json", "--results", results)
        return json.loads(found.stdout)["rows"]

    trials = rows("FROM trials ORDER BY number")
    settings = [json.dumps(t["params"]) for t in trials]
    # the budget, and nothing twice: of 500 batch sizes two may be drawn alike, one time in twenty
    assert len(trials) == TRIALS == len({t["number"] for t in trials})
    assert len(set(settings)) >= TRIALS - 1
    assert [t["origin"] for t in trials].count("default") == 1
    best = max(trials, key=lambda t: (round(t["values"][0], 9), -t["number"]))
    (tuned,) = rows(
        "SELECT DISTINCT tuned_trial, tuning_steps FROM experiments "
        "WHERE label = 'snip-tuned' AND current"
    )
    assert tuned == {
        "tuned_trial": best["number"],
        "tuning_steps": sum(t["tuning_steps"] for t in trials),
    }
    shares = [rows("SELECT count(*) AS n FROM trials", results) for results in own.values()]
    assert [{"n": TRIALS}] in shares  # who ended last knows them all

    for results in (*own.values(), merged):
        there = ("--results", results)
        outputs.append(here("report", *there, "--output", results.with_suffix(".html")).stdout)
        here(
            "export", "snapshot", "--output", results.with_name(f"{results.stem}-s.duckdb"), *there
        )
        here("export", "csv", "--output", results.with_name(f"{results.stem}-csv"), *there)
    found = here("tune", suite, "--best", "--storage", url, "--results", merged).stdout
    assert "snip-tuned" in found and "tune.storage" not in found
    outputs.append(found)
    assert all(postgres.PASSWORD not in text for text in outputs)
    secret = postgres.PASSWORD.encode()
    written = [file for file in lth.folder.rglob("*") if file.is_file()]
    assert len(written) > 20
    assert [file for file in written if secret in file.read_bytes()] == []
    assert any(b"lth:***@127.0.0.1" in file.read_bytes() for file in written)


def test_a_stopped_server_is_reported_as_such(lth, tiny):
    suite = lth.write("tiny.toml", tiny + TUNE)
    gone = f"postgresql+psycopg://lth:{postgres.PASSWORD}@127.0.0.1:1/x"
    pytest.importorskip("psycopg")
    said = lth("tune", suite, "--storage", gone, code=4).stderr
    assert "cannot be reached" in said and postgres.PASSWORD not in said
    assert not list(lth.folder.glob("*.jsonl"))  # no journal is left of what was refused
