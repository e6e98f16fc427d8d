"""The tests that a model, a dataset or an objective inherits, one per contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from lth_bench.testing.checking import find, info_of
from lth_bench.testing.contract import Contract
from lth_bench.testing.parts import CASES, CONTRACTS, ModelCase, PartCase

P = TypeVar("P", bound="type[_PartConformance]")


class _PartConformance:
    """What the three have in common: the tests of one class share their case."""

    group: ClassVar[str]
    params: ClassVar[Mapping[str, object]] = {}
    """Parameters as in a suite; others keep their defaults."""
    _made: ClassVar[PartCase]

    @classmethod
    def _case(cls) -> PartCase:
        if "_made" not in cls.__dict__:
            cls._made = cls._make()
        return cls._made

    @classmethod
    def _make(cls) -> PartCase:
        return CASES[cls.group](cls._found(), cls.params)

    @classmethod
    def _found(cls) -> type[Any]:
        return find(getattr(cls, cls.group.removesuffix("s")), group=cls.group)


def _with_tests(cls: P) -> P:
    """Give the class a test for each contract of its group."""
    for contract in CONTRACTS[cls.group]:
        setattr(cls, f"test_{contract.name}", _test(contract))
    return cls


def _test(contract: Contract) -> Callable[[Any], None]:
    def test(self: _PartConformance) -> None:
        __tracebackhide__ = True
        contract.test(self._case())

    test.__name__, test.__doc__ = f"test_{contract.name}", contract.statement
    return test


@_with_tests
class ModelConformance(_PartConformance):
    """Every contract of a model as a test of its own.

    class TestMine(ModelConformance):
        model = "mine"
        dataset = "digits"  # optional: what it is built for
    """

    group = "models"
    model: ClassVar[str | type[Any]] = ""
    """The entry point's name under `lth_bench.models`, or the class itself."""
    dataset: ClassVar[str] = ""
    """The dataset whose examples it is judged on; empty for small ones of every kind."""

    @classmethod
    def _make(cls) -> PartCase:
        return ModelCase(cls._found(), cls.params, info_of(cls.dataset) if cls.dataset else None)


@_with_tests
class DatasetConformance(_PartConformance):
    """Every contract of a dataset as a test of its own, with the root that `LTH_BENCH_DATA`
    names.
    """

    group = "datasets"
    dataset: ClassVar[str | type[Any]] = ""
    """The entry point's name under `lth_bench.datasets`, or the class itself."""


@_with_tests
class ObjectiveConformance(_PartConformance):
    """Every contract of an objective as a test of its own."""

    group = "objectives"
    objective: ClassVar[str | type[Any]] = ""
    """The entry point's name under `lth_bench.objectives`, or the class itself."""
