"""What is drawn of a run and of a tuning, from their events."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from lth_bench.output.progress import make_progress
from lth_bench.running.progress import (
    Begun,
    CaughtUp,
    ExperimentStarted,
    Note,
    Recorded,
    Repeated,
    Retried,
    RunEnded,
    RunStarted,
    StepsTrained,
    Stopping,
    Straggling,
    StudyProgress,
    TrialEnded,
    TuningStarted,
    WorkersUsed,
)
from lth_bench.running.usage import WorkerUse

IMP = SimpleNamespace(
    experiment_id="e", label="imp", model_label="mlp", dataset_label="digits",
    recipe_name="short", seed=0, densities=(0.5,), task=("mlp", "digits", "short"),
    found_on="",
)  # fmt: skip
TITLE = "imp mlp/digits/short seed 0 at 0.5"
STARTED = RunStarted(
    suite="tiny", planned=1, trainings=4, steps={"e": 400}, titles={"e": TITLE}, workers=2
)
STUDY = StudyProgress(name="imp mlp/digits/short", done=1, total=3, best="best 0.9 at #0")
TRIAL = TrialEnded(
    study=STUDY, number=0, status="complete", values=(0.9,), reason=None, params="prune_rate=0.2"
)


def ticket(name, steps=100):
    return Recorded(
        {"record": "ticket", "experiment_id": "e", "ticket_id": name, "cost": {"steps": steps}}
    )


def ended(status="ok", reason=None):
    return Recorded(
        {"record": "experiment", "experiment_id": "e", "status": status, "reason": reason,
         "seconds": 1.0}
    )  # fmt: skip


@pytest.fixture(params=[False, True], ids=["lines", "terminal"])
def shown(request):
    made = make_progress(Console(file=io.StringIO(), force_terminal=request.param, width=200))
    yield made
    made(RunEnded())


def said(display, capsys):
    """What was printed, bars apart, which `transient` removes."""
    return display.console.file.getvalue() + capsys.readouterr().err


def test_a_repeated_round_does_not_move_the_bar(shown):
    shown(STARTED)
    shown(ExperimentStarted(IMP))
    shown(ticket("a"))
    shown(ticket("b"))
    assert shown.meter.done_steps == 200
    # another worker took it over, and says what it found
    shown(ExperimentStarted(IMP))
    shown(ticket("a"))
    shown(ticket("b"))
    assert shown.meter.done_steps == 200
    shown(ticket("c"))
    assert shown.meter.done_steps == 300
    shown(ended())
    assert shown.meter.done_steps == shown.meter.total == 400


def test_the_rate_counts_only_trained_steps(shown):
    shown(STARTED)
    shown(ticket("a"))  # found
    assert shown.meter.rate() == 0
    shown(StepsTrained(100, 0.1))
    assert shown.meter.rate() > 0


def test_failures_retries_and_notes_are_printed(shown, capsys):
    shown(STARTED)
    shown(Retried([IMP, IMP], "the worker was killed by SIGKILL"))
    shown(Note("digits [is] small"))
    shown(Stopping(10.0))
    shown(ended("failed", "no such layer"))
    text = said(shown, capsys)
    assert "tiny: 1 experiment, about 4 trainings, 2 workers" in text
    assert f"retry    {TITLE} and 1 other of its worker: the worker was killed by SIGKILL" in text
    assert "digits [is] small" in text
    assert "for at most 10 s; press Ctrl-C again to stop at once" in text
    assert f"{TITLE}" in text and "no such layer" in text


def test_without_a_bar_each_success_is_a_line(shown, capsys):
    shown(STARTED)
    shown(ended())
    assert (f"[1/1] ok       {TITLE} in 1.0 s" in said(shown, capsys)) is not shown.terminal


def test_a_run_with_nothing_to_do_prints_a_line(shown, capsys):
    shown(RunStarted(suite="tiny", planned=7, trainings=9, steps={}, titles={}, workers=2))
    assert "tiny: nothing to do, 7 experiments done already" in said(shown, capsys)


def test_a_tuning_shows_its_trials(shown, capsys):
    shown(TuningStarted("tiny: one study of 3 trials", [STUDY]))
    shown(ExperimentStarted(IMP))
    shown(TRIAL)
    text = said(shown, capsys)
    assert "tiny: one study of 3 trials" in text
    line = "[1/3] complete imp mlp/digits/short #0 0.9 (best 0.9 at #0): prune_rate=0.2"
    assert (line in text) is not shown.terminal


PLAN = {
    "experiment_id": "e", "strategy": "imp", "label": "imp", "seed": 0, "densities": [0.5],
    **{f"{of}{name}": value for of in ("", "source_")
       for name, value in (("model", "mlp"), ("dataset", "digits"), ("recipe", "short"))},
}  # fmt: skip
FOLLOWED = RunStarted(
    suite="tiny", planned=2, trainings=4, steps={"e": 400}, titles={"e": TITLE, "old": "old one"},
    workers=2, seconds=100.0, elapsed=40.0,
    experiments=[PLAN, {**PLAN, "experiment_id": "old", "seed": 1}],
)  # fmt: skip


def result(identity, score):
    return {
        "record": "ticket", "experiment_id": identity, "ticket_id": f"{identity}-1",
        "reported": True, "control": "none", "status": "ok", "target_density": 0.5,
        "score": score, "cost": {"steps": 100, "spent_steps": 80},
    }  # fmt: skip


def below(display):
    return [line.plain.strip() for line in display._below()]


def test_below_the_bar_is_what_runs_now_and_the_best_so_far(capsys):
    display = make_progress(Console(file=io.StringIO(), force_terminal=True, width=200))
    display(FOLLOWED)
    display(Begun("e"))
    assert below(display) == [f"now    {TITLE}"]
    display(Recorded(result("e", 0.75)))
    _, best = below(display)
    assert best.startswith("best   MLP on digits") and "at 50%: imp 75.00% (n = 1)" in best
    display(ended())
    assert below(display) == [best]
    display(RunEnded())


def test_what_was_recorded_before_one_listened_is_not_told_line_by_line(shown, capsys):
    shown(FOLLOWED)
    begun = {"record": "begun", "experiment_id": "e"}
    shown(CaughtUp([result("old", 0.5), begun, result("e", 0.75)]))
    assert list(shown.running) == ["e"]
    assert shown.meter.done_steps == 100  # an earlier run's ticket is none of this run's work
    assert shown.meter.trained_steps == 80
    (leader,) = shown.best.leaders()
    assert leader.n == 2
    assert "[1/1]" not in said(shown, capsys)


def test_a_failure_of_before_is_told(shown, capsys):
    shown(FOLLOWED)
    shown(CaughtUp([ended("failed", "no such layer").record]))
    text = said(shown, capsys)
    assert "no such layer" in text
    assert ("1 of 1 done so far" in text) is not shown.terminal


def test_the_time_left_is_told_at_once_where_it_is_known(shown, capsys):
    shown(FOLLOWED)
    assert "2 workers, about 60 s left" in said(shown, capsys)
    assert shown.meter.remaining() == pytest.approx(60, abs=5)


def use(slot, state, **more):
    return WorkerUse(slot=slot, worker="a cpu", host="a", device="cpu", state=state, **more)


LATE = Straggling(
    experiment_id="e", title=TITLE, worker="10.0.0.7 cpu", seconds=95.0, expected_seconds=20.0
)


def test_all_workers_are_in_one_view_and_who_is_late_is_named():
    display = make_progress(Console(file=io.StringIO(), force_terminal=True, width=200))
    display(FOLLOWED)
    display(Begun("e"))
    display(WorkersUsed([use(0, "busy"), use(1, "idle"), use(1, "busy"), use(2, "queued")]))
    display(LATE)
    assert below(display)[:2] == [
        "on     2 of 3 workers busy, 1 waiting for others' results",
        f"slow   {TITLE} on 10.0.0.7 cpu: 2 min so far, 20 s expected",
    ]
    display(Begun("e"))  # on another worker
    assert not any(text.startswith("slow") for text in below(display))
    display(LATE)
    display(ended())
    assert not any(text.startswith("slow") for text in below(display))
    display(RunEnded())


def test_without_a_terminal_who_is_late_is_a_line(capsys):
    display = make_progress(Console(file=io.StringIO(), force_terminal=False, width=200))
    display(FOLLOWED)
    display(LATE)
    assert f"slow     {TITLE} on 10.0.0.7 cpu: 2 min so far, 20 s expected" in said(display, capsys)


def test_without_a_terminal_the_best_so_far_is_told_now_and_then(shown, capsys):
    shown(FOLLOWED)
    shown(Recorded(result("e", 0.75)))
    shown(WorkersUsed([]))
    assert "imp 75.00%" not in said(shown, capsys)  # a moment ago nothing was known
    shown._best_told -= 100
    shown(WorkersUsed([]))
    text = said(shown, capsys)
    assert ("imp 75.00% (n = 1)" in text) is not shown.terminal
    shown._best_told -= 100
    shown(WorkersUsed([]))
    assert "imp 75.00%" not in capsys.readouterr().err  # not again while it is the same


def test_a_follower_shows_retries_as_the_run_itself_does(shown, capsys):
    shown(FOLLOWED)
    shown(Repeated([TITLE, "other"], "10.0.0.7 cpu was lost"))
    assert f"retry    {TITLE} and 1 other of its worker: 10.0.0.7" in said(shown, capsys)
