"""The page's sections, in the order they are read.

A section is a function of what is known that returns a `Section`, or None where it has nothing to
show. To add one, write it and put it into `of_task`, for what is about one task, or `of_suite`, for
what is about all tasks of a suite, which comes after them. `grid_of` makes a command's tables part
of a section. Figures have a list of their own, `FIGURES`.
"""

from __future__ import annotations

from lth_bench.analysis.page import SuiteReport, TaskReport
from lth_bench.output.page.content import Part, Prose, Section
from lth_bench.output.page.sections.answer import answer
from lth_bench.output.page.sections.ranking import failures, ranking
from lth_bench.output.page.sections.suite import (
    beside,
    boards,
    claims,
    literature,
    measured_speed,
    moved,
    repeat,
)
from lth_bench.output.page.sections.summary import summary
from lth_bench.output.page.sections.tuning import tuning
from lth_bench.output.pictures import Detail, Picture
from lth_bench.output.pictures.boundary import boundary, hull_distance
from lth_bench.output.pictures.differences import break_even, ingredients
from lth_bench.output.pictures.early_stop import early_stop_and_gap
from lth_bench.output.pictures.instability import instability
from lth_bench.output.pictures.layers import kept_per_layer, weights
from lth_bench.output.pictures.masks import kept_per_unit, mask_maps
from lth_bench.output.pictures.metric import (
    against_cost,
    against_density,
    before_rewinding,
)
from lth_bench.output.pictures.over_steps import distances, learning
from lth_bench.output.pictures.procedure import procedure
from lth_bench.output.pictures.survivors import origins, survival, values
from lth_bench.output.words import counted

FIGURES = (
    ("density", "Against density", (against_density, early_stop_and_gap)),
    ("cost", "Against cost", (against_cost, break_even)),
    ("ingredients", "What makes a ticket", (ingredients, before_rewinding)),
    ("learning", "Learning curves", (learning,)),
    ("procedure", "The procedure", (procedure,)),
    ("layers", "Layer by layer", (kept_per_layer, kept_per_unit)),
    ("masks", "The masks themselves", (mask_maps,)),
    ("weights", "Surviving weights", (weights,)),
    ("origins", "Where survivors come from", (origins, survival, values)),
    ("distances", "Mask distances", (distances,)),
    ("instability", "Instability", (instability,)),
    ("boundaries", "Decision boundaries", (hull_distance, boundary)),
)
"""Key, heading and figures, in the order they are read."""


def of_task(task: TaskReport, detail: Detail) -> list[Section]:
    """What is about one task."""
    found = [answer(task), summary(task), ranking(task), *figures(task, detail), failures(task)]
    return [section for section in found if section is not None]


def of_suite(suite: SuiteReport) -> list[Section]:
    """What is about all tasks of a suite together."""
    found = [
        boards(suite),
        beside(suite),
        moved(suite),
        tuning(suite),
        measured_speed(suite),
        literature(suite),
        claims(suite),
        repeat(suite),
    ]
    return [section for section in found if section is not None]


def figures(task: TaskReport, detail: Detail) -> list[Section]:
    """A section for each of FIGURES that has something to show beside the dense run."""
    if not task.densities:
        return []
    names = {standing.name for standing in task.standings if not standing.is_dense}
    found = []
    for key, heading, descriptions in FIGURES:
        made = [describe(task.evidence, detail) for describe in descriptions]
        pictures = [picture for picture in made if picture is not None]
        if key == "density" and pictures:
            found.append(Section(key, heading, [*_lost(task), *pictures]))
        elif any(_names(picture) & names for picture in pictures):
            found.append(Section(key, heading, pictures))
    return found


def _names(picture: Picture) -> set[str]:
    """What is drawn in it; matrices stand for the searches of tickets."""
    return {
        name
        for panel in picture.panels
        for name in (*(trace.name for trace in panel.traces), *(heat.name for heat in panel.heats))
    }


def _lost(task: TaskReport) -> list[Part]:
    """What is in no mean of these figures."""
    lost = task.counts["failed"]
    if not lost:
        return []
    text = f"{counted(lost, 'result')} failed and count in no mean here; see Failures."
    return [Prose([text], "warn")]
