"""Why a strategy cannot be used in a loop of one's own."""

from __future__ import annotations

from lth_bench.errors import Unwinding, UserError
from lth_bench.training.request import FitRequest

KINDS = (
    "one that chooses its mask at initialisation (random, snip) or changes it during the training "
    "(rigl, set, gradual)"
)


class Missing(Unwinding):
    """A hook asked for what the user has not given. No hook may take it for an error."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Trains(Unwinding):
    """A hook asked for a training that only a run can do; the message says which."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class LoopTraining(Unwinding):
    """`train` has asked for its training, which the user's loop is to do."""

    def __init__(self, request: FitRequest) -> None:
        super().__init__()
        self.request = request


def needs_trainings(name: str, what: str) -> UserError:
    """The one message for strategies that train in order to find their ticket."""
    return UserError(
        f"strategy {name!r} needs trainings of its own ({what}), which a loop of your own cannot "
        f"do for it. Use {KINDS}; or let lth-bench run {name!r} and take its ticket home: "
        f"lth_bench.run(suite, results=…), then lth_bench.load_ticket(results, id)"
    )
