"""A card in sentences, and what to do next."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence

from lth_bench.analysis.boards.rows import BoardRow, versus, without_result
from lth_bench.analysis.card.model import CardRow, NextStep, TaskCard
from lth_bench.analysis.numbers import ratio
from lth_bench.stats.verdict import LEAST

SHARD = re.compile(r"(?<=\s)(?:--shard[ =]|shard=')(\d+)/(\d+)")
"""Where a run's command says that it ran a part of the suite."""
NAMED = 3
"""Methods that a sentence names, at most."""


def finding(tasks: Sequence[TaskCard]) -> str:
    """Who is best, who is tied, which is the cheapest that matches: of one task, or of several."""
    if len(tasks) == 1:
        return f"{_leader(tasks[0])} {_match(tasks[0])}".strip()
    if both := _one_and_the_same(tasks):
        return both
    return f"{_leaders(tasks)} {_matches(tasks)}".strip()


def _leader(task: TaskCard) -> str:
    best = task.best
    where = f"at {task.share} of the weights"
    if best is None:
        lost = Counter(without_result(row.row) for row in task.rows)
        each = f", each {next(iter(lost))}" if len(lost) == 1 else ""
        return f"No method has a result {where}{each}."
    n = best.row["n"]
    if n < LEAST:
        return (
            f"{best.name} is ahead {where} on {n} seed{'s' * (n > 1)}: too few to tell, it takes "
            f"{LEAST}."
        )
    if task.tied:
        return f"{best.name} is first {where}, tied with {_named([r.name for r in task.tied])}."
    others = sum(row.known for row in task.rows) - 1
    if not others:
        return f"{best.name} reaches {_value(task, best.row['mean'])} {where}."
    return f"{best.name} is best {where}, ahead of {'all others' if others > 1 else 'the other'}."


def _match(task: TaskCard) -> str:
    best, cheapest = task.best, task.cheapest
    if best is None or best.row["n"] < LEAST:
        return ""
    if not task.compared:
        return "There is no dense run to compare with." if task.versus == "dense" else (
            f"There is no result of {task.against} to compare with."
        )  # fmt: skip
    if cheapest is None:
        if set(task.verdicts) <= {"worse", "failed"}:
            # the baseline itself has no difference, where it is the first
            first = next((r for r in task.rows if r.row["difference"] is not None), None)
            if first is None:
                return f"None matches {task.against}."
            by = task.measure.value(abs(first.row["difference"]))
            which = "the first" if first is best else "the next"
            unit = task.measure.difference_unit
            return f"None matches {task.against}: {which} is worse by {by} {unit}".rstrip() + "."
        return f"None is shown to match {task.against} yet."
    cost = "" if cheapest.cost is None else f" ({ratio(cheapest.cost)}× its training FLOPs)"
    if len(task.matching) == 1:
        return f"Only {cheapest.name} is shown to match {task.against}{cost}."
    return f"The cheapest of {len(task.matching)} that match {task.against}: {cheapest.name}{cost}."


def _one_and_the_same(tasks: Sequence[TaskCard]) -> str:
    """Where one method is the first and the cheapest that matches everywhere; otherwise empty."""
    names = {row.name if row is not None else "" for t in tasks for row in (t.best, t.cheapest)}
    if len(names) > 1 or "" in names:
        return ""
    cost = _costs([task.cheapest for task in tasks if task.cheapest is not None])
    return f"{_leaders(tasks).rstrip('.')}, and the cheapest that matches {tasks[0].against}{cost}."


def _costs(rows: Sequence[CardRow]) -> str:
    """What they cost, from the least to the most: `, at 1.1× to 2.2× its training FLOPs`."""
    costs = sorted(row.cost for row in rows if row.cost is not None)
    ends = list(dict.fromkeys(f"{x:.2g}×" for x in (*costs[:1], *costs[-1:])))
    return f", at {' to '.join(ends)} its training FLOPs" if ends else ""


