from __future__ import annotations

import json
import math

import pytest

from lth_bench.errors import UserError
from lth_bench.suite import load_suite, smoke
from lth_bench.suite.load import suite_of
from lth_bench.suite.schema import json_schema
from lth_bench.suite.source import shipped
from lth_bench.suite.spec import Claim, Side, summary

CLAIM = """
[[claims]]
name = "first"
text = "imp is better than snip"
source = "a paper, table 1"
of = "imp"
versus = "snip-big"
model = "mlp"
density = 0.2
at_least = 0.001
"""
FIRST = 31
"""The line of `[[claims]]`, after the demo suite."""


@pytest.fixture
def claim(write, text):
    """Write the demo suite with CLAIM, some of the claim's text replaced."""

    def written(old: str = "", new: str = "", more: str = "") -> str:
        assert old in CLAIM
        path = write()
        path.write_text(text + (CLAIM.replace(old, new, 1) if old else CLAIM) + more)
        return path

    return written


def test_the_sides_of_a_claim(claim):
    (found,) = load_suite(claim()).claims
    task = ("mlp(hidden=[30])", "digits", "fast")
    assert found == Claim(
        name="first",
        text="imp is better than snip",
        source="a paper, table 1",
        metric="score",
        of=Side("imp", "none", task, (0.2,)),
        versus=Side("snip-big", "none", task, (0.2,)),
        compare="difference",
        bound="at_least",
        threshold=0.001,
        published=None,
    )
    assert found.of.name == "imp"
    assert load_suite(claim('"snip-big"', '"dense"')).claims[0].versus == Side(
        "dense", "none", task, (1.0,)
    )


def test_without_claims_there_are_none(write):
    assert load_suite(write()).claims == ()


@pytest.mark.parametrize(
    ("compare", "bound", "accepted"),
    [
        ("difference", "at_least = 0.5", (0.5, math.inf)),
        ("difference", "at_most = -1", (-math.inf, -1)),
        ("difference", "within = 0.25", (-0.25, 0.25)),
        ("ratio", "within = 0.25", (0.75, 1.25)),
        ("ratio", "at_most = 2", (-math.inf, 2)),
        ("ratio", "reported = true", (-math.inf, math.inf)),
    ],
)
def test_bounds(claim, compare, bound, accepted):
    path = claim("at_least = 0.001", f'compare = "{compare}"\n{bound}')
    assert load_suite(path).claims[0].accepted == accepted


@pytest.mark.parametrize(
    ("published", "expected"), [("0.5", (0.5, 0.5)), ("0", (0.0, 0.0)), ("[1, 2.5]", (1.0, 2.5))]
)
def test_published_is_a_figure_or_a_range(claim, published, expected):
    path = claim("at_least", f"published = {published}\nat_least")
    assert load_suite(path).claims[0].published == expected


def test_densities_are_the_tasks_own_from_dense_to_sparse(claim):
    # .2008 and .501 lie within half a percent of .2 and .5
    path = claim("density = 0.2", "density = [0.2008, 0.501]")
    assert load_suite(path).claims[0].of.densities == (0.5, 0.2)


def test_a_value_of_a_dense_run_has_no_density(claim):
    path = claim('of = "imp"\nversus = "snip-big"', 'of = "dense"')
    path.write_text(path.read_text().replace("density = 0.2\n", ""))
    (found,) = load_suite(path).claims
    assert (found.of.densities, found.versus, found.compare) == ((1.0,), None, "value")


def test_another_model_on_the_other_side(claim):
    path = claim('versus = "snip-big"', 'versus = "imp"\nversus_model = "conv"')
    (found,) = load_suite(path).claims
    assert found.versus is not None
    assert (found.of.task[0], found.versus.task[0]) == ("mlp(hidden=[30])", "conv")
    assert found.of.task[1:] == found.versus.task[1:]


def test_another_recipe_on_the_other_side(claim):
    path = claim('versus = "snip-big"', 'versus = "imp"\nrecipe = "fast"\nversus_recipe = "slow"')
    path.write_text(
        path.read_text()
        .replace('recipe = "fast"', 'recipe = ["fast", "slow"]', 1)
        .replace("[recipes.fast]", "[recipes.slow]\nsteps = 9\n[recipes.fast]")
    )
    (found,) = load_suite(path).claims
    assert found.versus is not None
    assert (found.of.task[2], found.versus.task[2]) == ("fast", "slow")


def transferred(path, source: str = 'recipe = "slow"'):
    """The suite with a source."""
    path.write_text(
        path.read_text()
        .replace('recipe = "fast"', f'recipe = "fast"\nsources = [{{ {source} }}]', 1)
        .replace(
            "[recipes.fast]",
            "[recipes.slow]\nsteps = 9\n[recipes.slower]\nsteps = 11\n[recipes.fast]",
        )
    )
    return load_suite(path).claims


