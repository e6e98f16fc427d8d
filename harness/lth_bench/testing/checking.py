"""Judges a strategy by every contract, without pytest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.errors import UnknownName, UserError
from lth_bench.running.task_plan import TaskFacts, require_suitable
from lth_bench.testing import task
from lth_bench.testing.bench import outline
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Contract, ContractBroken, NotApplicable, NotJudged
from lth_bench.testing.contracts import CONTRACTS
from lth_bench.testing.networks import NetworkKind, TinyNetwork

if TYPE_CHECKING:
    from lth_bench.plugins import Registry

ContractStatus = Literal["ok", "broken", "not applicable", "not judged"]


@dataclass(frozen=True, kw_only=True)
class ContractResult:
    """Whether a strategy meets one contract. `not judged` if what the contract judges did not
    happen: the experiment ended early, or a callback did nothing in the six steps.
    """

    contract: str
    status: ContractStatus
    statement: str
    """The contract in one line."""
    what: str = ""
    """What happened if it is broken, or why it does not apply."""
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
    return [judged(contract, case) for contract in CONTRACTS]


def judged(contract: Contract, case: Case) -> ContractResult:
    """The result of one contract."""
    try:
        contract(case)
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
    return ContractResult(contract=contract.name, status="ok", statement=contract.statement)


def find(strategy: str | type[Any], registry: Registry | None = None) -> type[Any]:
    """The strategy's class. UnknownName for a name not in the registry."""
    if isinstance(strategy, type):
        return strategy
    if not strategy:
        raise UserError(
            "no strategy is named; set `strategy` on the test's class to a name under the entry "
            "point lth_bench.strategies, or to a class"
        )
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.registry import ImportFailed

    known = registry or load_registry()
    try:
        cls: type[Any] = known.get("strategies", strategy)
    except (UnknownName, ImportFailed):
        raise
    except UserError:
        # the class was found but its hooks are wrong: the contract on hooks reports this
        cls = known.strategies[strategy]._import()
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
    recipe = task.RECIPE
    return TaskFacts(
        train_size=task.TRAIN,
        input_shape=task.arrays().info.input_shape,
        classes=task.arrays().classes,
        total_steps=recipe.total_steps(task.TRAIN),
        steps_per_epoch=recipe.steps_per_epoch(task.TRAIN),
        layer_counts={layer.name: layer.numel for layer in layers},
        layer_kinds={layer.name: layer.kind for layer in layers},
    )
