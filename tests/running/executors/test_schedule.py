"""The order of work, as coordinators ask for it."""

from __future__ import annotations

import dataclasses
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases

from lth_bench.lottery.experiment import Experiment
from lth_bench.running.executors.schedule import Schedule, WorkUnit, task_of
from lth_bench.running.plan import Planned

BLANK = Experiment(
    experiment_id="", config_id="", suite="s", label="", strategy="", params={}, model={},
    model_label="", dataset={}, dataset_label="", recipe_name="", recipe={}, seed=0, densities=(),
    controls=(), iterative=False, source_hash="", plugin_version="",
)  # fmt: skip


def planned(identity, task="mlp", seed=0, fits=(100,), search=None):
    experiment = dataclasses.replace(
        BLANK, experiment_id=str(identity), label=str(identity), model={"name": task}, seed=seed
    )
    return Planned(experiment=experiment, fits=tuple(fits), bytes=1, search=search)


def names(items):
    return [item.experiment.experiment_id for item in items]


def test_dense_runs_come_first_then_the_longest_experiments():
    items = [
        planned("short", fits=(50,)),
        planned("long", fits=(50, 50, 50)),
        planned("dense", fits=()),
        planned("dense 1", seed=1, fits=()),
        planned("middle", fits=(120,)),
    ]
    schedule = Schedule(items)
    # two dense runs could start: each of the two workers has its part
    first = schedule.take(9, 2, None, None)
    second = schedule.take(9, 2, None, None)
    assert names(first.items) == ["dense"]  # of the seed with more to do
    assert names(second.items) == ["dense 1"]
    assert schedule.take(9, 2, None, None).items == ()
    schedule.done(first.items[0])
    task = task_of(items[0].experiment)
    assert names(schedule.take(9, 2, task, task).items) == ["long", "middle"]
    assert names(schedule.take(9, 2, None, None).items) == ["short"]
    assert len(schedule) == 0


def test_only_iterative_experiments_can_change_workers():
    task = task_of(planned("x").experiment)
    others = [planned("bird", fits=(70, 80), search="bird"), planned("one shot", fits=(90,))]
    schedule = Schedule([planned("ladder", fits=(60, 60, 60)), *others])
    assert schedule.chain(task_of(planned("x", task="conv").experiment)).items == ()
    assert names(schedule.chain(task).items) == ["ladder"]
    assert schedule.chain(task).items == ()  # what shares a search stays together
    assert names(schedule.take(1, 1, task, task).items) == ["bird"]
    assert schedule.chain(task).items == ()
    assert len(schedule) == 1
    # while its dense run is under way, nobody else's of the seed begins
    schedule = Schedule([planned("dense", fits=()), planned("ladder", fits=(50, 50))])
    assert schedule.chain(task).items == ()
    schedule.take(1, 1, None, None)
    assert schedule.chain(task).items == ()


def test_experiments_that_share_a_search_go_to_one_worker():
    items = [planned("dense", fits=())]
    items += [planned(f"early {i}", fits=(25, 75), search="bird") for i in range(3)]
    items += [planned(f"snip {i}") for i in range(2)]
    schedule = Schedule(items)
    schedule.done(schedule.take(1, 1, None, None).items[0])
    assert names(schedule.take(2, 1, None, None).items) == ["early 0", "early 1", "early 2"]
    assert names(schedule.take(2, 1, None, None).items) == ["snip 0", "snip 1"]


def test_an_idle_worker_stays_with_its_task():
    items = [planned(f"{t} {i}", task=t, fits=(9,) * i) for t in ("mlp", "conv") for i in range(4)]
    schedule = Schedule(items)
    for _ in range(2):
        schedule.done(schedule.take(1, 1, None, None).items[0])
    conv = task_of(items[-1].experiment)
    left = [schedule.take(1, 1, None, conv).items[0] for _ in range(6)]
    assert names(left) == ["conv 3", "conv 2", "conv 1", "mlp 3", "mlp 2", "mlp 1"]