def _leaders(tasks: Sequence[TaskCard]) -> str:
    first = Counter(task.best.name for task in tasks if task.best is not None)
    if not first:
        return f"No method has a result on any of {len(tasks)} tasks."
    alone = sum(not task.tied and task.best is not None for task in tasks)
    (name, most), *others = first.most_common()
    said = f"{name} is first on {_share(most, len(tasks))}"
    if others:
        said += f", {_named([f'{other} on {n}' for other, n in others])}"
    seeds = [task.best.row["n"] for task in tasks if task.best is not None]
    few = [n for n in seeds if n < LEAST]  # nothing is compared there, so that none is tied either
    if few:
        size = f"{max(few)} seed{'s' * (max(few) > 1)}"
        size += " each" if len(set(few)) == 1 else " at most"
        where = "" if len(few) == len(seeds) else f" on {len(few)} of them"
        return f"{said}, on {size}{where}: too few to tell, it takes {LEAST}."
    ties = len(seeds) - alone
    if not ties:
        return f"{said}, ahead of all others on each."
    if not alone:
        return f"{said}, tied with others on each."
    return f"{said}; tied with others on {ties} of them."


def _matches(tasks: Sequence[TaskCard]) -> str:
    compared = [task for task in tasks if task.compared]
    if not compared:
        return "There is nothing to compare with."
    found = [task.cheapest for task in tasks if task.cheapest is not None]
    against = compared[0].against
    if not found:
        few = all(task.best is None or task.best.row["n"] < LEAST for task in tasks)
        return "" if few else f"None is shown to match {against} on any task."
    (name, most), *others = Counter(row.name for row in found).most_common()
    which = f"{name} on {_share(most, len(tasks))}"
    if others:
        which += f", {_named([f'{other} on {n}' for other, n in others])}"
    return f"Cheapest that matches {against}: {which}{_costs(found)}."


def _share(some: int, tasks: int) -> str:
    """`both tasks`, `all 5 tasks`, `3 of 5 tasks`."""
    if some < tasks:
        return f"{some} of {tasks} tasks"
    return "both tasks" if tasks == 2 else f"all {tasks} tasks"


def next_steps(tasks: Sequence[TaskCard], command: str, results: str = "") -> list[NextStep]:
    """What to do now, the most useful first.

    Args:
        tasks: Of a suite.
        command: That of its last run, as it was typed.
        results: What follows commands that read other results than the default ones, such as
            ` --results x.duckdb`.
    """
    rows = [row.row for task in tasks for row in task.rows]
    found = []
    if failed := sum(row["failed"] for row in rows):
        why = f"{failed} result{'s' * (failed > 1)} failed; the reasons"
        found.append(NextStep(why, f'lth-bench query{results} "FROM failures"'))
    pending = sum(row["pending"] for row in rows)
    if command and pending:
        why = f"{pending} result{'s' * (pending > 1)} still to come; go on"
        found.append(NextStep(why, command))
    waiting = sum(row.get("stop") == "to come" for row in rows)
    if command and waiting and not pending:
        why = f"{_comparisons(waiting)} not decided yet; go on"
        found.append(NextStep(why, command))
    found += _without_pairs(rows, command, results)
    few = [row for row in rows if row["verdict"] == "insufficient" and row.get("stop") is None]
    opened = [row for row in rows if row["verdict"] == "open"]
    if (few or opened) and (part := SHARD.search(command)) and not waiting:
        # a number of seeds divides the suite otherwise, and a part has but some of them
        why = f"this is part {part[1]} of {part[2]}; merge all parts before judging or adding seeds"
        found.append(NextStep(why, "lth-bench merge PART.duckdb … --results all.duckdb"))
    elif command and few and not found:
        found.append(NextStep("a verdict takes three seeds, better five", with_seeds(command, 5)))
    elif command and opened and not waiting:
        found += settled_by(command, [row["n80"] for row in opened])
    return found


