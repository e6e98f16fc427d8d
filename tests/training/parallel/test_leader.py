"""Who is said to be the cause where a rank is lost, on processes that are not there."""

from __future__ import annotations

import threading
import time
from multiprocessing import Pipe
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from lth_bench.errors import TrainingError, UserError
from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel import leader
from lth_bench.training.parallel.follower import LOST, RAISED, READY, follow
from lth_bench.training.parallel.group import VARIABLE, Ranks, is_lost_contact, rank_seconds
from lth_bench.training.parallel.leader import RankLeader
from lth_bench.training.recipe import Recipe

CLOSED = RuntimeError("[gloo/transport/tcp/pair.cc:545] Connection closed by peer")


class Made:
    """A follower that has said something, or has ended."""

    def __init__(self, rank: int, says: tuple[str, str] | None = None, ended: str | None = None):
        self.name = f"rank {rank} of 3 (cuda:{rank})"
        self.pipe, self._theirs = Pipe()
        self.sentinel = self.pipe  # ready never matters here
        self._ended, self.killed = ended, False
        if says is not None:
            self._theirs.send(says)

    def how(self) -> str | None:
        return self._ended

    def kill(self) -> None:
        self.killed = True


def leading(*followers: Any) -> RankLeader:
    made = RankLeader(
        lambda share, place: followers[share.rank - 1], ["cuda:0", "cuda:1", "cuda:2"]
    )
    made._followers = list(followers)
    return made


def reason(error: BaseException, *followers: Made, after: float = 0.0) -> str:
    def happen() -> None:
        with leading(*followers).together():
            time.sleep(after)
            raise error

    with pytest.raises(TrainingError) as found:
        happen()
    assert all(one.killed for one in followers)
    return str(found.value)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader, "CAUSE", 0.2)


def test_the_cause_is_told_and_not_its_effects() -> None:
    effect = Made(1, says=(LOST, "connection closed"), ended="ended with exit code 0")
    raised = Made(2, says=(RAISED, "photo.jpg is truncated"), ended="ended with exit code 0")
    assert reason(CLOSED, effect, raised) == "rank 2 of 3 (cuda:2): photo.jpg is truncated"
    effect = Made(1, says=(LOST, "connection closed"))
    died = Made(2, ended="was killed by SIGSEGV")
    assert reason(CLOSED, effect, died) == "rank 2 of 3 (cuda:2) was killed by SIGSEGV"
    effect = Made(1, says=(LOST, "connection closed"))
    assert reason(CLOSED, effect, Made(2)) == "rank 1 of 3 (cuda:1) lost contact with the others"


def test_no_answer_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0.05")
    late = RuntimeError("gloo: Timed out waiting 50ms for recv operation to complete")
    said = reason(late, Made(1), Made(2), after=0.06)
    assert said.startswith("no answer for 0.05 s from rank 1 of 3 (cuda:1), rank 2 of 3 (cuda:2)")
    assert said.endswith(f"give {VARIABLE} more seconds")


@pytest.mark.parametrize("error", [ValueError("mine"), RuntimeError("mine"), KeyboardInterrupt()])
def test_an_error_of_this_rank_stays_what_it_is(error: BaseException) -> None:
    one = Made(1)
    with pytest.raises(type(error)) as found, leading(one).together():
        raise error
    assert found.value is error and one.killed


def test_an_error_of_this_rank_while_a_layout_is_made_ends_the_followers(monkeypatch: Any) -> None:
    """Out of memory, for example: the followers wait for this rank in a collective."""

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(leader, "require_parallel", lambda *_: None)
    monkeypatch.setattr(leader, "DataParallel", full)
    one = Made(1, says=(READY, ""))
    one.sentinel, _alive = Pipe()
    lead = leading(one)
    lead._group = Ranks(Share(0, 2), torch.device("cpu"))
    with pytest.raises(torch.OutOfMemoryError):
        lead.layout(None, Mock(view=None), Recipe(steps=4, devices=2, batch_size=20))
    assert one.killed and lead._group is None and not lead._followers