def test_a_crashing_dense_run_does_not_block_its_group():
    schedule = Schedule([planned("dense", fits=()), planned("snip")])
    unit = schedule.take(5, 1, None, None)
    assert schedule.again(dataclasses.replace(unit, deaths=1)) == []
    unit = schedule.take(5, 1, None, None)
    assert names(unit.items) == ["dense"]
    (given_up,) = schedule.again(dataclasses.replace(unit, deaths=2))
    schedule.done(given_up)
    assert names(schedule.take(5, 1, None, None).items) == ["snip"]


def test_experiments_ended_with_a_culprit_are_retried_without_charge():
    schedule = Schedule([planned(i) for i in range(4)])
    unit = schedule.take(4, 1, None, None)
    culprit, *others = unit.items
    schedule.back(WorkUnit(tuple(others)))
    schedule.back(WorkUnit())  # where it was alone
    schedule.done(culprit)
    assert len(schedule) == 3
    again = schedule.take(1, 1, None, None)
    assert (names(again.items), again.deaths) == (names(others), 0)
    assert len(schedule) == 0


def test_nothing_waits_for_a_finished_dense_run():
    """As in a run that goes on, or in a tuning, which reports no dense run."""
    schedule = Schedule([planned("snip"), planned("imp", fits=(90, 90)), planned("rigl", seed=1)])
    assert names(schedule.take(9, 1, None, None).items) == ["imp", "snip", "rigl"]
    schedule.add([planned("later", fits=(5,))])
    assert names(schedule.take(9, 1, None, None).items) == ["later"]


GRIDS = st.lists(
    st.tuples(
        st.sampled_from(["mlp", "conv"]),
        st.integers(0, 2),
        st.lists(st.integers(1, 9), max_size=3),
        st.sampled_from([None, None, "search"]),
    ),
    max_size=24,
)


@settings(max_examples=cases(200))
@given(GRIDS, GRIDS, st.integers(0, 2**32))
def test_every_experiment_ends_exactly_once(grid, more, seed):
    """Three workers, of which any ends an experiment, dies or asks at any time."""
    draws = random.Random(seed)
    draw = draws.randint
    made = [
        planned(i, t, n, fits, None if s is None else f"{t} {n}")
        for i, (t, n, fits, s) in enumerate(grid + more)
    ]
    culprits = {str(i) for i in range(len(made)) if draw(0, 9) == 0}
    schedule = Schedule(made[: len(grid)])
    workers = [{"live": [], "deaths": 0, "last": None} for _ in range(3)]
    ended, given_up, seen = [], [], set()
    opened = without_dense(made[: len(grid)])
    deaths = added = 0

    def end(item):
        schedule.done(item)
        ended.append(item.experiment.experiment_id)
        opened.add(group_of(item))

    while len(schedule) or any(w["live"] for w in workers):
        if not added and more and draw(0, 5) == 0:
            schedule.add(made[len(grid) :])
            begun = {group_of(i) for i in made[: len(grid)]}
            opened |= without_dense(made[len(grid) :]) - begun
            added = 1
        worker = workers[draw(0, 2)]
        live = worker["live"]
        if live and (worker["deaths"] or draw(0, 1)):
            guilty = [i for i in live if i.experiment.experiment_id in culprits]
            if guilty or (deaths < 2 and draw(0, 9) == 0):  # some deaths are nobody's fault
                deaths += not guilty
                unit = WorkUnit(tuple(live), worker["deaths"] + 1)
                ran = draws.choice([None, *(guilty or live)])
                gone = schedule.again(unit, ran)
                if guilty:
                    given_up += names(gone)
                    for item in gone:
                        end(item)
                else:
                    # an innocent that dies of something else has its second chance at least
                    assert not gone or unit.deaths >= 2
                    for item in gone:
                        end(item)
                worker.update(live=[], deaths=0)
            else:
                end(live.pop(draw(0, len(live) - 1)))
                if not live:
                    worker["deaths"] = 0
            continue
        room = draw(1, 6)
        running = task_of(live[0].experiment) if live else None
        unit = schedule.take(room, 3, running, worker["last"])
        # a second time only after a death, and then all of them as they were together
        again = seen & set(names(unit.items))
        assert not again or again == set(names(unit.items))
        seen |= set(names(unit.items))
        check(unit, live, room, opened, bool(again))
        if unit.items:
            worker["last"] = task_of(unit.items[0].experiment)
            worker["live"] = [*live, *unit.items]
            worker["deaths"] = unit.deaths
    expected = made if added else made[: len(grid)]
    assert sorted(ended) == sorted(names(expected))
    assert set(given_up) == culprits & set(names(expected))