def _without_pairs(rows: Sequence[BoardRow], command: str, results: str) -> list[NextStep]:
    """What to do where seeds were added and the first three gave no pair: the same command alone
    would train nothing.
    """
    found = []
    if baseless := [row for row in rows if row.get("stop") == "no baseline"]:
        names = _named(list(dict.fromkeys(versus(row) for row in baseless)))
        why = f"{_comparisons(len(baseless))} not decided, as {names} lost seeds; the reasons"
        if not any(row["failed"] for row in rows):  # whose step is the same
            found.append(NextStep(why, f'lth-bench query{results} "FROM failures"'))
        if command:
            why = f"once {names} is fixed"
            found.append(NextStep(why, with_option(command, "retry", "all")))
    if command and (dropped := sum(row.get("stop") == "dropped" for row in rows)):
        why = (
            f"{_comparisons(dropped)} not decided, as seeds ran out of memory or time; with more "
            f"memory or a longer --timeout"
        )
        found.append(NextStep(why, with_option(command, "retry", "oom", "timeout")))
    return found


def _comparisons(count: int) -> str:
    return f"{count} comparison{'s' * (count != 1)}"


def settled_by(command: str, seeds: Iterable[int | None]) -> list[NextStep]:
    """The run that is likely to settle half of the open verdicts.

    `seeds` are by verdict those that settle it in 4 of 5 cases, None for more than are foreseen.
    """
    needed = sorted(math.inf if n is None else n for n in seeds)
    enough = needed[(len(needed) - 1) // 2]
    if math.isinf(enough):
        enough = needed[0]
    if math.isinf(enough):
        return []
    count = sum(n <= enough for n in needed)
    what = f"{count} of {len(needed)} open verdicts" if len(needed) > 1 else "the open verdict"
    return [NextStep(f"{enough:.0f} seeds would likely settle {what}",
                     with_seeds(command, int(enough)))]  # fmt: skip


def of_whole(command: str, every: Iterable[str], results: str = "") -> str:
    """The command of a part, for the whole suite where results of all parts have been merged.

    `every` are the commands of all runs of the suite, `results` as in `next_steps`.
    """
    part = SHARD.search(command)
    if part is None:
        return command
    there = {found[1] for other in every if (found := SHARD.search(other)) and found[2] == part[2]}
    if len(there) < int(part[2]):
        return command
    if command.startswith("lth_bench.run("):
        return re.sub(r", shard='[^']*'", "", command)
    words = shlex.split(re.sub(r"(?<=\s)--(shard|results)=", r"--\1 ", command))
    for name in ("--shard", "--results"):
        if name in words:
            at = words.index(name)
            del words[at : at + 2]
    return shlex.join(words) + results


def with_seeds(command: str, seeds: int) -> str:
    """A run's command with another number of seeds; of a call from Python with the argument."""
    if command.startswith("lth_bench.run("):
        return f"{command.removesuffix(')')}, seeds={seeds})"
    words = shlex.split(re.sub(r"(?<=\s)--seeds=", "--seeds ", command))
    if "--seeds" in words:
        at = words.index("--seeds")
        del words[at : at + 2]
    return shlex.join([*words, "--seeds", str(seeds)])


def with_option(command: str, name: str, *values: str) -> str:
    """A run's command with an option more; of a call from Python with the argument."""
    if command.startswith("lth_bench.run("):
        return f"{command.removesuffix(')')}, {name}={list(values)!r})"
    return command + "".join(f" --{name} {value}" for value in values)


def _value(task: TaskCard, x: float) -> str:
    unit = task.measure.value_unit
    text = task.measure.value(x) + (unit if unit == "%" else f" {unit}".rstrip())
    return f"{text} {task.measure.without_split}"


def _named(names: Sequence[str]) -> str:
    """a and b; a, b and 3 more."""
    shown = list(names)
    if len(shown) > NAMED:
        shown = [*shown[: NAMED - 1], f"{len(shown) - NAMED + 1} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
