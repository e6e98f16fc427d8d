"""A contract: a name, a statement, how to meet it, and a function that judges a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

C = TypeVar("C")
"""The case that a contract judges: a strategy's, a model's, a dataset's or an objective's."""


class ContractBroken(AssertionError):
    """A plugin breaks a contract."""

    def __init__(self, contract: str, statement: str, what: str, meet: str) -> None:
        super().__init__(
            f"{contract}: {statement}\n  what happened: {what}\n  how to meet it: {meet}"
        )
        self.contract, self.what, self.meet = contract, what, meet


class NotApplicable(Exception):
    """The contract does not apply to this plugin, or cannot be judged; the text says why."""


class NotJudged(NotApplicable):
    """The contract applies to this strategy, but what it judges did not happen."""


class Fault(Exception):
    """A breach seen while an experiment ran, and the name of the contract it breaks.

    An experiment ends at its first fault, so that one mistake is reported once.
    """

    def __init__(self, contract: str, what: str) -> None:
        super().__init__(what)
        self.contract, self.what = contract, what


class Broken(Exception):
    """Raised by a judge: what happened, with numbers and layer names."""


@dataclass(frozen=True)
class Contract:
    """A requirement on every plugin of a kind. Call it with a case: returns or raises."""

    name: str
    statement: str
    """The requirement in one line."""
    meet: str
    """What an author does to meet it."""
    judge: Callable[[Any], str | None]
    """Raises Broken, NotApplicable or NotJudged; may return what is worth knowing."""

    def __call__(self, case: object) -> str:
        """What is worth knowing, or "". Raises ContractBroken, with what happened and how to meet
        the contract, or NotApplicable.
        """
        try:
            return self.judge(case) or ""
        except Broken as broken:
            raise ContractBroken(self.name, self.statement, str(broken), self.meet) from None

    def test(self, case: object) -> None:
        """The same as a test of pytest: ContractBroken fails it, NotApplicable skips it."""
        __tracebackhide__ = True
        try:
            self(case)
        except NotApplicable as reason:
            import pytest  # the harness itself does not need pytest

            pytest.skip(str(reason))


def contract(statement: str, meet: str) -> Callable[[Callable[[C], str | None]], Contract]:
    """Turn a function that judges a case into a contract of the same name."""

    def make(judge: Callable[[C], str | None]) -> Contract:
        made = Contract(judge.__name__, statement, meet, judge)
        object.__setattr__(made, "__doc__", judge.__doc__)
        return made

    return make