def group_of(item):
    return task_of(item.experiment), item.experiment.seed


def without_dense(items):
    return {group_of(i) for i in items} - {group_of(i) for i in items if not i.fits}


def check(unit, live, room, opened, again):
    """What holds of everything that is handed out."""
    assert not (again and live)  # suspects are given to an idle worker
    everyone = [*live, *unit.items]
    assert len({task_of(i.experiment) for i in everyone}) <= 1
    if again:
        return
    # room, but for those that share a search with the last one
    unlike = [i for i in unit.items if i.search is None or i.search != unit.items[-1].search]
    assert len(unlike) < room or len(unit.items) <= room
    groups = [group_of(i) for i in everyone]
    for group in set(groups):
        # the dense run alone until it has ended
        assert group in opened or groups.count(group) == 1


def test_a_task_stays_on_one_worker_while_others_have_tasks():
    """Two workers with cohorts of eight: a cohort of four takes as long as a full one."""
    items = [planned(f"{t} {i}", task=t, fits=(9,)) for t in ("a", "b") for i in range(8)]
    schedule = Schedule(items)
    a, b = task_of(items[0].experiment), task_of(items[-1].experiment)
    for task in (a, b):  # no dense runs here
        schedule._open.add((task, 0))
    schedule._opening.clear()
    first = schedule.take(1, 2, None, None)
    mine, other = (a, b) if first.items[0].experiment.model == {"name": "a"} else (b, a)
    second = schedule.take(1, 2, None, None, busy={mine})
    assert task_of(second.items[0].experiment) == other
    # alone it would have half of what is left of the task, for the other's sake
    assert len(schedule.take(24, 2, mine, mine, places=0, busy={other}).items) == 4
    assert len(schedule.take(24, 2, other, other, places=7, busy={mine}).items) == 4
    schedule.add([planned("c", task="c", fits=(9,))])
    assert len(schedule.take(24, 2, mine, mine, places=7, busy={other}).items) == 3


def test_the_last_task_is_shared():
    schedule = Schedule([planned(str(i), fits=(9,)) for i in range(8)])
    task = task_of(planned("x").experiment)
    schedule._open.add((task, 0))
    assert len(schedule.take(24, 2, None, None, places=8).items) == 4
    # a worker that would be idle takes part in what another is busy with
    assert len(schedule.take(24, 2, None, None, places=8, busy={task}).items) == 2


def test_more_is_asked_for_where_nothing_waits_and_fills_a_cohort():
    schedule, asked = Schedule([]), []

    def more(task):
        asked.append(task)
        return [planned(f"ahead {len(asked)}", seed=len(asked))] if len(asked) < 9 else []

    schedule.more = more
    task = task_of(planned("any").experiment)
    assert len(schedule.take(8, 2, task, task, places=3).items) <= 3 and asked == [task] * 3
    assert len(schedule) or asked  # what is not handed out waits
    while schedule.take(8, 1, None, task).items:
        pass
    schedule.add([planned("due")])
    before = len(asked)
    schedule.take(8, 2, None, task, places=8)
    assert len(asked) == before  # what is due goes first
    assert schedule.take(8, 1, task, task, places=0).items == () and len(asked) == before


def test_nothing_more_is_asked_for_by_a_worker_whose_cohort_is_full():
    schedule = Schedule([])
    schedule.more = lambda task: [planned("ahead")]
    assert schedule.take(4, 2, "running", None).items == ()
