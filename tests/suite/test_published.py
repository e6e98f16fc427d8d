"""The papers' figures: the rows themselves, and the claims of shipped suites that name them."""

from __future__ import annotations

import math

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.suite import load_suite
from lth_bench.suite.published import figures, quoted
from lth_bench.suite.source import papers, shipped
from lth_bench.suite.spec import Claim, Side, Suite

NETWORKS = {
    "lenet_300_100": "LeNet-300-100", "conv2": "Conv-2", "conv4": "Conv-4", "conv6": "Conv-6",
    "resnet20": "ResNet-20", "vgg16_bn": "VGG-16",
}  # fmt: skip
"""Models of the suites, as the papers call them."""

QUOTED = [
    pytest.param(suite, claim, id=f"{name}-{claim.name}")
    for name in (*shipped(), *papers())
    for suite in [load_suite(name)]
    for claim in suite.claims
    if claim.published is not None
]


def test_a_row_is_a_figure_with_its_protocol() -> None:
    assert len(figures()) > 300
    for name, figure in figures().items():
        assert figure.unit in ("%", "points", "ratio", "steps", ""), name
        assert figure.basis in ("data", "source", "unverified"), name
        assert figure.pruning in ("", "iterative", "one-shot"), name
        assert figure.density is None or 0 < figure.density <= 1, name
        assert figure.low <= figure.high and (figure.unit != "%" or 0 <= figure.low <= 100), name
        assert figure.sd is None or figure.sd > 0, name
        assert all((figure.paper, figure.where, figure.what, figure.network, figure.dataset)), name
        assert name.count("/") == 1 and name == name.lower()
        # what was computed from the authors' results has a number of seeds
        assert figure.basis != "data" or figure.n or figure.density == 1, name
        assert figure.paper in figure.text and figure.network in figure.text


def points(of: str, versus: str) -> float:
    low, high = quoted((of, versus), "difference", ("published",))
    assert low == high
    return 100 * low


def test_what_the_tables_show() -> None:
    """Differences that follow from the tables, worked out by hand."""
    r20 = "renda2020/r20-iterative"
    assert points(f"{r20}-lrr-21", f"{r20}-ft-21") == pytest.approx(1.54)
    assert points(f"{r20}-lrr-11", f"{r20}-ft-11") == pytest.approx(1.97)
    assert points(f"{r20}-late-21", f"{r20}-init-21") == pytest.approx(2.69)
    assert points(f"{r20}-late-11", f"{r20}-init-11") == pytest.approx(4.22)
    one = "renda2020/r20-one-shot"
    assert points(f"{one}-late-21", f"{one}-reinit-21") == pytest.approx(2.67)
    gale = "gale2019/r50"
    assert points(f"{gale}-gradual-10", f"{gale}-ticket-10") == pytest.approx(6.53)
    assert points(f"{gale}-gradual-5", f"{gale}-ticket-5") == pytest.approx(7.73)
    assert figures()["tanaka2020/resnet18-c10-magnitude-32x"].low == 10  # collapsed
    assert figures()["you2020/vgg16-flops-50"].ends == pytest.approx((0.326, 0.326))


@pytest.mark.parametrize(("suite", "claim"), QUOTED)
def test_every_published_figure_is_a_row(suite: Suite, claim: Claim) -> None:
    assert claim.figures
    papers = [figures()[name].paper for name in claim.figures]
    assert all(paper in claim.source for paper in papers), claim.source


@pytest.mark.parametrize(("suite", "claim"), QUOTED)
def test_it_is_of_the_same_method(suite: Suite, claim: Claim) -> None:
    """A one-shot figure says nothing of iterative rounds, nor the other way round."""
    registry, specs = load_registry(), {s.label: s for s in suite.strategies}

    def pruning(side: Side) -> str | None:
        spec = specs.get(side.label)
        if spec is None or spec.use not in registry.groups["strategies"]:
            return None  # dense, or of a package that is not installed, such as SynFlow
        if spec.params.get("pruning") == "one_shot":
            return None
        strategy = registry.get("strategies", spec.use)
        return "iterative" if getattr(strategy, "iterative", False) else None

    sides = [side for side in (claim.of, claim.versus) if side is not None]
    ours = {pruning(side) for side in sides} - {None}
    theirs = {figures()[name].pruning for name in claim.figures} - {"", "one-shot"}
    assert theirs == ours


@pytest.mark.parametrize(("suite", "claim"), QUOTED)
def test_the_source_names_what_is_otherwise(suite: Suite, claim: Claim) -> None:
    """Network and density, where they are not the claim's own."""
    densities = [d for d in claim.of.densities if d < 1]
    model = NETWORKS.get(claim.of.task[0].partition("(")[0], "")
    for figure in (figures()[name] for name in claim.figures):
        if not model or not model.startswith(figure.network):
            assert figure.network in claim.source
        if figure.density in (None, 1) or not densities:
            continue
        near = any(math.isclose(figure.density, d, rel_tol=0.02) for d in densities)
        said = claim.source.replace(".0%", "%")
        shown = (f"{100 * figure.density:.{digits}g}% of the weights" for digits in (2, 3))
        assert near or any(text in said for text in shown)


def test_two_rows_are_a_difference_or_a_ratio() -> None:
    names = "you2020/vgg16-thinet-10", "you2020/vgg16-thinet-50"
    assert quoted(names, "difference", ()) == pytest.approx((0.0361, 0.0361))
    assert quoted(names, "ratio", ()) == pytest.approx((70.83 / 67.22,) * 2)
    assert quoted(names[:1], "difference", ()) == pytest.approx((0.7083,) * 2)
    ranged = "you2020/early-minus-late"
    assert quoted((ranged,), "difference", ()) == pytest.approx((-0.0081, 0.0086))


SUITE = """
schema_version = 1
[suite]
name = "quoting"
densities = [0.5]
seeds = 1
[recipes.short]
steps = 8
batch_size = 16
val_size = 32
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "snip"
[[claims]]
name = "c"
text = "t"
source = "s"
of = "snip"
versus = "dense"
density = 0.5
at_least = 0
published = PUBLISHED
"""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ('"renda2020/r20-iterative-lr-21"', "nearest are renda2020/r20-iterative-lrr-21, "),
        ('"no such thing at all"', "no published figure is named 'no such thing at all'"),
        ('["renda2020/r20-dense", "renda2020/r20-dens"]', "nearest are renda2020/r20-dense, "),
        ('["renda2020/r20-dense", "you2020/draw-step"]', "in '%', you2020/draw-step in 'steps'"),
        ('["renda2020/r20-dense", 0.5]', "published"),
        ("[2, 1]", "published must be [low, high]"),
    ],
)
def test_a_name_that_no_row_has(tmp_path, given, says) -> None:
    path = tmp_path / "quoting.toml"
    path.write_text(SUITE.replace("PUBLISHED", given))
    with pytest.raises(UserError) as raised:
        load_suite(path)
    message = raised.value.message
    assert says in message and "published" in message
    assert f"{path}:{SUITE.splitlines().index('published = PUBLISHED') + 1}:" in message
    assert "\n" not in message


def test_numbers_still_work(tmp_path) -> None:
    path = tmp_path / "quoting.toml"
    for given, ends in (("0.5", (0.5, 0.5)), ("[0.1, 0.2]", (0.1, 0.2))):
        path.write_text(SUITE.replace("PUBLISHED", given))
        (claim,) = load_suite(path).claims
        assert (claim.published, claim.figures) == (ends, ())
