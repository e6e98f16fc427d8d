"""Which outcomes a run leaves as they are."""

from __future__ import annotations

import pytest

from lth_bench.errors import UserError
from lth_bench.running.arguments import statuses
from lth_bench.running.pending import RETRIED, kept, left_alone

STATUSES = {s: s for s in ("ok", "skipped", "interrupted", *RETRIED)}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], set()),
        (["oom"], {"oom"}),
        (["oom,timeout", "failed"], {"oom", "timeout", "failed"}),
        ([" diverged , oom "], {"diverged", "oom"}),
        (["oom", "all"], set(RETRIED)),
    ],
)
def test_retry_accepts_statuses(given, found):
    assert statuses("--retry", given) == found
    # what is interrupted is done again in any case, and what is ok in none
    again = STATUSES.keys() - kept(STATUSES, statuses("--retry", given), rerun=False)
    assert again == found | {"interrupted"}


@pytest.mark.parametrize("given", ["ok", "", "oom,", "failure", "skipped"])
def test_retry_refuses_other_texts(given):
    with pytest.raises(UserError, match=r"--retry: unknown status '.*'(; choose from|; did you)"):
        statuses("--retry", [given])
    with pytest.raises(UserError, match="did you mean 'timeout'"):
        statuses("--retry", ["timeot"])


def test_rerun_keeps_nothing():
    assert kept(STATUSES, frozenset(), rerun=True) == set()


def test_experiments_not_retried_are_noted_with_the_option():
    assert left_alone(["ok", "diverged", "skipped"]) is None
    assert left_alone(["timeout", "failed", "ok", "failed"]) == (
        "2 failed, 1 timeout in an earlier run; --retry failed,timeout reruns them"
    )
