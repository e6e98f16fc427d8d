"""The end of a run: what became of it on a card, and where the results are."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.output.words import duration
from lth_bench.output.workers import summed_up

if TYPE_CHECKING:
    from lth_bench.running.recorder import RunSummary


def conclude(summary: RunSummary, results: Path, by: str = "accuracy") -> None:
    """The suite's card, or its kind of leaderboard, on stdout, the rest on stderr."""
    from lth_bench.store.info import sharing
    from lth_bench.store.paths import Paths, results_option

    if not summary.interrupted:
        try:
            print_answer(results, summary.suite, by)
        except UserError as error:  # the run itself is fine, so it keeps its own exit code
            _say(f"no leaderboard: {error.message}")
    counts = ", ".join(f"{n} {status}" for status, n in sorted(summary.statuses.items()))
    _say(f"{summary.suite}: {counts or 'nothing to do'} in {duration(summary.seconds)}")
    # a rerun of finished work trains nothing
    worked = summary.reused < summary.planned and not summary.interrupted
    if worked and (shared := sharing(results, summary.suite)):
        run, asked = shared["steps_run"], shared["steps_asked"]
        _say(f"{asked:,} steps requested, {run:,} trained, {asked - run:,} shared")
    if (used := summed_up(summary.uses)) is not None:
        _say(used)
    for note in summary.notes:
        _say(note)
    if summary.interrupted:
        _say("interrupted; finished experiments are kept: rerun the command to resume")
        return
    if summary.stopped_at is not None:
        _say(f"stopped at the first failure: {summary.stopped_at}")
        _say("rerun the command to run the others")
    if summary.exit_code:
        _say(f'why: lth-bench query "FROM failures" --results {Paths(results).quoted}')
    where = results_option(results)
    kind = "" if by == "accuracy" else f" --by {by}"
    _say(f"results: {results} (lth-bench leaderboard{kind}{where})")


def report_study(results: Path, suite: str) -> None:
    """The report of a study, beside its results: NAME.html."""
    from lth_bench.analysis.page import gather_report
    from lth_bench.output.page import write_page
    from lth_bench.store.reading import reading, to_stderr

    output = results.with_name(f"{suite}.html")
    with reading(results, to_stderr) as con:
        found = gather_report(con, [suite], None)
    write_page(found, output)
    _say(f"report: {output}")


def print_answer(results: Path, suite: str, by: str = "accuracy") -> None:
    """A suite's card on stdout, after its leaderboard if that is of another kind than by metric."""
    from dataclasses import replace

    from lth_bench.analysis.boards.scope import Selection
    from lth_bench.analysis.card import cards
    from lth_bench.analysis.leaderboard import Question, leaderboard
    from lth_bench.output.card import print_card
    from lth_bench.output.formats import print_board
    from lth_bench.output.terminal import stdout
    from lth_bench.store.paths import results_option
    from lth_bench.store.reading import reading, to_stderr

    question = Question(selection=Selection(suites=[suite], results=results))
    with reading(results, to_stderr) as con:
        board = leaderboard(con, question)
        found = cards(con, question, board.rows)
        own = None if by == "accuracy" else leaderboard(con, replace(question, by=by))
    if own is not None:
        print_board(replace(own, legend=""), "table")
    elif not found:
        print_board(replace(board, legend=""), "table")
    for card in found:
        if own is not None:
            print()
        print_card(card, stdout())
    if found and own is None and (notes := {n for table in board.tables for n in table.notes}):
        few = "a remark" if len(notes) == 1 else f"{len(notes)} remarks"
        where = f"--suite {shlex.quote(suite)}{results_option(results)}"
        _say(f"{few} on these results: lth-bench leaderboard {where}")


def cards_of(results: Path, suite: str) -> list[dict[str, Any]]:
    """A suite's cards as data; empty where it has no results that can be read."""
    from lth_bench.analysis.boards.scope import Selection
    from lth_bench.analysis.card import card_data, cards
    from lth_bench.analysis.leaderboard import Question, leaderboard
    from lth_bench.store.query import plain
    from lth_bench.store.reading import reading, to_stderr

    question = Question(selection=Selection(suites=[suite], results=results))
    try:
        with reading(results, to_stderr) as con:
            found = cards(con, question, leaderboard(con, question).rows)
    except UserError as error:  # the run itself is fine
        _say(f"no cards: {error.message}")
        return []
    return [plain(card_data(card)) for card in found]


def _say(text: str) -> None:
    print(text, file=sys.stderr)
