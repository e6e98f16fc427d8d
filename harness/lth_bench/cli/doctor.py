"""`lth-bench doctor`: problems of this machine and these results, and how to fix them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption, ResultsOption

if TYPE_CHECKING:
    from lth_bench.maintenance import Diagnosis


def doctor(
    *,
    results: ResultsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            help="Test this device instead, in about twenty seconds: cuda, cuda:1, cpu, auto.",
            metavar="D",
        ),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            "--timeout",
            help="With --device: time limit for each test, such as 5m; 60s by default.",
            metavar="T",
        ),
    ] = None,
    json_: JsonOption = False,
) -> int:
    """Check Python, torch, GPUs, memory, disks, results, data and plugins for problems.

    Each line is ok, a warning, or a problem with how to fix it. Exits with 1 if there is a problem.
    Changes nothing. With --device, trains small networks to test a device: CUDA graphs, agreement
    with the CPU, running out of memory, and speed.
    """
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.errors import OK, SOME_FAILED, UserError
    from lth_bench.store.paths import Paths, default_results

    if device is not None:
        return _try(device, timeout, json_)
    if timeout is not None:
        raise UserError(
            "--timeout limits the tests of --device; add a device, such as --device cuda"
        )
    from lth_bench.maintenance.doctor import examine

    paths = Paths(results or default_results())
    found = _shown(examine(paths, tuple(plugin or ()), third_party=not no_plugins), quiet=json_)
    code = SOME_FAILED if any(f.level == "problem" for f in found) else OK
    if json_:
        print_json({"findings": [asdict(f) for f in found], "exit_code": code})
    return code


def _shown(findings: Iterable[Diagnosis], quiet: bool) -> list[Diagnosis]:
    """All of them; each is printed as soon as it is there, unless `quiet`."""
    from lth_bench.system.text import printable

    marks = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    found = []
    for finding in findings:
        found.append(finding)
        if not quiet:
            line = f"{marks[finding.level]} {finding.what}: {finding.found}"
            print(printable(line + (f". {finding.do}" if finding.do else "")))
    return found


def _try(asked: str, timeout: str | None, json_: bool) -> int:
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.errors import OK, SOME_FAILED
    from lth_bench.maintenance.device import HEADINGS, aligned, findings, speeds, try_all
    from lth_bench.maintenance.selftest.steps import LIMIT
    from lth_bench.running.arguments import duration
    from lth_bench.system.devices import choose

    limit = LIMIT if timeout is None else duration("--timeout", timeout)
    results = try_all(choose(asked).names, limit)
    found = [f for name, done in results.items() for f in _shown(findings(name, done), quiet=json_)]
    code = SOME_FAILED if any(f.level == "problem" for f in found) else OK
    if json_:
        document = {name: [r.as_dict() for r in done] for name, done in results.items()}
        listed = [asdict(f) for f in found]
        print_json({"findings": listed, "devices": document, "exit_code": code})
        return code
    lines = [line for name, done in results.items() for line in speeds(name, done)]
    if lines:
        print("")
        print(aligned(HEADINGS, lines))
    return code
