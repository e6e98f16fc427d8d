"""The page's sections, one file each, in the order they are read.

A section is a function of what is known that returns a `Section`, or None where it has nothing to
show. To add one, write its file and put it into one of the two lists: `OF_TASKS` for what is about
one task, `OF_SUITES` for what is about all tasks of a suite, which comes after them. `grid_of`
makes a command's tables part of a section.
"""

from __future__ import annotations

from collections.abc import Callable

from lth_bench.output.page.content import Section
from lth_bench.output.page.known import SuiteKnown, TaskKnown
from lth_bench.output.page.sections.boards import boards, claims
from lth_bench.output.page.sections.cost import cost
from lth_bench.output.page.sections.density import density
from lth_bench.output.page.sections.distances import distances
from lth_bench.output.page.sections.failures import failures
from lth_bench.output.page.sections.layers import layers
from lth_bench.output.page.sections.learning import learning
from lth_bench.output.page.sections.ranking import ranking
from lth_bench.output.page.sections.repeat import repeat
from lth_bench.output.page.sections.summary import summary
from lth_bench.output.page.sections.tuning import tuning
from lth_bench.output.page.sections.weights import weights

OF_TASKS: tuple[Callable[[TaskKnown], Section | None], ...] = (
    summary,
    ranking,
    density,
    cost,
    learning,
    layers,
    weights,
    distances,
    failures,
)

OF_SUITES: tuple[Callable[[SuiteKnown], Section | None], ...] = (
    boards,
    tuning,
    claims,
    repeat,
)
