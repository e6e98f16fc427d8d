"""Whose code an error comes from."""

from __future__ import annotations

import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import Diverged, TrainingError, Unwinding, describe_error, out_of_memory
from lth_bench.running.executors.pool import MovedAway
from lth_bench.system.blame import ends_the_run, network_error, place_of, training_error, where
from lth_bench.training.checkpoints.policy import Preempted


def caught(function):
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fails():
    raise ValueError("so")


LINE = fails.__code__.co_firstlineno + 1


@given(st.text())
def test_any_text_is_told_so_that_it_can_be_written(text):
    found = describe_error(ValueError(text))
    assert found.startswith("ValueError: ") and "\0" not in found
    assert found.encode("utf-8")
    assert len(found) < 2100


def test_an_error_without_a_text():
    class Odd(RuntimeError):
        def __str__(self):
            raise KeyError("none")

    assert describe_error(Odd()) == "Odd: its text raises KeyError"
    assert not out_of_memory(Odd())
    assert describe_error(SystemExit(3)) == "SystemExit: 3"


@pytest.mark.parametrize("kind", [Unwinding, MovedAway, Preempted])
def test_what_unwinds_is_no_error(kind):
    assert ends_the_run(kind())


def test_ctrl_c_comes_to_the_main_thread_where_it_is_heeded():
    assert ends_the_run(KeyboardInterrupt())
    found = []
    thread = threading.Thread(target=lambda: found.append(ends_the_run(KeyboardInterrupt())))
    thread.start()
    thread.join()
    assert found == [False]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert not ends_the_run(KeyboardInterrupt())
    finally:
        signal.signal(signal.SIGINT, before)
    assert not ends_the_run(SystemExit())


def test_the_line_is_the_deepest_of_a_users_code():
    error = caught(lambda: [fails() for _ in range(1)])
    assert where(error) == f" (test_blame.py:{LINE})"
    assert where(ValueError()) == ""
    assert place_of(fails) == f"test_blame.py:{LINE - 1}"
    assert place_of(len) == ""


def test_a_module_that_a_strategy_calls_as_it_should_not_is_the_strategys_error():
    import torch

    error = caught(lambda: torch.nn.Linear(3, 2)(torch.ones(1, 5)))
    assert network_error(error) is None


def test_a_module_that_the_engine_calls_is_the_networks():
    import torch

    from lth_bench.helpers.gradients import batch_loss
    from lth_bench.objectives import CrossEntropy

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.inner(x[:, :1])

    line = Net.forward.__code__.co_firstlineno + 1
    batch = torch.ones(1, 3), torch.zeros(1, dtype=torch.int64)
    found = network_error(caught(lambda: batch_loss(Net(), batch, 1.0, CrossEntropy())))
    assert isinstance(found, TrainingError)
    assert str(found).startswith("the network raised RuntimeError: ")
    assert str(found).endswith(f"(test_blame.py:{line}, in layer 'inner')")


def test_what_ends_a_training_otherwise_is_said_with_the_line():
    error = caught(fails)
    found = training_error(error)
    assert str(found) == f"the training raised ValueError: so (test_blame.py:{LINE})"
    assert found.__cause__ is None  # whose frames would hold the cohort's memory
    for known in (Diverged("at once"), TrainingError("known"), MemoryError()):
        assert training_error(known) is known
