"""Any text as a suite, and any `--set`: a plan, or one clean error, and soon."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from lth_bench.errors import UserError
from lth_bench.plugins import Registry, load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite.check import check
from lth_bench.suite.load import suite_of
from lth_bench.tuning.goal import goals_of

pytestmark = pytest.mark.fuzz
FUZZ = settings.get_profile("fuzz")
HALF = settings(FUZZ, max_examples=FUZZ.max_examples // 2)
SECONDS = 30.0

BASE = """\
schema_version = 1

[suite]
name = "demo"
version = 2
description = "a demo"
densities = { rate = 0.4, rounds = 4 }
seeds = [0, 3]
controls = ["reinit"]
baseline = "imp"

[recipes.fast]
optimizer = "sgd"
lr = 0.1
momentum = 0.9
nesterov = true
weight_decay = 1e-4
schedule = "step"
milestones = [0.5]
batch_size = 60
epochs = 3
val_size = 97
eval_every = 20

[recipes.slow]
optimizer = "adam"
lr = 1e-3
steps = 100
batch_size = 50

[[tasks]]
model = ["lenet_300_100", { name = "mlp", hidden = [30] }]
dataset = "digits"
recipe = "fast"

[[tasks]]
model = { name = "mlp", hidden = [20, 10], width = 2.0 }
dataset = "mnist"
recipe = ["slow"]
densities = [0.5, 0.05]

[[strategies]]
use = "imp"
params = { prune_rate = { linear = 0.3 }, scope = "global" }
[strategies.per_model.mlp]
prune_rate = 0.5

[[strategies]]
use = "snip"
label = "snip-big"
params = { batch_size = 64 }
models = ["mlp"]
controls = ["shuffle", "reinit"]

[[strategies]]
use = "late_rewind"

[[strategies]]
use = "early_bird"

[[strategies]]
use = "rigl"
label = "found"
[[strategies.tuned]]
model = "lenet_300_100"
dataset = "digits"
recipe = "fast"
params = { drop_fraction = 0.2 }
train = { lr = 0.05 }
study = "abc"
trial = 3
steps = 1000

[[claims]]
name = "better"
text = "IMP beats SNIP"
source = "nobody"
of = "imp"
versus = "snip-big"
model = "mlp(hidden=[30])"
density = 0.216
at_least = 0.002

[tune]
budget = { trials = 4 }
strategies = ["imp", "snip-big"]
objective = ["accuracy", "density"]
seeds = 2
[tune.space.imp]
prune_rate = { low = 0.1, high = 0.6, log = true }
[tune.recipe]
lr = { low = 1e-3, high = 0.5, log = true }
"""

NAMES = """
imp snip rigl random dense early_bird late_rewind one_shot snip-big found mlp conv_bn conv2
lenet_300_100 lenet5 resnet20 wide_resnet torchvision torchvision:resnet18 digits mnist cifar10
svhn image_folder image_folder:x fast slow reinit shuffle global layer sgd adam step cosine
accuracy area matching density tpe nsga2 random halving none bfloat16 . .. ../x /etc/passwd
a/b a:b :a a:
"""
KEYS = """
schema_version suite name version description densities rate rounds seeds controls baseline
plugins tasks model dataset recipe recipes fast slow strategies use label params per_model
models tuned train study trial steps epochs claims text source of versus metric density compare
at_least at_most within reported published tune budget trials minutes strategies objective space
low high log step choices tied margin sampler pruner batch storage prune_rate linear scope
hidden width depth path size checksum batch_size val_size lr warmup milestones dtype
"""
names = st.sampled_from(NAMES.split())
keys = st.sampled_from(KEYS.split())
numbers = (
    st.integers(-3, 12)
    | st.sampled_from([2**31, 2**63 - 1, -(2**63), 10**5, 10**9, 2**64, 10**30])
    | st.floats(-2, 2)
    | st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e-9, 1e9, 1e308, 0.9999999999999999])
    | st.sampled_from([float("nan"), float("inf"), float("-inf")])
)
words = names | st.text(max_size=5) | st.sampled_from(["x" * 300, "\0", "\u202e", "<b>", "é"])
values = st.recursive(
    st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | words, inner, max_size=3),
    max_leaves=6,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path in the document."""
    if isinstance(document, dict | list):
        inner = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in inner:
            yield (*path, key)
            yield from places(value, (*path, key))