def test_networks_that_are_not_quite_one_devices_are_named() -> None:
    """Those that were trained: a transfer's experiment trains two."""
    lead, recipe = leading(), Recipe(steps=4, devices=2, batch_size=20)

    def train(model: str, alike: bool) -> None:
        bench: Any = Mock()
        lead._layout = (bench, recipe, Mock(draws_as_one=alike))
        lead.layout(Mock(model_label=model), bench, recipe)

    train("like one", True)
    assert lead.take_notes() == []
    for model in ("source", "like one", "target", "source"):
        train(model, model == "like one")
    named = [note.partition(": its network draws random numbers")[0] for note in lead.take_notes()]
    assert named == ["source", "target"]
    train("target", False)
    (note,) = lead.take_notes()
    assert "each of the 2 devices draws its own" in note and lead.take_notes() == []


def test_followers_are_replaced_where_one_died_between_trainings(monkeypatch: Any) -> None:
    class Again(Exception):
        """Others would be started."""

    def begin(of: int) -> None:
        raise Again(of)

    monkeypatch.setattr(leader, "require_parallel", lambda *_: None)
    dead, other = Made(1, ended="was killed by SIGKILL"), Made(2)
    dead._theirs.close()  # its sentinel is ready
    lead, bench, recipe = leading(dead, other), Mock(), Recipe(steps=4, devices=3, batch_size=30)
    lead._layout, lead._group = (bench, recipe, Mock()), Ranks(Share(0, 3), torch.device("cpu"))
    monkeypatch.setattr(lead, "_begin", begin)
    assert not lead.whole
    with pytest.raises(Again, match="3"):
        lead.layout(Mock(), bench, recipe)
    assert dead.killed and other.killed and lead.whole and bench.network.over_ranks is None
    (note,) = lead.take_notes()
    assert note.startswith("between two trainings rank 1 of 3 (cuda:1) was killed by SIGKILL; ")


def test_where_ranks_meet_goes_with_the_run() -> None:
    places = []

    def start(_: Share, place: Path) -> Any:
        assert place.parent.is_dir()
        places.append(place)
        raise OSError("no more processes")

    lead = RankLeader(start, ["cpu", "cpu"])
    with pytest.raises(OSError, match="no more processes"):
        lead._begin(2)
    (place,) = places
    assert place.parent.parent == Path(get_temp_dir()) and not place.parent.exists()


def test_the_watch_ends_a_wait_for_a_rank_that_died_or_is_late(monkeypatch: Any) -> None:
    monkeypatch.setattr(leader, "LOOK", 0.01)

    def watched(lead: RankLeader, *followers: Made) -> Ranks:
        group = Ranks(Share(0, 3), torch.device("cpu"))
        lead._watch(followers, group, lead._closing)
        return group

    dead = Made(1)
    dead._theirs.close()  # its sentinel is ready
    assert watched(leading(), dead, Made(2)).lost
    lead = leading()
    lead._since = time.monotonic() - 2 * lead._seconds
    assert watched(lead, Made(1), Made(2)).lost
    lead._closing.set()
    assert not watched(lead, Made(1), Made(2)).lost
    assert not watched(lead, dead).lost


@pytest.mark.parametrize("given", ["0", "-1", "inf", "soon"])
def test_the_time_limit_is_a_number_of_seconds(given: str, monkeypatch: Any) -> None:
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(UserError, match=f"{VARIABLE} must be a number of seconds above 0, but got"):
        rank_seconds()


def test_a_follower_says_what_it_raised_and_ends() -> None:
    ours, theirs = Pipe()

    def fail(*_: object) -> None:
        raise UserError("there is no data here")

    thread = threading.Thread(target=follow, args=(theirs, lambda: None, fail))
    thread.start()
    ours.send(("layout", None, None, None))
    assert ours.recv() == ("ready", "")
    assert ours.recv() == (RAISED, "there is no data here")
    thread.join()
    thread = threading.Thread(target=follow, args=(theirs, lambda: None, fail))
    thread.start()
    assert ours.recv() == ("ready", "")
    ours.close()  # the leader is gone
    thread.join(100)
    assert not thread.is_alive()


def test_lost_contact_is_what_torch_says_of_it() -> None:
    assert is_lost_contact(CLOSED)
    assert not is_lost_contact(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost_contact(ValueError("gloo"))
    assert not is_lost_contact(torch.OutOfMemoryError("CUDA out of memory"))


def test_shares_are_equal_and_in_order() -> None:
    parts = [range(s.first(12), s.first(12) + s.size(12)) for s in (Share(r, 3) for r in range(3))]
    assert [i for part in parts for i in part] == list(range(12))
