from __future__ import annotations

import numpy as np
import pytest

from lth_bench.errors import UserError
from lth_bench.plugins.asking import ask, ask_for, ask_for_steps


def dense_checkpoints(answer):
    return answer


def breaks():
    return 1 / 0


def test_answers_go_through():
    assert ask("x", dense_checkpoints, 3) == 3
    assert ask_for(int, "x", dense_checkpoints, 3) == 3
    assert ask_for_steps("x", dense_checkpoints, [0, np.int64(7)]) == (0, 7)
    assert ask_for_steps("x", dense_checkpoints, iter([])) == ()


def test_who_raises_is_named_with_the_line():
    with pytest.raises(UserError) as caught:
        ask("strategy 'mine'", breaks)
    line = breaks.__code__.co_firstlineno + 1
    assert str(caught.value) == (
        "strategy 'mine': breaks raised ZeroDivisionError: division by zero"
        f" (test_asking.py:{line})"
    )


def test_a_user_s_mistake_stays_as_it_is():
    def refuses():
        raise UserError("rewind_step is too large")

    with pytest.raises(UserError, match=r"^rewind_step is too large$"):
        ask("strategy 'mine'", refuses)


@pytest.mark.parametrize("answer", [None, 3, [0.5], ["1"], [-1], "ab"])
def test_what_are_no_steps(answer):
    with pytest.raises(UserError, match="'mine': dense_checkpoints must return whole numbers"):
        ask_for_steps("strategy 'mine'", dense_checkpoints, answer)


def test_another_type():
    for answer, says in ((None, "None"), ("x", "a str")):
        with pytest.raises(UserError, match=f"must return a int, but returned {says}$"):
            ask_for(int, "x", dense_checkpoints, answer)


def test_a_plan_names_whose_methods_fail(tmp_path):
    from lth_bench.data.root import data_root
    from lth_bench.running.plan import plan_suite
    from lth_bench.running.request import RunRequest, prepare

    file = tmp_path / "idea.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "from lth_bench import hookimpl\n"
        "@dataclass(frozen=True, eq=False)\n"
        "class Idea:\n"
        "    @hookimpl\n"
        "    def select_mask(self, ticket): ...\n"
        "    def dense_checkpoints(self, total_steps): return total_steps / 2\n"
        "    def start_step(self, total_steps): return 1 / 0\n"
    )
    request = RunRequest.from_arguments(suite="quickstart", strategies=["idea"], plugins=[file])
    with pytest.raises(UserError, match=r"'idea': dense_checkpoints must return .* 200\.0"):
        plan_suite(*prepare(request), data_root())
    file.write_text(file.read_text().replace("total_steps / 2", "[7]"))
    with pytest.raises(UserError, match=r"'idea': start_step raised ZeroDiv.*idea\.py:8"):
        plan_suite(*prepare(request), data_root())
