"""Messages become plain JSON and are the same when they come back."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.lottery import Experiment
from lth_bench.running.executors.messages import (
    KINDS,
    Begin,
    Ended,
    GiveBack,
    GivenBack,
    Room,
    Unfit,
    WorkerReady,
    from_plain,
    pack,
    to_plain,
    unpack,
)
from lth_bench.running.executors.needs import NodeNeeds
from lth_bench.running.executors.worker import WorkerConfig
from lth_bench.running.progress import DiskRefused, Note, Recorded, StepsTrained
from lth_bench.running.request import Execution

TEXT = st.text(max_size=5)
COUNTS = st.integers(0, 2**53)
SECONDS = st.floats(0, 1e9)
ATOMS = st.none() | st.booleans() | COUNTS | st.floats(-1e9, 1e9) | TEXT
PLAIN = ATOMS | st.lists(ATOMS, max_size=2) | st.dictionaries(TEXT, ATOMS, max_size=2)
OBJECTS = st.dictionaries(TEXT, PLAIN, max_size=2)
EXPERIMENTS = st.builds(
    Experiment,
    experiment_id=TEXT,
    config_id=TEXT,
    suite=TEXT,
    label=TEXT,
    strategy=TEXT,
    params=OBJECTS,
    model=OBJECTS,
    model_label=TEXT,
    dataset=OBJECTS,
    dataset_label=TEXT,
    recipe_name=TEXT,
    recipe=OBJECTS,
    seed=COUNTS,
    densities=st.lists(st.floats(1e-6, 1), max_size=2).map(tuple),
    controls=st.lists(st.sampled_from(["reinit", "shuffle"]), max_size=2).map(tuple),
    iterative=st.booleans(),
    source_hash=TEXT,
    plugin_version=TEXT,
    dense_checkpoints=st.lists(COUNTS, max_size=3).map(tuple),
    scored_on=st.sampled_from(["test", "validation"]),
    tuned_from=st.none() | OBJECTS,
    parameters=st.none() | COUNTS,
    prunable=st.none() | COUNTS,
)
MESSAGES: dict[type[Any], st.SearchStrategy[Any]] = {
    Begin: st.builds(Begin, st.lists(EXPERIMENTS, max_size=2).map(tuple)),
    GiveBack: st.builds(GiveBack),
    Room: st.builds(Room, COUNTS, COUNTS),
    GivenBack: st.builds(GivenBack, st.lists(TEXT, max_size=3).map(tuple)),
    WorkerReady: st.builds(WorkerReady),
    Unfit: st.builds(Unfit, TEXT),
    Ended: st.builds(Ended, how=TEXT, running=TEXT, used=st.booleans(), lost=TEXT),
    Recorded: st.builds(Recorded, OBJECTS),
    StepsTrained: st.builds(StepsTrained, COUNTS, SECONDS),
    Note: st.builds(Note, TEXT),
    DiskRefused: st.builds(DiskRefused, TEXT),
}


def test_every_message_has_an_example() -> None:
    assert MESSAGES.keys() == set(KINDS.values())


@given(st.one_of(*MESSAGES.values()))
def test_messages_survive_serialisation(message: Any) -> None:
    text = json.dumps(pack(message), allow_nan=False)
    found = unpack(json.loads(text))
    assert type(found) is type(message)
    assert found == message
    for field in fields(found):  # tuples are tuples again, and not lists
        assert type(getattr(found, field.name)) is type(getattr(message, field.name))


PATHS = st.lists(st.sampled_from("abc é"), min_size=1, max_size=5).map("".join).map(Path)


@given(
    st.builds(
        WorkerConfig,
        device=TEXT,
        devices=st.lists(TEXT, max_size=3).map(tuple),
        artifacts=PATHS,
        data_root=PATHS,
        plugins=st.lists(PATHS, max_size=2).map(tuple),
        no_plugins=st.booleans(),
        execution=st.builds(
            Execution,
            results=PATHS,
            device=TEXT,
            workers=st.none() | COUNTS,
            cohort_size=st.sampled_from([1, 2, 256]),
            exact_cohort_size=st.booleans(),
            timeout=st.just(math.inf) | SECONDS,
            retry=st.frozensets(st.sampled_from(["failed", "oom"])),
            rerun=st.booleans(),
            exit_first=st.booleans(),
        ),
        checkpoint_every=SECONDS,
        trained_since=st.none() | SECONDS,
        needs=st.none()
        | st.builds(
            NodeNeeds,
            versions=st.dictionaries(TEXT, TEXT, max_size=2),
            sources=st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, max_size=2), max_size=2),
            datasets=st.dictionaries(TEXT, OBJECTS, max_size=2),
            device_name=TEXT,
        ),
    )
)
def test_worker_settings_survive_serialisation(config: WorkerConfig) -> None:
    text = json.dumps(to_plain(config), allow_nan=False)
    assert from_plain(WorkerConfig, json.loads(text)) == config


@pytest.mark.parametrize("plain", [{}, {"message": "Run"}, {"message": "os.system"}])
def test_other_messages_are_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a message is one of Begin, GiveBack"):
        unpack(plain)
