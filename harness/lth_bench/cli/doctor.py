"""`lth-bench doctor`: what is wrong with this machine and these results, and what to do."""

from __future__ import annotations

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption, ResultsOption


def doctor(
    results: ResultsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> int:
    """Look for what is wrong: Python, torch, GPUs, memory, disks, results, data, plugins.

    Each line is ok, a warning, or a problem with what to do about it. Exits with 1 where there is
    a problem. Changes nothing.
    """
    from dataclasses import asdict

    from lth_bench.cli.output import print_json
    from lth_bench.errors import OK, SOME_FAILED
    from lth_bench.report.printable import printable
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.upkeep.doctor import examine

    marks = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
    findings = []
    for finding in examine(
        Paths(results or default_results()), tuple(plugin or ()), third_party=not no_plugins
    ):
        findings.append(finding)
        if not json_:
            line = f"{marks[finding.level]} {finding.what}: {finding.found}"
            typer.echo(printable(line + (f". {finding.do}" if finding.do else "")))
    code = SOME_FAILED if any(f.level == "problem" for f in findings) else OK
    if json_:
        print_json({"findings": [asdict(f) for f in findings], "exit_code": code})
    return code