DOCUMENT = tomllib.loads(BASE)
PLACES = list(places(DOCUMENT))


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    return json.dumps(text.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")


def like(old: object) -> st.SearchStrategy[Any]:
    """Mostly a value that may stand there, or few suites would come as far as a plan."""
    if isinstance(old, bool):
        fitting: st.SearchStrategy[Any] = st.booleans()
    elif isinstance(old, int):
        fitting = st.integers(1, 200)
    elif isinstance(old, float):
        fitting = st.floats(0, 1, allow_nan=False).filter(lambda x: 1e-6 < x < 1)
    elif isinstance(old, list) and old and not isinstance(old[0], dict):
        fitting = st.lists(like(old[0]), min_size=1, max_size=4, unique_by=repr)
    elif isinstance(old, str):
        fitting = names
    else:
        fitting = st.just(old)
    return fitting | fitting | values


@st.composite
def documents(draw: st.DrawFn) -> str:
    """The demo with one to three of its values exchanged, removed, renamed or put elsewhere."""
    document = copy.deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(PLACES))
        here: Any = document
        try:
            for key in path:
                here = here[key]
            old = here[last]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
        how = draw(st.sampled_from(["value"] * 9 + ["list", "remove", "key", "move"]))
        if how == "value":
            here[last] = draw(like(old))
        elif how == "list":
            here[last] = [old, draw(values)]
        elif how == "remove":
            del here[last]
        elif how == "key" and isinstance(here, dict):
            here[draw(keys | words)] = here.pop(last)
        elif how == "move":
            here[last] = copy.deepcopy(DOCUMENT[draw(st.sampled_from(sorted(DOCUMENT)))])
    return "\n".join(f"{quoted(key)} = {toml(value)}" for key, value in document.items())


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The demo's text with a piece cut out, doubled or overwritten."""
    a, b, c = sorted(draw(st.tuples(*[st.integers(0, len(BASE))] * 3)))
    piece = draw(st.text(max_size=6) | values.map(toml) | keys.map(lambda key: f"\n{key} = "))
    return draw(
        st.sampled_from(
            [BASE[:a] + BASE[b:], BASE[:c] + BASE[a:b] + BASE[c:], BASE[:a] + piece + BASE[a:],
             BASE[:a] + piece + BASE[b:], BASE[:c]]
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(third_party=False)


@pytest.fixture(scope="module")
def plan_or_refuse(
    registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
    limit: Callable[[float], AbstractContextManager[None]],
) -> Callable[..., None]:
    """Load, check, plan, and look at what would be tuned."""
    root = tmp_path_factory.mktemp("data")
    path = Path("demo.toml")

    def attempt(text: str, changes: tuple[str, ...] = ()) -> None:
        assert list(root.iterdir()) == []  # reading a suite writes nothing
        try:
            with limit(SECONDS):
                suite = suite_of(text, path, changes)
                check(suite, registry)
                plan = plan_suite(suite, registry, root)
                assert plan.steps >= 0
                assert all(p.experiment.densities for p in plan.experiments)
                event("planned")
                if suite.tune is not None:
                    assert goals_of(suite, registry, root)
        except UserError as error:
            event("refused")
            message = error.message
        else:
            return
        assert 0 < len(message) < 5000
        assert "Traceback" not in message

    return attempt


@settings(HALF)
@given(documents())
def test_a_suite_with_values_exchanged(plan_or_refuse: Callable[..., None], text: str) -> None:
    plan_or_refuse(text)


@settings(HALF)
@given(edited())
def test_a_suite_whose_text_was_edited(plan_or_refuse: Callable[..., None], text: str) -> None:
    plan_or_refuse(text)


def at(path: tuple[Any, ...]) -> Any:
    here: Any = DOCUMENT
    for key in path:
        here = here[key]
    return here


def setting(path: tuple[Any, ...]) -> st.SearchStrategy[tuple[str, str]]:
    """A key of the demo with a value like its own."""
    return st.tuples(st.just(".".join(map(str, path))), like(at(path)).map(toml))


paths_of_keys = st.sampled_from(PLACES).map(lambda path: ".".join(map(str, path)))
strange = st.tuples(
    paths_of_keys
    | st.lists(keys | words, min_size=1, max_size=4).map(".".join)
    | st.tuples(paths_of_keys, keys).map(".".join)
    | st.text(max_size=8),
    values.map(toml) | words | st.text(max_size=8),
)
options = (st.sampled_from(PLACES).flatmap(setting) | strange).map("=".join)


@settings(FUZZ)
@given(st.lists(options, min_size=1, max_size=3).map(tuple))
def test_any_option_of_set(plan_or_refuse: Callable[..., None], changes: tuple[str, ...]) -> None:
    plan_or_refuse(BASE, changes)


def test_the_demo_itself_can_be_planned(registry: Registry, tmp_path: Path) -> None:
    """Otherwise the fuzzers would only look at one error."""
    suite = suite_of(BASE, Path("demo.toml"))
    check(suite, registry)
    assert len(plan_suite(suite, registry, tmp_path).experiments) > 30
    assert len(goals_of(suite, registry, tmp_path)) >= 3
