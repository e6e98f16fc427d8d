from __future__ import annotations

from lth_bench.analysis.evidence import runs


def test_runs_have_command_machine_and_plugins(results) -> None:
    (run,) = runs(results(suite="it's", strategies=("dense", "imp")))
    assert run.command == "lth-bench run it's --seeds 3"
    assert run.suite_toml == '[suite]\nname = "it\'s"\n'
    assert (run.run_id, run.suite, run.suite_version) == ("run-1", "it's", "1")
    assert (run.device, run.host, run.python, run.torch) == ("cpu", "lab", "3.11.7", "2.15.0")
    assert run.environment["threads"] == 1
    assert run.overrides == ()
    assert [(p.name, p.group, p.source_hash) for p in run.plugins] == [
        ("dense", "strategies", "abc"), ("imp", "strategies", "abc"),
    ]  # fmt: skip
    assert run.tickets == 3 + 3 * 2
    assert len(run.recorded_at) == len("2026-11-21 14:09")


def test_other_suites_are_left_out(results) -> None:
    assert runs(results(), ["other"]) == []
