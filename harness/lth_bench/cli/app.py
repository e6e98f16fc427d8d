"""The application: its commands, and how a failure reaches the user."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from lth_bench.cli.claims import claims
from lth_bench.cli.compare import compare
from lth_bench.cli.db import app as db_app
from lth_bench.cli.doctor import doctor
from lth_bench.cli.export import app as export_app
from lth_bench.cli.gc import gc
from lth_bench.cli.leaderboard import leaderboard
from lth_bench.cli.ls import app as ls_app
from lth_bench.cli.measure import measure
from lth_bench.cli.merge import merge
from lth_bench.cli.plan import plan
from lth_bench.cli.plugin import app as plugin_app
from lth_bench.cli.query import query
from lth_bench.cli.report import report
from lth_bench.cli.run import run
from lth_bench.cli.schema import schema
from lth_bench.cli.show import show
from lth_bench.cli.site import site
from lth_bench.cli.tune import tune
from lth_bench.cli.validate import validate
from lth_bench.cli.verify import verify
from lth_bench.cli.why import why
from lth_bench.errors import INTERNAL, INTERRUPTED, OK, UserError
from lth_bench.system.streams import lost, reader_gone
from lth_bench.system.text import printable, redacted

app = typer.Typer(
    name="lth-bench",
    help="Compare pruning and sparse-training methods at the same densities, seeds and costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs are wrapped where the terminal ends, not here
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    run,
    plan,
    validate,
    tune,
    leaderboard,
    compare,
    claims,
    report,
    site,
    show,
    why,
    query,
    measure,
    merge,
    verify,
    gc,
    doctor,
    schema,
):
    app.command()(command)
app.add_typer(ls_app, name="ls")
app.add_typer(plugin_app, name="plugin")
app.add_typer(export_app, name="export")
app.add_typer(db_app, name="db")

CTRL_C = 130
"""What typer makes of a KeyboardInterrupt."""


def _version(asked: bool) -> None:
    if asked:
        from lth_bench import __version__

        print(f"lth-bench {__version__}")
        raise typer.Exit()


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, metavar="", help="Show the version."
        ),
    ] = False,
) -> None:
    """Compare pruning and sparse-training methods at the same densities, seeds and costs."""


def main() -> NoReturn:
    """Run the command line. Exit codes: 0 ok, 1 some experiments failed, 2 interrupted, 3 a fault
    of lth-bench, 4 usage or suite error, 5 nothing selected, 6 what `--fail-on` was told to refuse,
    or results that `verify` finds different.
    """
    try:
        code = app(standalone_mode=False)
        if code == CTRL_C:
            raise KeyboardInterrupt
        _end(code if isinstance(code, int) else OK)
    except UserError as error:
        _say(f"error: {error.message}")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # typer takes every one for an end of the input
            _fault(error.__cause__)
        _say("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is not None:  # typer's own: an unknown option, a missing argument
            context = getattr(error, "ctx", None)
            where = f" (see `{context.command_path} --help`)" if context is not None else ""
            if usage():  # empty where the help was asked for by saying nothing
                _say(f"error: {usage().removesuffix('.')}{where}")
            sys.exit(UserError.exit_code)
        _fault(error)


def _end(code: int) -> NoReturn:
    """A reader that has gone away, as `head` does, has what it wants. A full disk is an error."""
    error = lost()
    if error is not None and not reader_gone():
        _say(f"error: cannot write to standard output: {error.strerror or error}")
        code = code or UserError.exit_code
    sys.exit(code)


def _fault(error: Exception) -> NoReturn:
    """An error that should not have come this far."""
    if os.environ.get("LTH_BENCH_DEBUG"):
        traceback.print_exception(error)
    _say(
        f"internal error: {type(error).__name__}: {error}\n"
        f"This is a bug in lth-bench: please report it. LTH_BENCH_DEBUG=1 shows the traceback."
    )
    sys.exit(INTERNAL)


def _say(text: str) -> None:
    # a message may quote what a stranger's file says
    print("\n".join(map(printable, redacted(text).splitlines())), file=sys.stderr)
