"""What is drawn of `measure`: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from lth_bench.interchange.watched import Doing
from lth_bench.output.measuring import MeasureDisplay

NAME = "imp on conv_bn(gamma_init=0.5)/digits, density 0.13, seed 0"
FIRST = Doing(number=1, tickets=14, name=NAME, what="reading it")
LATER = Doing(
    number=3, tickets=14, name=NAME, share=0.2, what="batch of 128: csr, round 12 of 50",
    seconds_left=200.0,
)  # fmt: skip


def drawn(terminal: bool, *doings: Doing) -> str:
    file = io.StringIO()
    with MeasureDisplay(Console(file=file, force_terminal=terminal, width=80)) as display:
        for doing in doings:
            display._drawn = 0.0  # long enough ago to draw again
            display.now(doing)
        display.say("3/14 " + NAME + ": batch 1: masked 1.01×, csr 0.75×")
    return file.getvalue()


def test_a_terminal_shows_ticket_form_batch_and_time_left() -> None:
    text = drawn(True, FIRST, LATER)
    for part in ("ticket 1 of 14", "ticket 3 of 14", "about 3 min left", NAME, LATER.what):
        assert part in text


def test_elsewhere_there_is_one_line_a_ticket() -> None:
    first, second = drawn(False, FIRST, LATER).splitlines()
    assert first == "timing 14 tickets; Ctrl-C keeps what is measured"
    assert second.startswith("3/14 imp on conv_bn") and second.endswith(
        "csr 0.75×, about 3 min left"
    )


def test_nothing_is_drawn_by_a_thread_while_a_network_is_timed() -> None:
    before = threading.active_count()
    file = io.StringIO()
    with MeasureDisplay(Console(file=file, force_terminal=True, width=80)) as display:
        display.now(FIRST)
        assert threading.active_count() == before


def test_an_error_leaves_the_terminal_as_it_was() -> None:
    file = io.StringIO()

    def interrupted() -> None:
        with MeasureDisplay(Console(file=file, force_terminal=True, width=80)) as display:
            display.now(FIRST)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")  # the cursor
