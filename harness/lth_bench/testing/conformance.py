"""The tests that a strategy inherits, one per contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lth_bench.testing import contracts
from lth_bench.testing.case import Case
from lth_bench.testing.checking import find, require_parameters
from lth_bench.testing.contract import Contract
from lth_bench.testing.networks import NetworkKind


class StrategyConformance:
    """Every contract of a strategy as a test of its own.

    Inherit from it under a name that pytest collects, and name the strategy:

        class TestMine(StrategyConformance):
            strategy = "mine"
            params = {"rate": 0.2}

    The tests of one class share their experiments: a few runs of six steps on tiny networks and
    a second process, one to three seconds in all. A contract that says nothing about the strategy
    is skipped with its reason. Choose `params` so that something happens within six steps (four
    are an epoch): a strategy that rewires every 100 steps is not seen rewiring.
    """

    strategy: ClassVar[str | type[Any]] = ""
    """The entry point's name under `lth_bench.strategies`, or the class itself."""
    params: ClassVar[Mapping[str, object]] = {}
    """Parameters as in a suite; others keep their defaults."""
    network: ClassVar[NetworkKind] = "batch_norm"
    """The network for most contracts: `linear`, `conv`, `batch_norm` or `residual`."""
    densities: ClassVar[Sequence[float]] = ()
    """The densities to test; empty for those in the class's `reaches`, or 0.5 and 0.2."""

    def test_hooks(self) -> None:
        """Hooks have the right names and arguments and return the right types."""
        self._meets(contracts.hooks)

    def test_parameters(self) -> None:
        """Every parameter has a type, a range and a docstring, and refuses values out of range."""
        self._meets(contracts.parameters)

    def test_exact_density(self) -> None:
        """Reported tickets have exactly the target's count; structured ones the largest count below
        it.
        """
        self._meets(contracts.exact_density)

    def test_nested_masks(self) -> None:
        """Unless the strategy is dynamic, each mask is contained in the previous one."""
        self._meets(contracts.nested_masks)

    def test_pruned_zero(self) -> None:
        """Pruned weights are exactly zero after training."""
        self._meets(contracts.pruned_zero)

    def test_same_seed(self) -> None:
        """The same seed gives the same result, bit for bit."""
        self._meets(contracts.same_seed)

    def test_other_seed(self) -> None:
        """Another seed gives another mask from other values."""
        self._meets(contracts.other_seed)

    def test_inputs(self) -> None:
        """Hooks do not change what they are given."""
        self._meets(contracts.inputs)

    def test_untouched_test_split(self) -> None:
        """The test split affects no decision and is not accessed."""
        self._meets(contracts.untouched_test_split)

    def test_linear(self) -> None:
        """The strategy works on a network of linear layers only."""
        self._meets(contracts.linear)

    def test_conv(self) -> None:
        """The strategy works on a convolutional network."""
        self._meets(contracts.conv)

    def test_batch_norm(self) -> None:
        """The strategy works on a network with batch norm."""
        self._meets(contracts.batch_norm)

    def test_residual(self) -> None:
        """The strategy works on a residual network."""
        self._meets(contracts.residual)

    def test_dead_layer(self) -> None:
        """The strategy works if a layer is already dead."""
        self._meets(contracts.dead_layer)

    def test_extreme_densities(self) -> None:
        """The strategy works with all weights but one, and with a handful."""
        self._meets(contracts.extreme_densities)

    def test_stacked_as_alone(self) -> None:
        """A result does not depend on what else runs or ran."""
        self._meets(contracts.stacked_as_alone)

    def test_resumes_as_undisturbed(self) -> None:
        """An interrupted training that resumes gives the same result."""
        self._meets(contracts.resumes_as_undisturbed)

    def test_picklable(self) -> None:
        """Class and parameters reach a worker process unchanged."""
        self._meets(contracts.picklable)

    def test_importable(self) -> None:
        """The module can be imported without a GPU."""
        self._meets(contracts.importable)

    def _meets(self, contract: Contract) -> None:
        __tracebackhide__ = True
        contract.test(self._case())

    @classmethod
    def _case(cls) -> Case:
        """The class's own case, made on first use."""
        if "_made" not in cls.__dict__:
            found = find(cls.strategy)
            require_parameters(found, cls.params, cls.network)
            cls._made = Case(found, cls.params, cls.network, cls.densities)
        return cls._made

    _made: ClassVar[Case]
