"""A task's page: what each suite and database found on it, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lth_bench.analysis.evidence import Task
from lth_bench.analysis.page import TaskReport
from lth_bench.analysis.site import SiteSuite
from lth_bench.output.page.content import PageLink, Part, Prose, Section, clean
from lth_bench.output.page.sections.answer import answer
from lth_bench.output.page.sections.ranking import failures
from lth_bench.output.site.pages import (
    PageGroup,
    SitePage,
    SuiteName,
    date_of,
    differences,
    hardware_of,
    listed_links,
    tickets_grid,
)
from lth_bench.output.site.places import Links
from lth_bench.output.words import counted

ON_ITS_OWN = (
    "Each suite is compared within itself: what is below one heading is not compared with what is "
    "below another."
)


def task_page(
    task: Task, found: Sequence[tuple[SiteSuite, TaskReport]], links: Links, name: SuiteName
) -> SitePage:
    """`found` are the suites that have the task, each with its report of it."""
    names = list(dict.fromkeys(report.name for _, report in found))
    groups = [
        _group(number, suite, report, links, name)
        for number, (suite, report) in enumerate(found, 1)
    ]
    apart = differences([suite for suite, _ in found], "what these suites found")
    if apart:
        groups.append(PageGroup(key="apart", title="What cannot be compared", parts=apart))
    facts = [
        f"model {clean(task.model)}", f"dataset {clean(task.dataset)}",
        f"recipe {clean(task.recipe)}", counted(len(found), "suite"),
    ]  # fmt: skip
    if len(found) > 1:
        groups.insert(0, PageGroup(key="beside", title="Suites with this task",
                                   parts=[Prose([ON_ITS_OWN])]))  # fmt: skip
    return SitePage(
        path=links.page, title=clean(names[0]), kicker="Task", facts=facts, groups=groups
    )


def _group(
    number: int, suite: SiteSuite, report: TaskReport, links: Links, name: SuiteName
) -> PageGroup:
    place = 1 + next(i for i, one in enumerate(suite.suite.tasks) if one is report)
    own = [one for one in suite.searches if one.place == report.place]
    where = links.suite(suite, "every figure and table", f"s1-{place}")
    intro: list[Part] = [
        Prose([f"On {hardware_of(suite)}, last run {date_of(suite)}; ", where, "."]),
    ]
    methods = [links.method(label) for label in suite.labels
               if any(s.sample.label == label for s in report.tickets)]  # fmt: skip
    if methods:
        intro.append(listed_links("Methods: ", methods))
    sections = [section for section in (answer(report), failures(report)) if section is not None]
    sections.append(Section("tickets", "Tickets", [tickets_grid(suite, own, links, by_task=False)]))
    key = f"s{number}"
    return PageGroup(
        key=key, title=clean(name(suite)), kind="Suite", parts=intro,
        sections=[replace(one, key=f"{key}-{one.key}") for one in sections],
    )  # fmt: skip


def task_link(links: Links, report: TaskReport) -> PageLink:
    """To the page of a suite's task."""
    return links.task(report.place.task, report.name)
