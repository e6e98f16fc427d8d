"""Judges a plugin by every contract of its kind, without pytest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from lth_bench.data.info import InputShape
from lth_bench.errors import UnknownName, UserError
from lth_bench.running.task_plan import TaskFacts, require_suitable
from lth_bench.testing import task
from lth_bench.testing.bench import outline
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Contract, ContractBroken, NotApplicable, NotJudged
from lth_bench.testing.contracts import CONTRACTS
from lth_bench.testing.networks import NetworkKind, TinyNetwork

if TYPE_CHECKING:
    from lth_bench.data.info import DatasetInfo
    from lth_bench.plugins import Registry

PartGroup = Literal["models", "datasets", "objectives"]
WITHOUT_NETWORK = (
    "the network is not the cause, as the same happens on every one: correct what the message "
    "says, at the line that is named, if any"
)
ContractStatus = Literal["ok", "broken", "not applicable", "not judged"]


@dataclass(frozen=True, kw_only=True)
class ContractResult:
    """Whether a plugin meets one contract. `not judged` if what the contract judges did not
    happen: the experiment ended early, or a callback did nothing in the six steps.
    """

    contract: str
    status: ContractStatus
    statement: str
    """The contract in one line."""
    what: str = ""
    """What happened if it is broken, why it does not apply, or what is worth knowing."""
    meet: str = ""
    """How to meet it, if it is broken."""


def check(
    strategy: str | type[Any],
    params: Mapping[str, object] | None = None,
    registry: Registry | None = None,
    network: NetworkKind = "batch_norm",
    densities: Sequence[float] = (),
) -> list[ContractResult]:
    """Judge a strategy by every contract, in one to three seconds.

    `strategy` is a class, or a name in `registry` (by default the installed plugins); `params` are
    as in a suite; `network` is the tiny network on which most contracts are judged, and `densities`
    the densities (by default the class's `reaches`, or 0.5 and 0.2).

    UserError for an unknown name, and for parameters that the class or its `check_task` refuses.
    """
    cls = find(strategy, registry)
    require_parameters(cls, params or {}, network)
    case = Case(cls, params, network, densities)
    return _once([judged(contract, case) for contract in CONTRACTS], network)


def _once(outcomes: Sequence[ContractResult], network: NetworkKind) -> list[ContractResult]:
    """What happened in the same way on several of the test networks is said once: at `network`, to
    which contracts that could not be judged refer, or at the first that has it.
    """
    same: dict[str, list[str]] = {}
    for one in outcomes:
        start, _, what = one.what.partition(", ")
        if one.status == "broken" and start == f"on the {one.contract} network":
            same.setdefault(what, []).append(one.contract)
    merged = []
    for one in outcomes:
        what = one.what.partition(", ")[2]
        where = same.get(what, [])
        lead = network if network in where else where[0] if where else ""
        if len(where) > 1 and one.contract == lead:
            told = f"on the networks {', '.join(where[:-1])} and {where[-1]}, {what}"
            meet = WITHOUT_NETWORK if len(where) == len(get_args(NetworkKind)) else one.meet
            one = replace(one, what=told, meet=meet)
        elif one.contract in where and one.contract != lead:
            one = replace(one, status="not judged", what=f"not judged: see {lead!r}", meet="")
        merged.append(one)
    return merged


def judged(contract: Contract, case: object) -> ContractResult:
    """The result of one contract."""
    try:
        note = contract(case)
    except ContractBroken as broken:
        return ContractResult(
            contract=contract.name,
            status="broken",
            statement=contract.statement,
            what=broken.what,
            meet=broken.meet,
        )
    except NotJudged as reason:
        return ContractResult(
            contract=contract.name,
            status="not judged",
            statement=contract.statement,
            what=str(reason),
        )
    except NotApplicable as reason:
        return ContractResult(
            contract=contract.name,
            status="not applicable",
            statement=contract.statement,
            what=str(reason),
        )
    return ContractResult(
        contract=contract.name, status="ok", statement=contract.statement, what=note
    )


def check_part(
    group: PartGroup,
    part: str | type[Any],
    params: Mapping[str, object] | None = None,
    registry: Registry | None = None,
    dataset: str = "",
) -> list[ContractResult]:
    """Judge a model, a dataset or an objective by every contract of its kind, in seconds.

    `part` is a class, or a name in `registry`; `params` are as in a suite. A model is judged on
    small examples of every kind of inputs, or on those of a `dataset` by name, as suites write it.
    UserError as from `check`.
    """
    from lth_bench.params import build
    from lth_bench.plugins.registry import SINGULAR
    from lth_bench.testing.parts import CASES, CONTRACTS, ModelCase

    cls = find(part, registry, group)
    what = f"{SINGULAR[group]} {cls.__qualname__!r}"
    if params:
        build(cls, params, what)
    case = CASES[group](cls, params)
    if dataset and isinstance(case, ModelCase):
        case = ModelCase(cls, params, info_of(dataset, registry))
    outcomes: list[ContractResult] = []
    for contract in CONTRACTS[group]:
        outcome = judged(contract, case)
        first = next((o for o in outcomes if o.status == "broken"), None)
        if first is not None and outcome.status == "broken":
            # one mistake is reported once: what follows from it looks broken too
            what = f"not judged before {first.contract} is met"
            outcome = replace(outcome, status="not judged", what=what, meet="")
        outcomes.append(outcome)
    return outcomes


def info_of(dataset: str, registry: Registry | None = None) -> DatasetInfo:
    """The sizes of a dataset, written as in a suite: `digits`, `tabular:wine`."""
    from lth_bench.data.info import DatasetInfo
    from lth_bench.data.root import data_root
    from lth_bench.params import build
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.asking import ask_for

    name, _, rest = dataset.partition(":")
    params = {"name": rest} if rest else {}
    what = f"dataset {name!r}"
    made = build((registry or load_registry()).get("datasets", name), params, what)
    found: DatasetInfo = ask_for(DatasetInfo, what, made.info, data_root())
    return found


def find(
    strategy: str | type[Any], registry: Registry | None = None, group: str = "strategies"
) -> type[Any]:
    """The class of a strategy, or of another group. UnknownName for a name not in the registry."""
    if isinstance(strategy, type):
        return strategy
    if not strategy:
        from lth_bench.plugins.registry import SINGULAR

        kind = SINGULAR[group]
        raise UserError(
            f"no {kind} is named; set `{kind}` on the test's class to a name under the entry "
            f"point lth_bench.{group}, or to a class"
        )
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.registry import ImportFailed

    known = registry or load_registry()
    try:
        cls: type[Any] = known.get(group, strategy)
    except (UnknownName, ImportFailed):
        raise
    except UserError:
        # the class was found but its methods are wrong: a contract reports this
        cls = known.groups[group][strategy]._import()
        if not isinstance(cls, type):
            raise
    return cls


def require_parameters(
    cls: type[Any], params: Mapping[str, object], network: NetworkKind = "batch_norm"
) -> None:
    """UserError if `params` rather than the class are wrong: an unknown key, an invalid value, or
    one that does not suit the tiny task.
    """
    from lth_bench.params import build, parameters

    try:
        parameters(cls)
    except UserError:
        return  # the contract on parameters reports this
    name = f"strategy {cls.__qualname__!r}"
    if params:
        build(cls, params, name)
    try:
        strategy = build(cls, params, name)
    except UserError:
        return  # a default is wrong: the contract on parameters reports this
    require_suitable(strategy, facts(network), f"{name} on the tiny task of the contracts")


def facts(network: NetworkKind) -> TaskFacts:
    """What `check_task` is told about the tiny task."""
    layers = outline(TinyNetwork(network))
    recipe, arrays = task.RECIPE, task.arrays()
    shape = InputShape.of(arrays.info.input_shape)
    return TaskFacts(
        train_size=task.TRAIN,
        input_shape=shape,
        classes=arrays.classes,
        total_steps=recipe.total_steps(task.TRAIN),
        steps_per_epoch=recipe.steps_per_epoch(task.TRAIN),
        layer_counts={layer.name: layer.numel for layer in layers},
        layer_kinds={layer.name: layer.kind for layer in layers},
        layers=layers,
        build=partial(TinyNetwork(network).build, shape, arrays.classes),
        recipe=recipe,
    )