def test_tickets_that_were_found_on_another_task(claim):
    (found,) = transferred(claim('versus = "snip-big"', 'versus = "imp from slow"'))
    assert found.versus is not None
    assert found.versus.found_on == ("mlp(hidden=[30])", "digits", "slow")
    assert (found.of.name, found.versus.name) == ("imp", "imp from slow")
    (same,) = transferred(
        claim('versus = "snip-big"', 'versus = "imp from mlp(hidden=[30])/digits/slow"')
    )
    assert same.versus == found.versus


def test_a_source_that_is_not_the_tasks_own(claim):
    with pytest.raises(UserError, match=r"none of its sources is called 'mnist'; .* has mlp"):
        transferred(claim('of = "imp"', 'of = "imp from mnist"'))
    two = 'recipe = ["slow", "slower"]'
    with pytest.raises(UserError, match="2 of its sources are called 'digits'"):
        transferred(claim('of = "imp"', 'of = "imp from digits"'), two)
    with pytest.raises(UserError, match="a dense run has no ticket from another task"):
        transferred(claim('versus = "snip-big"', 'versus = "dense from slow"'))


WRONG = [
    ('of = "imp"', 'of = "imp from mnist"', 4, ["has no sources", "remove ' from mnist'"]),
    ('name = "first"', 'name = "a b"', 1, ["name must consist of ASCII letters", "'a b'"]),
    ('name = "first"', "", 0, ["missing key claims[0].name"]),
    ('text = "imp is better than snip"', 'text = " "', 2, ["text is empty"]),
    ('source = "a paper, table 1"', "", 0, ["missing key claims[0].source"]),
    ('of = "imp"', 'of = "ipm"', 4, ["claims[0].of: unknown label 'ipm'", "'imp'"]),
    ('of = "imp"', 'of = "imp/reinit"', 4, ["'imp' has no control 'reinit'; it has none"]),
    ('of = "imp"', 'of = "dense/reinit"', 4, ["'dense' has no control 'reinit'"]),
    ('of = "imp"', 'off = "imp"', 4, ["unknown key claims[0].off", "'of'"]),
    (
        'versus = "snip-big"',
        'versus = "imp"',
        5,
        ["versus must differ from `of`, but both are 'imp'"],
    ),
    ('model = "mlp"', 'model = "mpl"', 6, ["claims[0].model: no task has a model 'mpl'", "'mlp'"]),
    ('model = "mlp"', 'dataset = "cifar"', 6, ["no task has a dataset 'cifar'", "digits"]),
    ('model = "mlp"', 'recipe = "slow"', 6, ["no task has a recipe 'slow'", "fast"]),
    ('model = "mlp"', "", 0, ["fits 2 of them: conv/digits/fast, mlp", "set model"]),
    ('model = "mlp"', 'model = "conv"', 5, ["claims[0].versus: 'snip-big' does not run on conv"]),
    ("density = 0.2", "", 0, ["claims[0] needs a density", "0.5, 0.2"]),
    ("density = 0.2", "density = 0.3", 7, ["has no density 0.3; it has 0.5, 0.2"]),
    ("density = 0.2", "density = [\n0.2,\n0.3]", 9, ["claims[0].density[1]", "density 0.3"]),
    ("density = 0.2", "density = [0.2, 0.2001]", 7, ["density[1]: density 0.2 is listed twice"]),
    ("density = 0.2", "density = []", 7, ["density is an empty list"]),
    ("density = 0.2", "density = 0", 7, ["claims[0].density", "(0, 1]", "got 0"]),
    ("at_least = 0.001", "", 0, ["exactly one of at_least", "but got none"]),
    ("at_least = 0.001", "at_least = 0\nat_most = 1", 9, ["but got at_least and at_most"]),
    ("at_least = 0.001", "at_least = 0\nreported = true", 9, ["but got at_least and reported"]),
    ("at_least = 0.001", "within = 0", 8, ["claims[0].within", "> 0"]),
    ("at_least = 0.001", "at_least = nan", 8, ["claims[0].at_least", "nan"]),
    ("at_least = 0.001", 'at_least = 0\ncompare = "ratio"', 8, ["at_least of a ratio", "> 0"]),
    ("at_least = 0.001", 'within = 1\ncompare = "ratio"', 8, ["within of a ratio", "(0, 1)"]),
    ("at_least = 0.001", 'at_most = 1\ncompare = "ration"', 9, ["claims[0].compare", "'ratio'"]),
    (
        "at_least",
        "published = [2, 1]\nat_least",
        8,
        ["published must be [low, high]", "[2.0, 1.0]"],
    ),
    ("at_least", "published = [1]\nat_least", 8, ["claims[0].published", "[1]"]),
    ('versus = "snip-big"', 'versus_recipe = "fast"', 5, ["versus_recipe needs `versus`"]),
    ('versus = "snip-big"', 'compare = "ratio"', 5, ["compare needs `versus`"]),
    ("of =", 'versus_recipe = "slow"\nof =', 4, ["has no recipe 'slow'", "fast"]),
    ('versus = "snip-big"', 'versus_model = "mlp"', 5, ["versus_model needs `versus`"]),
    ("of =", 'versus_model = "con"\nof =', 4, ["has no model 'con'", "conv"]),
    (
        'of = "imp"\nversus = "snip-big"',
        'of = "dense"',
        6,
        ["a claim about dense runs takes no density"],
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "parts"), WRONG)
def test_one_message_with_file_line_and_key(claim, old, new, line, parts):
    path = claim(old, new)
    with pytest.raises(UserError) as caught:
        load_suite(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{FIRST + line}: "), message
    for part in parts:
        assert part in message
    assert len(message.splitlines()) == 1


def test_two_claims_of_one_name_are_refused(claim):
    path = claim(more=CLAIM)
    with pytest.raises(
        UserError, match=rf":{FIRST + 11}: claims\[1\].name: another claim is already named 'first'"
    ):
        load_suite(path)


def test_overrides_drop_claims_that_no_longer_apply(claim):
    more = CLAIM.replace('"first"', '"second"').replace("density = 0.2", "density = 0.5")
    path = claim(more=more)
    assert [c.name for c in load_suite(path).claims] == ["first", "second"]
    assert [c.name for c in load_suite(path, ["suite.densities=[0.5]"]).claims] == ["second"]
    # what is left out by a filter was not asked for this time; the claims are still the suite's
    assert len(load_suite(path, strategies=["imp"]).claims) == 2
    assert len(smoke(load_suite(path)).claims) == 2


def test_claims_of_a_text_without_a_file(claim, tmp_path):
    text = claim().read_text()
    suite = suite_of(text, tmp_path / "gone.toml")
    assert suite.claims[0].name == "first"
    with pytest.raises(UserError, match=r"gone.toml:35: claims\[0\].of: unknown label 'ipm'"):
        suite_of(text.replace('of = "imp"', 'of = "ipm"'), tmp_path / "gone.toml")


def test_the_summary_lists_them(claim):
    found = json.loads(json.dumps(summary(load_suite(claim()))))
    assert found["claims"] == [{"name": "first", "text": "imp is better than snip"}]


def test_the_schema(registry):
    schema = json_schema(registry)["properties"]["claims"]
    assert schema["type"] == "array"
    claim = schema["items"]
    assert claim["additionalProperties"] is False
    assert claim["required"] == ["name", "text", "source", "of"]
    assert [list(option) for option in claim["oneOf"]] == [["required"]] * 3 + [
        ["required", "properties"]
    ]
    number, several = claim["properties"]["density"]["anyOf"]
    assert number == several["items"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    assert claim["properties"]["at_least"]["type"] == "number"
    assert all("description" in p for p in claim["properties"].values())


@pytest.mark.parametrize(
    ("name", "number"), [("mnist_lenet", 10), ("cifar_conv", 15), ("cifar_resnet", 26)]
)
def test_claims_of_the_shipped_suites(name, number):
    claims = load_suite(name).claims
    assert len(claims) == number
    for claim in claims:
        # accuracies are fractions: nobody claims a difference of 20 points
        if claim.metric.endswith("accuracy") and claim.compare == "difference":
            figures = [claim.threshold or 0, *(claim.published or ())]
            assert all(abs(x) < 0.2 for x in figures), claim.name
        # what the paper found meets what is asked for
        for figure in claim.published or ():
            low, high = claim.accepted
            assert low - 0.005 <= figure <= high, claim.name
    assert any(claim.bound == "reported" for claim in claims) or name == "cifar_conv"
    assert shipped()[name].read_text().count("published = ") >= number / 3


def test_a_label_goes_before_a_name_that_others_share(claim):
    path = claim('model = "mlp"', 'model = "conv"').read_text()
    assert 'model = ["conv", { name = "mlp", hidden = [30] }]' in path
    text = path.replace(
        '"conv", { name = "mlp", hidden = [30] }', '"mlp", { name = "mlp", hidden = [30] }'
    )
    written = claim()
    written.write_text(
        text.replace("[strategies.per_model.conv]\nrate = { output = 0.3 }\n", "")
        .replace('model = "conv"', 'model = "mlp"')
        .replace("rate = { conv = 0.1 }", "")
    )
    (found,) = load_suite(written).claims
    assert found.of.task[0] == "mlp"
