from __future__ import annotations

import pytest

from lth_bench.analysis.compare.pairs import groups, only_in_first
from lth_bench.errors import NothingSelected, UserError

ONE = {0: 0.9, 1: 0.8}


def densities(found):
    return [(g.suite, g.model, g.name, tuple(g.pairs)) for g in found]


def test_samples_match_by_task_and_density(sample):
    a = [sample("imp", d, ONE) for d in (0.5, 0.2, 0.1)]
    b = [sample("snip", d, ONE) for d in (0.5, 0.2, 0.05)]
    (found,) = groups(a, b, by_name=False)
    assert found.pairs == {0.5: (a[0], b[0]), 0.2: (a[1], b[1])}
    assert (found.only_a, found.only_b) == ((0.1,), (0.05,))


def test_two_databases_match_by_label(sample):
    a = [sample(name, 0.5, ONE) for name in ("imp", "imp/reinit", "old")]
    b = [sample(name, 0.5, ONE) for name in ("imp", "imp/reinit", "new")]
    found = groups(a, b, by_name=True)
    assert [g.name for g in found] == ["imp", "imp/reinit"]
    assert found[1].pairs[0.5] == (a[1], b[1])


def test_the_dense_run_matches_every_density(sample):
    dense = sample("dense", 1.0, ONE)
    sparse = [sample("imp", d, ONE) for d in (0.5, 0.2)]
    (found,) = groups([dense], sparse, by_name=False)
    assert found.pairs == {0.5: (dense, sparse[0]), 0.2: (dense, sparse[1])}
    assert (found.only_a, found.only_b) == ((), ())
    (found,) = groups(sparse, [dense], by_name=False, densities=[0.2001])
    assert found.pairs == {0.2: (sparse[1], dense)}


def test_selecting_a_density_leaves_the_dense_run_out(sample):
    side = [sample("dense", 1.0, ONE), sample("imp", 0.5, ONE), sample("imp", 0.2, ONE)]
    assert densities(groups(side, side, by_name=True, densities=[0.5])) == [
        ("mine", "net", "imp", (0.5,))
    ]


def test_suites_match_by_name_if_they_share_any(sample):
    a = [sample("imp", 0.5, ONE, suite=suite) for suite in ("one", "two")]
    b = [sample("new", 0.5, ONE, suite=suite) for suite in ("two", "three")]
    assert densities(groups(a, b, by_name=False)) == [("two", "net", "", (0.5,))]
    assert densities(groups(a[:1], b[:1], by_name=False)) == [("one | two", "net", "", (0.5,))]
    with pytest.raises(UserError, match=r"new on net/data/short is in the suites two and three"):
        groups(a[:1], b, by_name=False)


@pytest.mark.parametrize("pattern", ["net", "net/data", "*/*/short", "n?t"])
def test_task_patterns(sample, pattern):
    both = [sample("imp", 0.5, ONE), sample("imp", 0.5, ONE, task=("other", "data", "long"))]
    assert densities(groups(both, both, False, tasks=[pattern])) == [("mine", "net", "", (0.5,))]


def test_a_transferred_ticket_matches_the_same_source(sample):
    own, found_elsewhere = sample("imp", 0.5, ONE), sample("imp", 0.5, ONE, source="a/b/c")
    (found,) = groups([own, found_elsewhere], [found_elsewhere], by_name=False)
    assert found.pairs == {0.5: (found_elsewhere, found_elsewhere)}


def test_nothing_in_common_is_an_error_that_lists_both_sides(sample):
    a, b = [sample("imp", 0.5, ONE)], [sample("new", 0.2, ONE)]
    with pytest.raises(NothingSelected) as caught:
        groups(a, b, by_name=False, densities=[0.5])
    assert str(caught.value) == (
        "A and B have nothing in common under --density 0.5: A has net/data/short (mine) at 0.5; "
        "B has net/data/short (mine) at 0.2"
    )
    with pytest.raises(NothingSelected, match="B has no rows"):
        groups(a, [], by_name=False)


def test_no_common_seed_is_an_error(sample):
    a, b = [sample("imp", 0.5, {0: 1.0, 1: 1.0})], [sample("new", 0.5, {2: 1.0}, missing=[0])]
    with pytest.raises(NothingSelected, match=r"no seed in common: A has 0, 1; B has 2$"):
        groups(a, b, by_name=False)
    lost = [sample("new", 0.5, {}, lost=[0, 1])]
    assert len(groups(a, lost, by_name=False)) == 1  # a failure is a result


def test_a_label_may_have_a_slash_in_it(sample):
    task = ("net", "folder(path=my/images)", "short")
    a = [sample(name, 0.5, ONE, task=task) for name in ("imp", "snip")]
    for tasks in ([], ["net"], ["net/folder*"], ["net/folder(path=my/images)/short"]):
        assert only_in_first(a, a[:1], tasks) == ("snip on net/folder(path=my/images)/short",)
    assert only_in_first(a, a[:1], ["net/folder(path=my"]) == ()
